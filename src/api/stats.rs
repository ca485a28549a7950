//! What an instance used over time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What an instance used over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceStats {
    /// The instance.
    pub instance_id: Uuid,
    /// The measurements, oldest first. The daemon keeps the last 120 of the present daemon's life.
    pub samples: Vec<Sample>,
    /// Requests through the gateway since the daemon began.
    pub requests: u64,
    /// Requests under way.
    pub in_flight: u32,
}

/// One measurement of a process tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// CPU in percent of one core.
    pub cpu_percent: f32,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Processes in the tree.
    pub processes: u32,
    /// How long the last health check before it took.
    pub health_latency_ms: Option<f64>,
}
