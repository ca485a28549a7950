//! Credential sets: the secrets that a server of one type runs with. Values go in and never come out.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::expiry::OnExpiry;

/// A new credential set.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// The type it is for.
    pub mcp_type: String,
    /// What you call it; unique among your sets of the type.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The fields that the type asks for, each a text unless the type says otherwise.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub fields: BTreeMap<String, Value>,
    /// When the vendor will refuse them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// What happens to instances then; `warn` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<OnExpiry>,
}

/// New content of a credential set. Replaces all fields.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceCredential {
    /// The fields that the type asks for.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub fields: BTreeMap<String, Value>,
    /// What you call it; unchanged unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// When the vendor will refuse them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// What happens to instances then; unchanged unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<OnExpiry>,
}

/// A credential set whose fields were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplacedCredential {
    /// The set.
    #[serde(flatten)]
    pub credential: Credential,
    /// Running instances that used the old fields and are being replaced.
    pub replacing: u32,
    /// With `wait=true`: those of them whose new process could not take over. The old one goes on, with the old
    /// fields, and `status_reason` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_replaced: Option<Vec<Uuid>>,
}

/// A credential set, without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// The set.
    pub id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// The type it is for.
    pub mcp_type: String,
    /// What its owner calls it.
    pub name: String,
    /// The last four characters of the primary field, where that gives little away.
    pub hint: Option<String>,
    /// The names of the fields that are set.
    pub field_names: Vec<String>,
    /// The id of the master key that it is encrypted under.
    pub key_id: String,
    /// When the vendor will refuse it.
    pub expires_at: Option<DateTime<Utc>>,
    /// What happens to instances then.
    pub on_expiry: OnExpiry,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its fields were last changed.
    pub updated_at: DateTime<Utc>,
}

impl fmt::Debug for CreateCredential {
    /// Shows the names of the fields and no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateCredential")
            .field("mcp_type", &self.mcp_type)
            .field("name", &self.name)
            .field("fields", &self.fields.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReplaceCredential {
    /// Shows the names of the fields and no value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceCredential").field("fields", &self.fields.keys()).finish_non_exhaustive()
    }
}
