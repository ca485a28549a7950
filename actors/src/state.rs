//! The nouns of the lifecycle: what state an instance can be in, what may be asked of it, what can be seen
//! of its process and what is to be done about it. Plain data without clock, actor or process.
//!
//! Commands (what somebody wants) and facts (what was observed) are different types, and every fact and
//! timer of a process carries the number of its [`Run`]. A late exit or timer of an old process therefore
//! changes nothing, and no timer ever has to be cancelled.

mod effect;
mod event;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::effect::{Admit, Denied, Effect};
pub use self::event::{Command, Event, Exit, Fact, Timer, Usage};
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
