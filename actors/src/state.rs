//! The nouns of the lifecycle: what state an instance can be in, what may be asked of it, what can be seen
//! of its process and what is to be done about it. Plain data without clock, actor or process.
//!
//! Commands (what somebody wants) and facts (what was observed) are different types, and every fact and
//! timer of a process carries the number of its [`Run`]. A late exit or timer of an old process therefore
//! changes nothing, and no timer ever has to be cancelled.

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::status::{Cause, Status};

/// The number of one life of an instance's process: 1 for the first, one more for each later one.
///
/// ```
/// use minimcp_actors::state::Run;
///
/// assert!(Run(1) < Run(1).next());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(pub u64);

impl Run {
    /// The run after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where an instance stands.
///
/// ```text
///             granted            ready            missed
///  Pending ──────────▶ Starting ───────▶ Running ◀──────▶ Unhealthy
///                        ▲   │              │ fault          │
///               granted  │   ▼ fault        ▼                ▼
///                      Restarting: Draining ─▶ BackingOff ─▶ Queued      budget spent
///                                                                  └────────────────────┐
///  Adopting ─▶ Starting (same run)      Stopping ─▶ Ended(outcome) ◀────────────────────┘
/// ```
///
/// While one run replaces another there is a second one [`Beside`] the run of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for a start slot; no process yet.
    Pending {
        /// The run that will start.
        run: Run,
    },
    /// A recorded process of an earlier daemon is being looked for.
    Adopting {
        /// The recorded run.
        run: Run,
    },
    /// The process is being launched or is not ready yet.
    Starting {
        /// The run that starts.
        run: Run,
    },
    /// Ready and healthy.
    Running {
        /// The run that serves.
        run: Run,
    },
    /// The last probes were missed, fewer than a fault takes.
    Unhealthy {
        /// The run that does not answer.
        run: Run,
        /// Misses in a row.
        strikes: u32,
    },
    /// On the way to a new run.
    Restarting(Restarting),
    /// The process was told to end.
    Stopping {
        /// The run that ends.
        run: Run,
        /// What the instance will be then.
        then: Outcome,
    },
    /// No process and none to come without a command.
    Ended(Outcome),
}

/// The three steps between two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarting {
    /// The old process has to end first.
    Draining {
        /// The run that ends.
        run: Run,
        /// How long to wait after its end.
        delay: Duration,
    },
    /// Waits for the back-off timer.
    BackingOff {
        /// The run to come.
        next: Run,
    },
    /// Waits for a start slot.
    Queued {
        /// The run to come.
        next: Run,
    },
}

/// The second run of an instance, while one replaces another.
///
/// ```text
///  Queued ──granted──▶ Starting ──ready──▶ (takes over) Retiring ──quiet──▶ Leaving ──▶ gone
///                          └──────────────── given up ────────────────────────▲
/// ```
///
/// ```
/// use minimcp_actors::state::{Beside, Run};
///
/// assert_eq!(Beside::Queued { next: Run(2) }.live_run(), None, "it has no process yet");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The successor waits for a start slot.
    Queued {
        /// The run to come.
        next: Run,
    },
    /// The successor is being launched or is not ready yet.
    Starting {
        /// The run that starts.
        run: Run,
    },
    /// The predecessor finishes the calls it has; no new one reaches it.
    Retiring {
        /// The run that was replaced.
        run: Run,
    },
    /// It was told to end: a predecessor, or a successor that was given up.
    Leaving {
        /// The run that ends.
        run: Run,
    },
}

impl Beside {
    /// Its number.
    #[must_use]
    pub fn run(self) -> Run {
        match self {
            Self::Queued { next: run }
            | Self::Starting { run }
            | Self::Retiring { run }
            | Self::Leaving { run } => run,
        }
    }

    /// The run that has, or may have, a process.
    #[must_use]
    pub fn live_run(self) -> Option<Run> {
        (!matches!(self, Self::Queued { .. })).then_some(self.run())
    }
}

