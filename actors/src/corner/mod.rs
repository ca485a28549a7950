//! One actor that keeps what takes too much out of the way of others: servers that are over their CPU limit, write
//! more than is kept or ask for more processes than they may, while the machine has something to do.
//!
//! A limit is enforced elsewhere, by the kernel's quota and by ending a run that stays above it. Both take their time,
//! and a quota lets a server with many threads have every processor for a part of each period. Until then a server
//! that is over its limit shares the [corner](crate::launch::cpus) with others of its kind.

mod judge;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};
use slog::{error, info, warn};
use tokio::time::Instant;

use self::judge::{Judge, Key, Verdict};
use crate::launch::Launcher;
use crate::launch::cpus::Cpus;
use crate::launch::proc::{self, CpuTimes};
use crate::meter::{Meter, Meters};
use crate::policy::Limits;
use crate::sampler::trees::{Root, Trees};
use crate::snapshot::{Registry, Snapshot};
use crate::state::{Status, Usage};

/// Between two looks at the machine.
const LOOK: Duration = Duration::from_millis(500);
/// What a look may cost: one part in so many of a processor.
const SHARE: u32 = 50;
/// The machine has something to do once this part of its processors' time is used, in percent.
const BUSY_PERCENT: u64 = 25;

/// Looks at intervals, for as long as its system lives.
pub(crate) struct Corner {
    place: Place,
    /// What the processors had done at the look before.
    times: Option<CpuTimes>,
    /// Away while a look is under way, after one that failed, and while the machine has little to do.
    seen: Option<Seen>,
    meter: Arc<Meter>,
}

/// What is looked at, and with what.
#[derive(Clone)]
struct Place {
    cpus: Cpus,
    launcher: Arc<dyn Launcher>,
    registry: Arc<Registry>,
    log: slog::Logger,
}

/// What the looks so far have shown.
#[derive(Default)]
struct Seen {
    trees: Trees,
    judge: Judge,
}

impl Corner {
    pub(crate) fn new(
        cpus: Cpus,
        launcher: Arc<dyn Launcher>,
        registry: Arc<Registry>,
        meters: &Meters,
        log: slog::Logger,
    ) -> Self {
        let meter = meters.register("/supervisor/corner".into(), "corner", 1);
        Self { place: Place { cpus, launcher, registry, log }, times: None, seen: None, meter }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        self.meter.handled();
        let mut seen = self.seen.take().unwrap_or_default();
        if !self.is_busy() && !seen.judge.has_confined() {
            ctx.run_later(LOOK, Self::look);
            return;
        }
        let (place, begun) = (self.place.clone(), Instant::now());
        let looked = tokio::task::spawn_blocking(move || {
            place.look(&mut seen, begun);
            seen
        });
        ctx.spawn(looked.into_actor(self).map(move |seen, actor, ctx| {
            match seen {
                Ok(seen) => actor.seen = Some(seen),
                Err(panic) => {
                    error!(actor.place.log, "a look at who takes too much failed"; "error" => %panic);
                }
            }
            ctx.run_later(LOOK.max(begun.elapsed() * SHARE), Self::look);
        }));
    }

    /// Whether the machine had something to do since this was last asked. The kernel answers from its memory, so this
    /// does not block.
    fn is_busy(&mut self) -> bool {
        let now = proc::cpu_times();
        let before = std::mem::replace(&mut self.times, now);
        before.zip(now).is_some_and(|(before, now)| now.busy_percent(before) >= BUSY_PERCENT)
    }
}

impl Actor for Corner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(LOOK, Self::look);
    }
}

impl Place {
    fn look(&self, seen: &mut Seen, now: Instant) {
        let serving: HashMap<Key, (Root, Limits)> =
            self.registry.with_parts().iter().filter_map(|snapshot| serving(snapshot)).collect();
        let roots: Vec<Root> = serving.values().map(|(root, _)| *root).collect();
        let usages = seen.trees.measure(&roots, &*self.launcher, now);
        let takes_too_much = |(id, run): Key, usage: &Usage| {
            serving.get(&(id, run)).is_some_and(|(_, limits)| is_over(limits, usage))
                || self.launcher.drops_output(id, run)
        };
        let runs: Vec<(Key, bool)> =
            usages.iter().map(|(id, run, usage)| ((*id, *run), takes_too_much((*id, *run), usage))).collect();
        for (key, verdict) in seen.judge.look(&runs, now) {
            self.carry_out(&seen.trees, key, verdict);
        }
    }

    fn carry_out(&self, trees: &Trees, key: Key, verdict: Verdict) {
        let place = |pid| match verdict {
            Verdict::Confine | Verdict::Keep => self.cpus.confine(pid),
            Verdict::Release => self.cpus.release(pid),
        };
        let placed = trees.members(key).try_for_each(place);
        let ((id, run), all) = (key, self.cpus.count());
        match (verdict, placed) {
            (Verdict::Keep, _) => {}
            (_, Err(error)) => {
                warn!(self.log, "a server that takes too much cannot be kept to some of the processors; \
                the daemon needs CAP_SYS_NICE"; "instance" => %id, "run" => %run, "error" => %error)
            }
            (Verdict::Confine, Ok(())) => {
                info!(self.log, "a server takes too much and is kept to some of the processors";
                    "instance" => %id, "run" => %run, "processors" => self.cpus.in_corner(), "of" => all);
            }
            (Verdict::Release, Ok(())) => info!(self.log, "a server may use all processors again";
                "instance" => %id, "run" => %run, "processors" => all),
        }
    }
}

/// The process of an instance that serves, and what it may take. One that starts may take what it needs for that.
fn serving(snapshot: &Snapshot) -> Option<(Key, (Root, Limits))> {
    let serves = matches!(snapshot.status, Status::Running | Status::Unhealthy);
    let (id, run) = (snapshot.id, snapshot.run);
    snapshot.pid.filter(|_| serves).map(|pid| ((id, run), (Root { id, run, pid }, snapshot.limits)))
}

/// Whether it used more than it may since the look before, or asked for more processes.
fn is_over(limits: &Limits, usage: &Usage) -> bool {
    usage.refused_forks > 0
        || limits.cpu_percent.is_some_and(|limit| f64::from(usage.cpu_percent) > f64::from(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_more_cpu_than_the_limit_or_any_process_that_was_refused() {
        let usage = |cpu_percent, refused_forks| Usage { cpu_percent, refused_forks, ..Usage::default() };
        let limits = Limits { cpu_percent: Some(50), ..Limits::default() };
        assert!(is_over(&limits, &usage(50.1, 0)));
        assert!(!is_over(&limits, &usage(50.0, 0)), "at its limit");
        assert!(is_over(&limits, &usage(0.0, 1)));
        assert!(!is_over(&Limits::default(), &usage(800.0, 0)), "without a limit");
    }
}
