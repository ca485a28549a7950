//! Where an instance stands and why, as the API and the store name it: [`State`](crate::state::State) without its
//! data, and the causes that lead from one to the next.

use serde::{Deserialize, Serialize};

use crate::state::Outcome;

/// [`State`](crate::state::State) without data, as the API and the store name it.
///
/// ```
/// use minimcp_actors::state::Status;
///
/// assert_eq!(Status::from_name("hibernated"), Some(Status::Hibernated));
/// assert!(Status::Disconnected.is_ended() && !Status::Restarting.is_ended());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Recorded, waits for its first start.
    Pending,
    /// Process launched, not ready yet.
    Starting,
    /// Ready and healthy.
    Running,
    /// Missed its last probes.
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

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Starting,
        Self::Running,
        Self::Unhealthy,
        Self::Restarting,
        Self::Stopping,
        Self::Hibernated,
        Self::Disconnected,
        Self::Stopped,
        Self::Expired,
        Self::Failed,
    ];

    /// The name in the API and the store, such as `running`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Hibernated => "hibernated",
            Self::Disconnected => "disconnected",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// The status with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether nothing more happens without a command.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Hibernated | Self::Disconnected | Self::Stopped | Self::Expired | Self::Failed)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Stopped => Self::Stopped,
            Outcome::Expired => Self::Expired,
            Outcome::Hibernated => Self::Hibernated,
            Outcome::Disconnected => Self::Disconnected,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// Why an instance is where it is.
///
/// ```
/// use minimcp_actors::state::Cause;
///
/// assert_eq!((Cause::HighCpu.as_str(), Cause::HighCpu.words()), ("high_cpu", "High CPU usage"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was asked for.
    Commanded,
    /// Its process ended by itself.
    Exited,
    /// Its process could not be launched.
    LaunchFailed,
    /// It was not ready in time.
    StartTimeout,
    /// It missed its last probes.
    ProbesFailed,
    /// It answers its probes again.
    Recovered,
    /// It used more memory than it may.
    HighMemory,
    /// It used more CPU than it may.
    HighCpu,
    /// The kernel killed it at its memory limit.
    OomKilled,
    /// It had, or wanted, more processes than it may.
    TooManyProcesses,
    /// Its lease is over.
    LeaseEnded,
    /// Nobody called it for long.
    Idle,
    /// A request came for it.
    Woken,
    /// An earlier daemon had started it and its process lives on.
    Adopted,
    /// An earlier daemon had started it and its process is gone.
    Lost,
    /// The daemon ended and took it along.
    DaemonShutdown,
    /// A new run took over from one that served.
    Replaced,
    /// A new run could not take over; the one that served goes on.
    ReplacementFailed,
    /// Its credentials have expired.
    CredentialExpired,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 19] = [
        Self::Commanded,
        Self::Exited,
        Self::LaunchFailed,
        Self::StartTimeout,
        Self::ProbesFailed,
        Self::Recovered,
        Self::HighMemory,
        Self::HighCpu,
        Self::OomKilled,
        Self::TooManyProcesses,
        Self::LeaseEnded,
        Self::Idle,
        Self::Woken,
        Self::Adopted,
        Self::Lost,
        Self::DaemonShutdown,
        Self::Replaced,
        Self::ReplacementFailed,
        Self::CredentialExpired,
    ];

    /// The name in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commanded => "commanded",
            Self::Exited => "exited",
            Self::LaunchFailed => "launch_failed",
            Self::StartTimeout => "start_timeout",
            Self::ProbesFailed => "probes_failed",
            Self::Recovered => "recovered",
            Self::HighMemory => "high_memory",
            Self::HighCpu => "high_cpu",
            Self::OomKilled => "oom_killed",
            Self::TooManyProcesses => "too_many_processes",
            Self::LeaseEnded => "lease_ended",
            Self::Idle => "idle",
            Self::Woken => "woken",
            Self::Adopted => "adopted",
            Self::Lost => "lost",
            Self::DaemonShutdown => "daemon_shutdown",
            Self::Replaced => "replaced",
            Self::ReplacementFailed => "replacement_failed",
            Self::CredentialExpired => "credential_expired",
        }
    }

    /// The cause with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// The words a person reads, such as `High memory usage`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Commanded => "Asked for",
            Self::Exited => "The process ended by itself",
            Self::LaunchFailed => "The process could not be launched",
            Self::StartTimeout => "The server was not ready in time",
            Self::ProbesFailed => "The server stopped answering its health checks",
            Self::Recovered => "The server answers its health checks again",
            Self::HighMemory => "High memory usage",
            Self::HighCpu => "High CPU usage",
            Self::OomKilled => "High memory usage: the kernel ended it at its limit",
            Self::TooManyProcesses => "Too many processes",
            Self::LeaseEnded => "The lease is over",
            Self::Idle => "No call for the idle time",
            Self::Woken => "A request came for it",
            Self::Adopted => "Found again after a restart of the daemon",
            Self::Lost => "The process was gone after a restart of the daemon",
            Self::DaemonShutdown => "The daemon was shut down",
            Self::Replaced => "A new process took over",
            Self::ReplacementFailed => {
                "A new process could not take over; the old one goes on, with the credentials it was started with"
            }
            Self::CredentialExpired => "Its credentials have expired; replace them, then restart it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_statuses_and_causes_round_trip_and_agree_with_serde() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.as_str()), Some(status));
            assert_eq!(serde_json::json!(status), status.as_str());
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::from_name(cause.as_str()), Some(cause));
            assert_eq!(serde_json::json!(cause), cause.as_str());
        }
        assert_eq!(Status::from_name("asleep"), None);
    }
}