/// How an instance ended.
///
/// ```
/// use minimcp_actors::state::{Outcome, State, Status};
///
/// assert_eq!(State::Ended(Outcome::Expired).status(), Status::Expired);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By command, or by itself where the policy takes that for an end.
    Stopped,
    /// The lease is over.
    Expired,
    /// Idle: its next request starts it again.
    Hibernated,
    /// No healthy process and no budget left; its owner may restore it.
    Disconnected,
    /// It could never be started.
    Failed,
}

impl State {
    /// The status that outsiders see.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Starting { .. } => Status::Starting,
            Self::Running { .. } => Status::Running,
            Self::Unhealthy { .. } => Status::Unhealthy,
            Self::Adopting { .. } | Self::Restarting(_) => Status::Restarting,
            Self::Stopping { .. } => Status::Stopping,
            Self::Ended(outcome) => (*outcome).into(),
        }
    }

    /// The run that has, or may have, a process.
    #[must_use]
    pub fn live_run(&self) -> Option<Run> {
        match *self {
            Self::Adopting { run }
            | Self::Starting { run }
            | Self::Running { run }
            | Self::Unhealthy { run, .. }
            | Self::Restarting(Restarting::Draining { run, .. })
            | Self::Stopping { run, .. } => Some(run),
            Self::Pending { .. } | Self::Restarting(_) | Self::Ended(_) => None,
        }
    }

    /// The run that is to start as soon as it may.
    #[must_use]
    pub fn queued_run(&self) -> Option<Run> {
        match *self {
            Self::Pending { run } | Self::Restarting(Restarting::Queued { next: run }) => Some(run),
            Self::Adopting { .. }
            | Self::Starting { .. }
            | Self::Running { .. }
            | Self::Unhealthy { .. }
            | Self::Restarting(_)
            | Self::Stopping { .. }
            | Self::Ended(_) => None,
        }
    }
}

/// What somebody wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// End it gracefully and keep the record.
    Stop,
    /// The same, for a reason that is not its owner's wish.
    StopFor(Cause),
    /// End it with SIGKILL and keep the record.
    Kill,
    /// A new run, at no cost to the restart budget.
    Restart,
    /// A new run in place of the one that serves, which goes on until the new one is ready and beyond if it
    /// never gets ready. Types that allow no two processes at once are restarted.
    Replace,
    /// A new run of a disconnected instance.
    Restore,
    /// A request came for a sleeping instance.
    Wake,
    /// Put it to sleep.
    Hibernate,
    /// The daemon ends and takes its children along; they come back with it.
    Shutdown,
    /// The lease now ends at this time of the supervisor's clock.
    Extend(Duration),
}

/// How a process ended.
///
/// ```
/// use minimcp_actors::state::Exit;
///
/// assert!(Exit::Code(0).is_clean() && !Exit::Code(3).is_clean() && !Exit::Signal(9).is_clean());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The kernel killed it with all of its tree, which had reached its memory limit.
    OomKilled,
    /// It is gone and nobody saw how. Never guessed.
    Unknown,
    /// It could not be launched, but the next try may succeed (no memory, no port).
    Unspawned,
    /// It cannot be launched until something changes (script missing, credentials not decryptable).
    Unstartable,
    /// The actor that owned it panicked; its whole tree was killed.
    ActorDied,
}

impl Exit {
    /// Whether the process ended of its own will and content.
    #[must_use]
    pub fn is_clean(self) -> bool {
        self == Self::Code(0)
    }
}

/// What one sample of a process tree showed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// CPU since the last sample, in percent of one core.
    pub cpu_percent: f32,
    /// Processes in the tree.
    pub processes: u32,
    /// Its processes and threads together, as the kernel counts them.
    #[serde(default)]
    pub tasks: u32,
    /// Processes and threads that the kernel refused to the tree since the last sample.
    #[serde(default)]
    pub refused_forks: u32,
}

