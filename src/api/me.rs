//! Who the caller is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who the caller is, what they may have and what they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The user.
    pub id: Uuid,
    /// The user's name.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// What the user may have at most.
    pub limits: UserLimits,
    /// What the user has.
    pub usage: Usage,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Reads everything but secrets, changes nothing.
    Operator,
    /// Own things only.
    User,
}

/// What a user may have at most; null is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserLimits {
    /// Instances.
    pub max_instances: Option<u64>,
    /// Instances with a process.
    pub max_running: Option<u64>,
    /// Credential sets.
    pub max_credentials: Option<u64>,
}

/// What a user has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Instances.
    pub instances: u64,
    /// Instances with a process, or with one on its way.
    pub running: u64,
    /// Credential sets.
    pub credentials: u64,
}
