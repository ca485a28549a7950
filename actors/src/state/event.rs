//! What can happen to an instance: what somebody wants of it, and what is seen of its process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Run;
use crate::status::Cause;

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
