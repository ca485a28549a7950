//! Whether the daemon lives and can serve.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The daemon lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Liveness {
    /// Always `ok`.
    pub status: String,
    /// Since when, in seconds.
    pub uptime_seconds: u64,
}

/// Whether the daemon can serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether every part is ready.
    pub ready: bool,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Its name, such as `store`.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// What it waits for, in words.
    pub detail: Option<String>,
}
