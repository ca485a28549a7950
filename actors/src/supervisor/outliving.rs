//! Runs that live longer than they were launched for.
//!
//! The kernel ends a process a while after the lease that was known when it was launched, so that a lease holds even
//! where no daemon is left. Nobody can move that alarm from outside. So a run whose lease was extended is replaced
//! before the alarm, the way a run is replaced that gets new credentials, and the next one has the alarm of the new
//! lease. If the daemon is down by then, the process ends with the lease it was launched for, and the next daemon
//! brings it back.

use actix::Context;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Supervisor;
use super::entry::{Entry, Held};
use crate::state::{Command, Event, Run};
use crate::timers::Alarm;

/// The part of the time between lease and alarm in which a replacement has to be ready.
const PART: i32 = 10;

impl Supervisor {
    /// Sets a timer for each run that its alarm would end before its lease does.
    pub(super) fn watch_alarms(&mut self, id: Uuid, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let lease = entry.lease.map(|lease| lease.given);
        let mut due = Vec::new();
        for held in &mut entry.held {
            if let Some(at) = replace_at(lease, held, Utc::now()).filter(|_| !held.alarm_watched) {
                held.alarm_watched = true;
                due.push((held.run, at));
            }
        }
        for (run, at) in due {
            let after = (at - Utc::now()).to_std().unwrap_or_default();
            self.alarm(after, Alarm::Outlived(id, run), ctx);
        }
    }

    pub(super) fn replace_outlived(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get(&id) else { return };
        if outlives(entry, run) {
            self.apply(id, Event::Command(Command::Replace), None, ctx);
        }
    }
}

/// Whether it is the present run, and its lease reaches beyond its alarm.
fn outlives(entry: &Entry, run: Run) -> bool {
    let present = entry.life.state().live_run() == Some(run);
    let held = entry.held(run);
    present
        && held
            .is_some_and(|held| replace_at(entry.lease.map(|lease| lease.given), held, Utc::now()).is_some())
}

/// When to replace the run; `None` if its lease ends before the kernel ends it.
fn replace_at(
    lease_ends_at: Option<DateTime<Utc>>,
    held: &Held,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let alarm_at = held.alarm_at?;
    if lease_ends_at.is_some_and(|end| end < alarm_at) {
        return None;
    }
    // A minute before at most, or a tenth of what is left.
    let left = (alarm_at - now).max(TimeDelta::zero());
    Some(alarm_at - (left / PART).min(TimeDelta::minutes(1)))
}
