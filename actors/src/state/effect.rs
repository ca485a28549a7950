//! What follows from an event: what is to be done, or why nothing is.

use std::time::Duration;

#[cfg(doc)]
use super::Fact;
use super::{Run, Timer};
use crate::status::Status;

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
