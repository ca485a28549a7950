//! Who the caller is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::store::Role;

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
    /// The logs of the user's instances that are over.
    pub archived_logs: ArchivedLogs,
}

/// Logs that were put away when their instances came to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArchivedLogs {
    /// Instances whose logs are kept.
    pub instances: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// What they may take; past it the oldest are removed.
    pub quota_bytes: u64,
    /// For how long they are kept.
    pub retention_days: u64,
}

/// What a user may have at most; null is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserLimits {
    /// Instances.
    pub max_instances: Option<u32>,
    /// Instances with a process.
    pub max_running: Option<u32>,
    /// Credential sets.
    pub max_credentials: Option<u32>,
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
