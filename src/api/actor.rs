//! The actor tree as it runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instance::Status;

/// One actor as it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// Where it stands in the tree, such as `/supervisor`.
    pub path: String,
    /// What it is: `supervisor`, `instance`, `sampler`, `journal`.
    pub kind: String,
    /// For an instance: where it stands.
    pub state: Option<Status>,
    /// Which life of it this is; for an instance, its run.
    pub generation: u64,
    /// Messages sent and not answered yet.
    pub mailbox_depth: u64,
    /// Messages handled since it began.
    pub messages_handled: u64,
    /// How long ago it handled the last one.
    pub last_message_age_ms: Option<u64>,
    /// For an instance: restarts that count against its budget at present.
    pub restarts_in_window: Option<u32>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it has been running.
    pub uptime_seconds: u64,
}