/// What was observed.
///
/// ```
/// use minimcp_actors::state::{Fact, Run, Timer};
///
/// assert_eq!(Fact::Ready(Run(3)).run(), Some(Run(3)));
/// assert_eq!(Fact::Fired(Timer::Lease(1)).run(), None, "a lease outlives runs");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact {
    /// The instance's turn to start has come.
    Granted(Run),
    /// The recorded process is alive and is ours.
    Adopted(Run),
    /// The process answered its first probe.
    Ready(Run),
    /// A probe was answered.
    Answered(Run),
    /// A probe was missed.
    Missed(Run),
    /// The tree was measured.
    Sampled(Run, Usage),
    /// The process and its whole tree are gone, or never came to be.
    Exited(Run, Exit),
    /// No call is under way at the run that was replaced.
    Quiet(Run),
    /// A timer fired.
    Fired(Timer),
}

impl Fact {
    /// The run that it is about; a lease timer is about none.
    #[must_use]
    pub fn run(self) -> Option<Run> {
        match self {
            Self::Granted(run)
            | Self::Adopted(run)
            | Self::Ready(run)
            | Self::Answered(run)
            | Self::Missed(run)
            | Self::Sampled(run, _)
            | Self::Exited(run, _)
            | Self::Quiet(run)
            | Self::Fired(Timer::Start(run) | Timer::Backoff(run) | Timer::Grace(run) | Timer::Retire(run)) => {
                Some(run)
            }
            Self::Fired(Timer::Lease(_)) => None,
        }
    }
}

/// A timer the core asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The start of this run has taken too long.
    Start(Run),
    /// It is time for this next run.
    Backoff(Run),
    /// The grace of this run is over.
    Grace(Run),
    /// The run that was replaced has had the time to finish its calls.
    Retire(Run),
    /// The lease with this number is over.
    Lease(u64),
}

/// A command or a fact: all that can happen to an instance.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::{Life, next};
/// use minimcp_actors::policy::Policy;
/// use minimcp_actors::state::{Effect, Event, Fact, Run};
///
/// let created = Life::create(None, Duration::ZERO).life;
/// let granted = next(&Policy::default(), created, Event::Fact(Fact::Granted(Run(1))), Duration::ZERO);
/// assert!(granted.effects.contains(&Effect::Spawn(Run(1))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// Somebody wants something.
    Command(Command),
    /// Something was observed.
    Fact(Fact),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Ask for a start slot; answer with [`Fact::Granted`].
    Queue(Run),
    /// Launch the process; answer with [`Fact::Ready`] or [`Fact::Exited`].
    Spawn(Run),
    /// Look for the recorded process; answer with [`Fact::Adopted`] or [`Fact::Exited`].
    Adopt(Run),
    /// Say when no call is under way at this run any more; answer with [`Fact::Quiet`].
    Retire(Run),
    /// SIGTERM to the tree.
    Terminate(Run),
    /// SIGKILL to the tree.
    Kill(Run),
    /// Fire the timer after this long. Jitter is added where it is armed.
    Arm(Timer, Duration),
}

/// Why a command is refused.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::{Life, admit};
/// use minimcp_actors::state::{Command, Denied, Status};
///
/// let created = Life::create(None, Duration::ZERO).life;
/// let refused = admit(&created, Command::Restore, Duration::ZERO);
/// assert_eq!(refused, Err(Denied::NotDisconnected(Status::Pending)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Only a disconnected instance can be restored.
    #[error("only a disconnected instance can be restored; this one is {0}")]
    NotDisconnected(Status),
    /// Only a sleeping instance can be woken.
    #[error("only a hibernated instance can be woken; this one is {0}")]
    NotHibernated(Status),
    /// Only a ready instance can be put to sleep.
    #[error("only a running instance can be hibernated; this one is {0}")]
    NotRunning(Status),
    /// It is on its way down.
    #[error("the instance is stopping; wait until it has stopped")]
    Stopping,
    /// The lease is over: the instance cannot come back.
    #[error("the lease of this instance is over; create a new instance")]
    LeaseEnded,
}

/// What to do with a command that is not refused.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::{Life, admit};
/// use minimcp_actors::state::{Admit, Command};
///
/// let created = Life::create(None, Duration::ZERO).life;
/// assert_eq!(admit(&created, Command::Stop, Duration::ZERO), Ok(Admit::Act));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Carry it out.
    Act,
    /// It is so already; answer as if it had been carried out.
    Already,
}
