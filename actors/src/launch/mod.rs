//! How runs come to be and are watched: the seam between the actors and whatever executes processes.
//!
//! A [`Launcher`] starts, finds again and describes; a [`Process`] is one run's process with its whole tree.
//! What a process reports is its state ([`Process::ended`] can be asked at any time and by anyone), never a
//! change that could be missed.

pub mod cgroup;
pub(crate) mod cpus;
pub mod gate;
pub mod handover;
mod identity;
pub mod isolation;
pub mod listener;
pub mod local;
pub mod logs;
mod pidfd;
pub mod pipes;
mod plan;
mod probe;
pub(crate) mod proc;
pub mod record;
mod tree;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::cgroup::Enforced;
pub use self::plan::{NoPlan, Plan, Planner, Reach, Wait};
use crate::policy::Policy;
use crate::state::{Exit, Run};

/// All the supervisor has to know about an instance.
///
/// ```
/// use std::sync::Arc;
///
/// use minimcp_actors::launch::{Plan, Probe, Reach, Spec};
/// use minimcp_actors::policy::Policy;
///
/// let plan = Plan {
///     program: "/usr/bin/python3".into(),
///     args: ["-m", "http.server"].map(str::to_owned).into(),
///     env: vec![("LANG".into(), "C.UTF-8".to_owned().into())],
///     sealed: Vec::new(),
///     cwd: "/srv/www".into(),
///     log_dir: "/var/log/www".into(),
///     reach: Reach { readable: vec!["/srv/www".into()], writable: Vec::new() },
/// };
/// let spec = Spec::new("web", Policy::default(), Probe::Tcp, Arc::new(plan));
/// assert!(spec.lease_ends_at.is_none() && spec.probe.needs_port());
/// ```
#[derive(Debug, Clone)]
pub struct Spec {
    /// The instance.
    pub id: Uuid,
    /// Who it belongs to; published with every event.
    pub owner: Uuid,
    /// What kind it is; published with every event.
    pub kind: Arc<str>,
    /// The rules it lives by.
    pub policy: Policy,
    /// How its readiness and health are seen.
    pub probe: Probe,
    /// When its lease ends; `None` for never.
    pub lease_ends_at: Option<DateTime<Utc>>,
    /// Put it to sleep after this long without a call; `None` for never.
    pub idle_after: Option<Duration>,
    /// The instance that this run of a process is a part of, if it is none itself. A part is in no list and in no
    /// stream of transitions, ends with its whole, and is forgotten once it has ended.
    pub part_of: Option<Uuid>,
    /// What to execute.
    pub planner: Arc<dyn Planner>,
}

impl Spec {
    /// A specification with a new id, no owner and no lease.
    #[must_use]
    pub fn new(kind: &str, policy: Policy, probe: Probe, planner: Arc<dyn Planner>) -> Self {
        let (id, owner) = (Uuid::now_v7(), Uuid::nil());
        let (lease_ends_at, idle_after, part_of) = (None, None, None);
        Self { id, owner, kind: kind.into(), policy, probe, lease_ends_at, idle_after, part_of, planner }
    }
}

/// How readiness and health are seen.
///
/// ```
/// use minimcp_actors::launch::Probe;
///
/// assert!(Probe::Http { path: "/health".into() }.needs_port() && !Probe::Process.needs_port());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Probe {
    /// The process is there: ready once launched, healthy until it ends. Needs no port.
    Process,
    /// A TCP connection to the port is accepted.
    Tcp,
    /// `GET path` answers 200. If the body is JSON with `mcpId` or `nonce`, they have to be this run's.
    Http {
        /// The path, such as `/health`.
        path: String,
    },
    /// A POST of `server/discover` to the path is answered with JSON-RPC, whatever its content. This is legal
    /// in both protocol eras and opens no session.
    Mcp {
        /// The path, such as `/mcp`.
        path: String,
    },
    /// The run speaks over its standard streams, and its [`pipes::Wiring`] asks it. Needs no port.
    Pipes {
        /// What the wiring has to know about runs of this kind. Nobody else reads it.
        note: String,
    },
}

impl Probe {
    /// Whether the run needs a port.
    #[must_use]
    pub fn needs_port(&self) -> bool {
        !matches!(self, Self::Process | Self::Pipes { .. })
    }

    /// Whether the run speaks over its standard streams.
    #[must_use]
    pub fn is_piped(&self) -> bool {
        matches!(self, Self::Pipes { .. })
    }
}

/// The facts of one launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The instance.
    pub id: Uuid,
    /// The run.
    pub run: Run,
    /// The port it is to listen on, if it needs one.
    pub port: Option<u16>,
    /// A random word that the process may echo to prove that it is this run.
    pub nonce: String,
}

