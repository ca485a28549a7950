//! Every message of the actor system, on one screen. Commands are imperative, reports are in the past tense.

use std::sync::Arc;

use actix::Message;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::launch::cgroup::Enforced;
use crate::launch::{Process, Record, Spec};
use crate::snapshot::Snapshot;
use crate::state::{Cause, Command, Denied, Exit, Outcome, Run, Usage};

/// To the supervisor: take this new instance on and start it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Snapshot>, Refused>")]
pub struct Create(pub Spec);

/// To the supervisor: take on an instance of an earlier daemon.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Snapshot>, Refused>")]
pub struct Recover {
    /// What it is.
    pub spec: Spec,
    /// What it has been through.
    pub past: Past,
    /// What is to become of it.
    pub fate: Fate,
}

/// What an instance went through under earlier daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// The newest run that anyone recorded.
    pub last_run: Run,
    /// Restarts so far.
    pub restarts: u64,
    /// Since when it rests as [`Fate::Rest`] says, where that is known already and need not be told again.
    pub rests_since: Option<DateTime<Utc>>,
}

/// What is to become of an instance of an earlier daemon.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It has a recorded process: adopt it if it lives, else end as disconnected and, if `restore`, start anew.
    Adopt {
        /// The recorded process.
        record: Box<Record>,
        /// Whether to start anew what is gone.
        restore: bool,
    },
    /// It has no process and is to be started.
    Start,
    /// It has no process and is to stay as it ended.
    Rest(Outcome, Cause),
}

/// To the supervisor: do this to an instance.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Arc<Snapshot>, Refused>")]
pub struct Order {
    /// The instance.
    pub id: Uuid,
    /// What to do.
    pub command: Request,
}

/// What callers may ask of an instance. Times are wall clock here; the supervisor turns them into its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Request {
    /// A command that needs no more words.
    Plain(Command),
    /// The lease now ends at this time.
    ExtendTo(DateTime<Utc>),
}

/// To the supervisor: use this specification from the next run on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Amend(pub Spec);

/// To the supervisor: end the instance, wait for its end and forget it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), Refused>")]
pub struct Remove(pub Uuid);

/// To the supervisor: the daemon ends. Answered when nothing is left to wait for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Shutdown {
    /// Let the processes live on for the next daemon instead of ending them.
    pub keep: bool,
}

/// Why the supervisor did not do as it was told.
///
/// ```
/// use minimcp_actors::message::Refused;
/// use minimcp_actors::state::{Denied, Status};
///
/// let refused = Refused::from(Denied::NotDisconnected(Status::Running));
/// assert_eq!(refused.to_string(), "only a disconnected instance can be restored; this one is running");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such instance.
    #[error("there is no instance {0}")]
    Unknown(Uuid),
    /// There is one already.
    #[error("there is an instance {0} already")]
    Exists(Uuid),
    /// The lifecycle does not allow it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Every port of the range is in use.
    #[error("all {0} ports of the configured range are in use")]
    PortsExhausted(usize),
    /// The lease would be over at once.
    #[error("the lease would end at {0}, which is past")]
    LeaseInThePast(DateTime<Utc>),
    /// The daemon is ending.
    #[error("the daemon is shutting down")]
    ShuttingDown,
    /// The mailbox is full or closed.
    #[error("the supervisor does not answer; try again shortly")]
    Unavailable,
}

/// From an instance to the supervisor: what was observed about a run.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Report {
    pub(crate) id: Uuid,
    pub(crate) run: Run,
    pub(crate) what: Observed,
}

/// What an instance sees.
#[derive(Debug)]
pub(crate) enum Observed {
    /// The process was launched, or found again.
    Up { record: Box<Record>, adopted: bool, enforced: Enforced },
    /// The first probe was answered.
    Ready { latency_us: u64 },
    /// A probe was answered.
    Answered { latency_us: u64 },
    /// A probe was missed.
    Missed { latency_us: u64, problem: String },
    /// The process and its tree are gone, or never came to be.
    Exited { exit: Exit, detail: String, stderr_tail: String },
}

/// From the sampler to the supervisor: one pass over all process trees.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Sampled {
    pub(crate) at: DateTime<Utc>,
    pub(crate) trees: Vec<(Uuid, Run, Usage)>,
}

/// From the supervisor to an instance: SIGTERM to the tree.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Terminate;

/// From the supervisor to an instance: SIGKILL to the tree.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Kill;

/// From the supervisor to an instance: let the process live on without its actor.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Release;

/// From its custody to an instance: the process is there.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Launched(pub(crate) Arc<dyn Process>);

/// From its custody to an instance: the process is gone, and so is your work.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Retire;
