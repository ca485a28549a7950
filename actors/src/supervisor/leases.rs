//! Leases by two clocks: what the wall clock says counts while it goes with ours, see [`crate::clock`].

use std::time::Duration;

use actix::Context;
use chrono::{DateTime, Utc};

use super::Supervisor;
use crate::state::{Command, Event};
use crate::timers::Alarm;

/// A lease that was given in wall time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// When it ends, as it was given.
    pub(super) given: DateTime<Utc>,
    /// The same, as it is kept over jumps of the wall clock.
    kept: DateTime<Utc>,
}

impl Supervisor {
    pub(super) fn wall(&self) -> DateTime<Utc> {
        self.config.clock.wall()
    }

    /// A lease that ends at this time of the wall clock as it is now.
    pub(super) fn lease_until(&mut self, given: DateTime<Utc>, ctx: &mut Context<Self>) -> Lease {
        self.compare_clocks(ctx);
        Lease { given, kept: self.ticks.kept(given) }
    }

    /// When it ends on our clock, by what the wall clock says. What is past is now.
    pub(super) fn ends_at(&self, lease: Lease) -> Duration {
        self.ticks.ours(lease.kept)
    }

    /// Notices a wall clock that was set and a machine that slept, and sets the timers of leases anew if they
    /// would be wrong.
    pub(super) fn compare_clocks(&mut self, ctx: &mut Context<Self>) {
        let look = self.ticks.look(self.now(), self.wall());
        if let Some(jumped) = look.jumped {
            slog::warn!(self.config.log, "the wall clock was set; leases go on by the monotonic clock";
                "by_seconds" => jumped.num_seconds());
        }
        let slept = self.config.clock.slept();
        if look.moved || slept != self.slept_at_last_look {
            self.slept_at_last_look = slept;
            self.set_leases_anew(ctx);
        }
    }

    /// The earlier of both clocks ends a lease. The timers of the runtime stood still while the machine slept, so
    /// each lease gets a new one.
    fn set_leases_anew(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        let leases: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| {
                let (timer, present) = entry.life.lease()?;
                Some((*id, timer, present, entry.lease.map_or(present, |lease| self.ends_at(lease))))
            })
            .collect();
        for (id, timer, present, by_wall) in leases {
            if by_wall < present {
                self.apply(id, Event::Command(Command::Extend(by_wall)), None, ctx);
            } else {
                self.alarm(present.saturating_sub(now), Alarm::Life(id, timer), ctx);
            }
        }
    }
}
