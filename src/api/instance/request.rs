//! What callers ask of instances.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// A request for a new instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInstance {
    /// The name of the type, such as `github`.
    pub mcp_type: String,
    /// The credential set to run with; needed where the type has required fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<Uuid>,
    /// The lease in minutes from now. Not together with `expires_at`; without either it is the daemon's
    /// default, 60 minutes unless set otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub expiration_minutes: Option<u32>,
    /// When the lease ends. Not together with `expiration_minutes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Configuration, merged over the type's template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub config: Option<Map<String, Value>>,
    /// What you call it; 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Whether the server writes its debug output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Put it to sleep after this long without a call; the next call wakes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2592000)]
    pub idle_timeout_seconds: Option<u32>,
    /// Restart rules that differ from the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartRules>,
    /// Limits tighter than those of the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<DeclaredLimits>,
}

/// When a server that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartRules {
    /// `permanent` (the default): after any end; `transient`: after a fault only; `temporary`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RestartPolicy>,
    /// Restarts allowed within the period; 5 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1000)]
    pub intensity: Option<u32>,
    /// The period; 300 unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86400)]
    pub period_seconds: Option<u32>,
}

/// Which ends of a server lead to a new run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Every end.
    Permanent,
    /// Every end but an exit with code 0.
    Transient,
    /// None.
    Temporary,
}

/// What the whole process tree of a server may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredLimits {
    /// Resident memory, in MiB.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub max_memory_mb: Option<u32>,
    /// CPU in percent of one core: 150 is one and a half cores.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub max_cpu_percent: Option<u32>,
    /// Processes and threads together, at least 16.
    #[serde(default)]
    #[schema(minimum = 16)]
    pub max_processes: Option<u32>,
}

/// A new end of the lease; exactly one of the two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendLease {
    /// In minutes from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub expiration_minutes: Option<u32>,
    /// As a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A request for a new access token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateToken {
    /// For how long the old token goes on working; 0 unless given, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 86400)]
    pub overlap_seconds: Option<u32>,
}
