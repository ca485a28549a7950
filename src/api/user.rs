//! Users and their API tokens. The text of a token is in the answer that makes it and in no other.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::me::{Usage, UserLimits};

pub use crate::store::Role;

/// A new user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// What the user is called; unique, 1 to 100 characters, none of them a control character.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What the user may do; `user` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Limits that differ from the daemon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<WantedLimits>,
}

/// What is to change of a user. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// What the user is called from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// What the user may do from now on, with every token they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Limits to set; null takes all of them back to the daemon's.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<WantedLimits>)]
    pub limits: Option<Option<WantedLimits>>,
}

/// Limits to set: a number, or null for the daemon's default. What is left out stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WantedLimits {
    /// Instances, running or not.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, maximum = 4294967295_u32)]
    pub max_instances: Option<Option<u32>>,
    /// Instances with a process.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, maximum = 4294967295_u32)]
    pub max_running: Option<Option<u32>>,
    /// Credential sets.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, maximum = 4294967295_u32)]
    pub max_credentials: Option<Option<u32>>,
}

/// A field that was given: null is an answer, too.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The user.
    pub id: Uuid,
    /// What the user is called.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// The user's own limits.
    pub limits: OwnLimits,
    /// The limits in force: the user's own, and the daemon's where there are none.
    pub effective_limits: UserLimits,
    /// What the user has; left out of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
}

/// Limits of one user; null stands for the daemon's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnLimits {
    /// Instances, running or not.
    pub max_instances: Option<u32>,
    /// Instances with a process.
    pub max_running: Option<u32>,
    /// Credential sets.
    pub max_credentials: Option<u32>,
}

/// A new API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What you call it; need not be unique.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// From when on it is refused; never unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// An API token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiToken {
    /// The token.
    pub id: Uuid,
    /// Whose token it is.
    pub user_id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// The last four characters of its text.
    pub hint: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last shown; up to a minute behind.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// An API token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// What is known of it later, too.
    #[serde(flatten)]
    pub about: ApiToken,
    /// Its text, shown this once.
    pub token: String,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("about", &self.about).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_takes_a_limit_back_and_silence_leaves_it() {
        let read = |value| serde_json::from_value::<ChangeUser>(value).unwrap();
        assert_eq!(read(json!({})), ChangeUser::default());
        assert_eq!(read(json!({"limits": null})).limits, Some(None));
        let limits =
            read(json!({"limits": {"max_running": null, "max_instances": 3}})).limits.unwrap().unwrap();
        let expected =
            WantedLimits { max_instances: Some(Some(3)), max_running: Some(None), max_credentials: None };
        assert_eq!(limits, expected);
        assert_eq!(json!(read(json!({"limits": null}))), json!({"limits": null}));
    }
}
