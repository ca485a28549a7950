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
    /// What was measured, oldest first: the last 120 measurements of the present daemon's life, or, where `since` is
    /// before them, a point for each minute of the last day or for each quarter of an hour of the last 30 days.
    pub samples: Vec<Sample>,
    /// Seconds between two of them.
    pub resolution_seconds: f64,
    /// Requests through the gateway since the daemon began.
    pub requests: u64,
    /// Requests under way.
    pub in_flight: u32,
}

/// One measurement of a process tree, or what several within a minute or a quarter of an hour came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// When it was taken, or where the minute or the quarter of an hour begins.
    pub at: DateTime<Utc>,
    /// CPU in percent of one core, on average.
    pub cpu_percent: f32,
    /// The most of it.
    pub cpu_percent_max: f32,
    /// Resident memory, on average.
    pub memory_bytes: u64,
    /// The most of it.
    pub memory_bytes_max: u64,
    /// Processes in the tree, at most.
    pub processes: u32,
    /// How long the health checks before it took, on average.
    pub health_latency_ms: Option<f64>,
    /// How long they took at most.
    pub health_latency_ms_max: Option<f64>,
}