/// What tells a process from every other there was or will be on this machine.
///
/// ```
/// use minimcp_actors::launch::Identity;
///
/// let earlier = Identity { pid: std::process::id(), start_ticks: 0, boot_id: "another".into() };
/// assert!(!earlier.is_present(), "the id belongs to another process now");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id; also the id of its group and session.
    pub pid: u32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// What is written down about a run before its program gets control, so that a later daemon finds it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The instance.
    pub id: Uuid,
    /// The run.
    pub run: Run,
    /// Its process.
    pub identity: Identity,
    /// Its port.
    pub port: Option<u16>,
    /// The word it echoes.
    pub nonce: String,
    /// When it was launched.
    pub started_at: DateTime<Utc>,
    /// The directory of its `stdout.log` and `stderr.log`.
    pub log_dir: PathBuf,
    /// Length of `stderr.log` when it was launched.
    pub stderr_from: u64,
    /// The user that no other instance has; `None` if it shares one.
    #[serde(default)]
    pub uid: Option<u32>,
    /// What keeps it to itself; `None` if it was launched by a daemon that did not say.
    #[serde(default)]
    pub isolation: Option<isolation::Report>,
    /// When the kernel ends it, whatever becomes of the daemon; `None` for never.
    #[serde(default)]
    pub alarm_at: Option<DateTime<Utc>>,
    /// The directories of its control group; none where there are no groups.
    #[serde(default)]
    pub cgroups: Vec<PathBuf>,
    /// Whether its stdin and stdout are FIFOs beside this record.
    #[serde(default)]
    pub piped: bool,
}

impl Record {
    /// What its file and its control group are called: instance and run.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.id, self.run)
    }
}

/// Why a probe was missed. The words reach the owner and hold no secret.
///
/// ```
/// use minimcp_actors::launch::Missed;
///
/// assert_eq!(Missed("no answer within 5 s".into()).to_string(), "no answer within 5 s");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missed(pub String);

/// One run's process with its whole tree. Dropping the last handle kills the tree, unless it was released.
pub trait Process: Send + Sync {
    /// What was recorded about it.
    fn record(&self) -> &Record;

    /// Resolves once the process has ended and its tree is gone. May be called any number of times.
    fn ended(&self) -> BoxFuture<'static, Exit>;

    /// Asks it once whether it is ready and healthy, for at most `timeout`.
    fn probe(&self, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>>;

    /// SIGTERM to the tree. Without effect on what has ended.
    fn terminate(&self);

    /// SIGKILL to the tree. Without effect on what has ended.
    fn kill(&self);

    /// Lets it live on when the last handle is dropped.
    fn release(&self);

    /// Who keeps its limits.
    fn enforced(&self) -> Enforced {
        Enforced::default()
    }

    /// The last lines of its stderr, at most 4 KiB.
    fn stderr_tail(&self) -> BoxFuture<'static, String>;
}

/// Why a process could not be launched or found. The words reach the owner and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is nothing to execute, and will not be until something changes.
    #[error("{0}")]
    Unstartable(String),
    /// The machine did not give what the launch needs; a later try may do better.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The recorded process is gone, or its id belongs to another process now.
    #[error("the recorded process {pid} is gone")]
    Gone {
        /// The recorded process id.
        pid: u32,
    },
}

impl From<NoPlan> for LaunchError {
    fn from(no_plan: NoPlan) -> Self {
        match no_plan {
            NoPlan::Never(words) => Self::Unstartable(words),
            NoPlan::NotNow(words) => {
                Self::System { what: "making the plan", source: std::io::Error::other(words) }
            }
        }
    }
}

/// What the kernel counts of a run's tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// The ids of its processes.
    pub members: Vec<u32>,
    /// CPU used so far, ended processes included, in microseconds.
    pub cpu_us: Option<u64>,
    /// Forks refused so far because of the limit of processes.
    pub refused_forks: u64,
}

/// Starts processes and finds them again.
pub trait Launcher: Send + Sync + fmt::Debug {
    /// Starts a process. Nothing of the plan's program runs before its [`Record`] is durable against the
    /// daemon's death.
    fn launch(
        &self,
        spec: &Spec,
        launch: Launch,
    ) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>;

    /// What the kernel counts of a run's tree; `None` where it does not, so that processes have to be looked at.
    /// Called on a thread that may block.
    fn count(&self, _: Uuid, _: Run) -> Option<Counted> {
        None
    }

    /// Whether a run has lately written more output than is kept. Called on a thread that may block.
    fn drops_output(&self, _: Uuid, _: Run) -> bool {
        false
    }

    /// Finds the process of a record again.
    fn adopt(&self, spec: &Spec, record: Record)
    -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>;
}
