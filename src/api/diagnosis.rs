//! What is wrong with an instance and what to do about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instance::{LastExit, Limits, Status};

/// What was looked at, what came out and what to do next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// The instance.
    pub instance_id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// Whether nothing is wrong.
    pub healthy: bool,
    /// One sentence that sums it up.
    pub summary: String,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// The limits in force.
    pub limits: Limits,
    /// What to do next, the most useful first.
    pub next_steps: Vec<String>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What, such as `process` or `port`.
    pub name: String,
    /// Whether it is as it should be; null where it does not apply.
    pub ok: Option<bool>,
    /// What was seen, in words.
    pub detail: String,
}
