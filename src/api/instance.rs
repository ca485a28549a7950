//! Instances: the supervised MCP servers of a user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::isolation::Isolation;
use crate::catalog::CredentialsExposure;

mod request;

pub use request::{CreateInstance, DeclaredLimits, ExtendLease, RestartPolicy, RestartRules, RotateToken};

/// A new access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    /// The token, shown this once.
    pub access_token: String,
    /// Until when the old one goes on working, if it does.
    pub previous_valid_until: Option<DateTime<Utc>>,
}

/// An instance that was just created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreatedInstance {
    /// The instance.
    #[serde(flatten)]
    pub instance: Instance,
    /// The token for `access_url`, shown this once.
    pub access_token: String,
}

/// A supervised MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Instance {
    /// The instance.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Its owner.
    pub user_id: Uuid,
    /// Its type.
    pub mcp_type: String,
    /// Where it stands.
    pub status: Status,
    /// What led there, in words.
    pub status_reason: Option<String>,
    /// The number of its newest run; 0 before the first.
    pub generation: u64,
    /// The process of the present run.
    pub process_id: Option<u32>,
    /// The port of the present run.
    pub assigned_port: Option<u16>,
    /// Where MCP clients connect, with the access token.
    pub access_url: String,
    /// The server's own port on the loopback interface, while it has one.
    pub direct_url: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its newest run was launched.
    pub started_at: Option<DateTime<Utc>>,
    /// When its lease ends.
    pub expires_at: DateTime<Utc>,
    /// When it last came to an end.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When it was last brought back by its owner or found again by the daemon.
    pub restored_at: Option<DateTime<Utc>>,
    /// When its health was last checked.
    pub last_checked_at: Option<DateTime<Utc>>,
    /// When it was last called through the gateway.
    pub last_accessed_at: Option<DateTime<Utc>>,
    /// How often it came back by itself.
    pub restarts: Restarts,
    /// What it uses at present.
    pub stats: Stats,
    /// What it may use at most.
    pub limits: Limits,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// The credential set it runs with.
    pub credential_id: Option<Uuid>,
    /// Where its credentials can be seen while it runs; null where it has none.
    pub credentials_exposure: Option<CredentialsExposure>,
    /// What keeps its process to itself; null while there is none.
    pub isolation: Option<Isolation>,
    /// Its configuration as given.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    /// Whether the server writes its debug output.
    pub debug: bool,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Recorded, waits for its first start.
    Pending,
    /// Process launched, not ready yet.
    Starting,
    /// Ready and healthy.
    Running,
    /// Missed its last health checks.
    Unhealthy,
    /// Between two runs.
    Restarting,
    /// Told to end.
    Stopping,
    /// Asleep; the next request wakes it.
    Hibernated,
    /// No process; can be restored.
    Disconnected,
    /// Ended by command.
    Stopped,
    /// Ended with its lease.
    Expired,
    /// Could never be started.
    Failed,
}

/// How often an instance came back by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Restarts {
    /// Since it was made.
    pub total: u64,
    /// Counted against its budget at present.
    pub in_window: u32,
    /// When the next run is due, while it backs off.
    pub next_at: Option<DateTime<Utc>>,
}

/// What an instance uses at present.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// CPU of the process tree in percent of one core.
    pub cpu_percent: Option<f32>,
    /// Resident memory of the process tree.
    pub memory_bytes: Option<u64>,
    /// Processes in the tree.
    pub processes: Option<u32>,
    /// The last health check.
    pub health: Option<Health>,
}

/// The result of a health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether the server answered as it should.
    pub healthy: bool,
    /// When the check ended.
    pub checked_at: DateTime<Utc>,
    /// How long it took.
    pub latency_ms: f64,
    /// What was wrong.
    pub problem: Option<String>,
}

/// What an instance may use at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// The limits in force.
    pub declared: DeclaredLimits,
    /// Who keeps each of them while there is a process, such as `memory: cgroup v2`: the kernel, by `cgroup v2` or
    /// `cgroup v1`, or `sampling`, which ends what is over a limit for several measurements in a row.
    pub enforced_by: Vec<String>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastExit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Why, such as `exited` or `high_memory`.
    pub cause: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The last lines it wrote to stderr.
    pub stderr_tail: String,
}

impl From<&minimcp_actors::snapshot::LastExit> for LastExit {
    fn from(last: &minimcp_actors::snapshot::LastExit) -> Self {
        use minimcp_actors::state::Exit;
        let (code, signal) = match last.exit {
            Exit::Code(code) => (Some(code), None),
            Exit::Signal(signal) => (None, Some(signal)),
            Exit::OomKilled => (None, Some(9)),
            Exit::Unknown | Exit::Unspawned | Exit::Unstartable | Exit::ActorDied => (None, None),
        };
        let cause = last.cause.as_str().to_owned();
        Self { code, signal, cause, at: last.at, stderr_tail: last.stderr_tail.clone() }
    }
}

impl Status {
    /// The name in JSON, such as `running`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        minimcp_actors::state::Status::from(self).as_str()
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The two enums differ only in that this one documents itself; the match keeps them in step.
macro_rules! same_status {
    ($($name:ident),*) => {
        impl From<minimcp_actors::state::Status> for Status {
            fn from(status: minimcp_actors::state::Status) -> Self {
                match status { $(minimcp_actors::state::Status::$name => Self::$name),* }
            }
        }
        impl From<Status> for minimcp_actors::state::Status {
            fn from(status: Status) -> Self {
                match status { $(Status::$name => Self::$name),* }
            }
        }
    };
}
same_status!(
    Pending,
    Starting,
    Running,
    Unhealthy,
    Restarting,
    Stopping,
    Hibernated,
    Disconnected,
    Stopped,
    Expired,
    Failed
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_one_name_everywhere() {
        for status in minimcp_actors::state::Status::ALL {
            assert_eq!(serde_json::json!(Status::from(status)), status.as_str());
        }
    }

    #[test]
    fn a_minimal_request_is_small_and_reads_back() {
        let request = CreateInstance { mcp_type: "github".into(), ..CreateInstance::default() };
        assert_eq!(serde_json::json!(request), serde_json::json!({"mcp_type": "github"}));
        assert_eq!(serde_json::from_value::<CreateInstance>(serde_json::json!(request)).unwrap(), request);
    }
}
