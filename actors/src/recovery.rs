//! What becomes of an instance that an earlier daemon knew: what was wanted and seen of it against what is still
//! there. Pure; whoever restores reads the store and the run directory, asks here, and carries it out.

use chrono::{DateTime, Utc};

use crate::launch::Record;
use crate::message::{Fate, Past};
use crate::state::{Cause, Command, Outcome, Run, State, Status};

/// What the store remembers of an instance that is not being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// Where it stood.
    pub status: Status,
    /// What had led there.
    pub cause: Cause,
    /// Its owner wants it to be stopped.
    pub stopped: bool,
    /// Its newest run.
    pub run: Run,
    /// Restarts so far.
    pub restarts: u64,
    /// When a new run was last asked for.
    pub restart_requested_at: Option<DateTime<Utc>>,
    /// When it last came to an end.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When its credentials were last replaced.
    pub renewed_at: Option<DateTime<Utc>>,
}

/// What becomes of one instance.
///
/// ```
/// use minimcp_actors::recovery::{Decision, Remembered, decide};
/// use minimcp_actors::state::{Cause, Outcome, Run, Status};
///
/// let known = Remembered {
///     status: Status::Running,
///     cause: Cause::Commanded,
///     stopped: false,
///     run: Run(1),
///     restarts: 0,
///     restart_requested_at: None,
///     stopped_at: None,
///     renewed_at: None,
/// };
/// assert_eq!(decide(&known, None, false), Decision::Start, "it ran, and no process is left of it");
/// let stopped = Remembered { stopped: true, ..known };
/// let rests = Decision::Rest(Outcome::Stopped, Cause::Commanded);
/// assert_eq!(decide(&stopped, None, false), rests);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Its process is taken over if it lives, and then given this command.
    Adopt {
        /// Whether to start anew what turns out to be gone.
        restore: bool,
        /// The command.
        then: Option<Command>,
    },
    /// A process that is left is ended, and a new run begins.
    Start,
    /// A process that is left is ended, and it stays as it ended.
    Rest(Outcome, Cause),
}

/// All that is to be done about one instance, in this order.
#[derive(Debug, Clone)]
pub struct Course {
    /// The process that is ended first.
    pub put_down: Option<Record>,
    /// What the supervisor is told of the time before.
    pub past: Past,
    /// What the supervisor is told to do.
    pub fate: Fate,
    /// The command that follows.
    pub then: Option<Command>,
}

/// Of the processes that an instance was left with, the one that served: that of the newest run in the store if
/// it lives, else the oldest. There are two if the daemon died while one replaced the other. The others are to be
/// ended.
#[must_use]
pub fn serving(
    run: Run,
    mut records: Vec<Record>,
    lives: impl Fn(&Record) -> bool,
) -> (Option<Record>, Vec<Record>) {
    records.sort_by_key(|record| (!lives(record), record.run != run, record.run));
    let others = records.split_off(records.len().min(1));
    (records.pop(), others)
}

/// What becomes of the instance. `record` is what the run directory holds for it; `replace` has survivors ended
/// and started anew.
#[must_use]
pub fn decide(known: &Remembered, record: Option<&Record>, replace: bool) -> Decision {
    let ended = ended(known.status, known.cause);
    if known.stopped {
        return match (record, ended) {
            (Some(_), _) => Decision::Adopt { restore: false, then: Some(Command::Stop) },
            (None, Some(outcome)) => Decision::Rest(outcome, known.cause),
            (None, None) => Decision::Rest(Outcome::Stopped, Cause::Commanded),
        };
    }
    // A record of a later run than the store knows was written after the row: the run is the newer truth.
    let newer = record.filter(|record| ended.is_none() || record.run > known.run);
    let asked_since = |then| known.restart_requested_at.is_some_and(|asked| asked > then);
    match (newer, ended) {
        (Some(_), _) if replace => Decision::Start,
        (Some(record), _) => {
            let renewed = known.renewed_at.is_some_and(|renewed| renewed > record.started_at);
            let then = if asked_since(record.started_at) {
                Some(Command::Restart)
            } else {
                // It was not replaced before the daemon died.
                renewed.then_some(Command::Replace)
            };
            Decision::Adopt { restore: true, then }
        }
        // It was asked back after its end, and the daemon did not live to begin the run.
        (None, Some(_)) if known.stopped_at.is_some_and(asked_since) => Decision::Start,
        (None, Some(outcome)) => Decision::Rest(outcome, known.cause),
        (None, None) => Decision::Start,
    }
}

/// The decision with all that follows from it. `newest` is the newest run of which any record was left.
#[must_use]
pub fn course(known: &Remembered, record: Option<Record>, newest: Run, replace: bool) -> Course {
    let decision = decide(known, record.as_ref(), replace);
    let past = Past {
        last_run: known.run.max(newest),
        restarts: known.restarts,
        rests_since: known.stopped_at.filter(|_| says_so(known, decision)),
    };
    match (decision, record) {
        (Decision::Adopt { restore, then }, Some(record)) => {
            let fate = Fate::Adopt { record: Box::new(record), restore };
            Course { put_down: None, past, fate, then }
        }
        (Decision::Rest(outcome, cause), put_down) => {
            Course { put_down, past, fate: Fate::Rest(outcome, cause), then: None }
        }
        (Decision::Start | Decision::Adopt { .. }, put_down) => {
            Course { put_down, past, fate: Fate::Start, then: None }
        }
    }
}

/// How an instance had ended for good; `None` if it is to be there again.
fn ended(status: Status, cause: Cause) -> Option<Outcome> {
    match (status, cause) {
        (Status::Hibernated, _) | (Status::Stopping, Cause::Idle) => Some(Outcome::Hibernated),
        (Status::Stopped, _) => Some(Outcome::Stopped),
        (Status::Expired, _) => Some(Outcome::Expired),
        (Status::Failed, _) => Some(Outcome::Failed),
        // Not by its own fault: the daemon took it along, or did not live to bring it back.
        (Status::Disconnected, Cause::DaemonShutdown | Cause::Lost) => None,
        (Status::Disconnected, _) => Some(Outcome::Disconnected),
        (
            Status::Pending
            | Status::Starting
            | Status::Running
            | Status::Unhealthy
            | Status::Restarting
            | Status::Stopping,
            _,
        ) => None,
    }
}

/// Whether the store tells already how the instance is going to rest.
fn says_so(known: &Remembered, decision: Decision) -> bool {
    matches!(decision, Decision::Rest(outcome, cause)
        if known.status == State::Ended(outcome).status() && known.cause == cause)
}
