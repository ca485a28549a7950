//! What the supervisor does with each message.

use std::sync::Arc;

use actix::{Context, Handler, ResponseFuture};
use chrono::Utc;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::entry::Entry;
use super::{Ending, Supervisor};
use crate::launch::Spec;
use crate::lifecycle::{self, Life, Step};
use crate::message::{
    Amend, Create, Fate, Observed, Order, Recover, Refused, Release, Remove, Report, Request, Sampled,
    Shutdown,
};
use crate::ports;
use crate::snapshot::{Health, Sample, Snapshot};
use crate::state::{Admit, Cause, Command, Denied, Event, Fact, Outcome, Run};

impl Supervisor {
    fn observed(&mut self, id: Uuid, run: Run, what: Observed, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(held) = entry.held_mut(run) else {
            return;
        };
        let health = |latency_us, problem| Some(Health { checked_at: Utc::now(), latency_us, problem });
        let (fact, ending) = match what {
            Observed::Up { record, adopted, enforced } => {
                held.pid = Some(record.identity.pid);
                held.uid = record.uid;
                held.enforced = Some(enforced);
                held.isolation = record.isolation.map(Arc::new);
                held.alarm_at = record.alarm_at;
                if !adopted {
                    held.started_at = Some(Utc::now());
                }
                (adopted.then_some(Fact::Adopted(run)), None)
            }
            Observed::Ready { latency_us } => {
                held.health = health(latency_us, None);
                (Some(Fact::Ready(run)), None)
            }
            Observed::Answered { latency_us } => {
                held.health = health(latency_us, None);
                (Some(Fact::Answered(run)), None)
            }
            Observed::Missed { latency_us, problem } => {
                held.health = health(latency_us, Some(problem));
                (Some(Fact::Missed(run)), None)
            }
            Observed::Exited { exit, detail, stderr_tail } => {
                (Some(Fact::Exited(run, exit)), Some(Ending { detail, stderr_tail }))
            }
        };
        // A run that has just come up may be the present one.
        let unused = entry.follow_present();
        self.release_port(id, unused);
        self.show(id);
        self.watch_alarms(id, ctx);
        if let Some(fact) = fact {
            self.apply(id, Event::Fact(fact), ending, ctx);
        }
    }

    fn refuse(&self, spec: &Spec) -> Result<(), Refused> {
        if self.ending.is_some() {
            return Err(Refused::ShuttingDown);
        }
        if self.entries.contains_key(&spec.id) {
            return Err(Refused::Exists(spec.id));
        }
        match spec.part_of {
            Some(whole) if !self.lives(whole) => Err(Refused::Unknown(whole)),
            _ => Ok(()),
        }
    }
}

impl Handler<Create> for Supervisor {
    type Result = Result<Arc<Snapshot>, Refused>;

    fn handle(&mut self, Create(spec): Create, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        self.refuse(&spec)?;
        if let Some(at) = spec.lease_ends_at.filter(|at| *at <= self.wall()) {
            return Err(Refused::LeaseInThePast(at));
        }
        let port = if spec.probe.needs_port() {
            let port = self.ports.lease(spec.id, ports::is_free);
            Some(port.ok_or(Refused::PortsExhausted(self.ports.size()))?)
        } else {
            None
        };
        let lease = spec.lease_ends_at.map(|at| self.lease_until(at, ctx));
        let ends_at = lease.map(|lease| self.ends_at(lease));
        let Step { life, effects } = Life::create(ends_at, self.now());
        let mut entry = Entry::new(spec, life, lease);
        entry.port = port;
        Ok(self.take_on(entry, None, effects, ctx))
    }
}

impl Handler<Recover> for Supervisor {
    type Result = Result<Arc<Snapshot>, Refused>;

    fn handle(&mut self, recover: Recover, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        let Recover { spec, past, fate } = recover;
        let last_run = past.last_run;
        self.refuse(&spec)?;
        let id = spec.id;
        let given = spec.lease_ends_at.map(|at| self.lease_until(at, ctx));
        let lease = given.map(|lease| self.ends_at(lease));
        let now = self.now();
        let over = lease.is_some_and(|at| at <= now);
        let (mut start, mut rests) = (false, false);
        let (step, record, restore) = match fate {
            Fate::Adopt { record, restore } => {
                (Life::adopt(record.run, last_run, lease, now), Some(record), restore)
            }
            Fate::Start | Fate::Rest(Outcome::Disconnected | Outcome::Hibernated, _) if over => {
                (Life::ended(Outcome::Expired, Cause::LeaseEnded, last_run, None, now), None, false)
            }
            Fate::Start if last_run == Run::default() => (Life::create(lease, now), None, false),
            Fate::Start => {
                start = true;
                (Life::ended(Outcome::Disconnected, Cause::Lost, last_run, lease, now), None, false)
            }
            Fate::Rest(outcome, cause) => {
                rests = true;
                (Life::ended(outcome, cause, last_run, lease, now), None, false)
            }
        };
        let mut entry = Entry::new(spec, step.life, given);
        entry.to_adopt = record;
        entry.restore_if_lost = restore;
        entry.restarts_before = past.restarts;
        if start {
            self.follow_ups.push_back((id, Event::Command(Command::Restore), None));
        }
        let known = past.rests_since.filter(|_| rests).map(|since| {
            entry.since = since;
            entry.life.state()
        });
        Ok(self.take_on(entry, known, step.effects, ctx))
    }
}

impl Handler<Order> for Supervisor {
    type Result = Result<Arc<Snapshot>, Refused>;

    fn handle(&mut self, Order { id, command }: Order, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        if self.ending.is_some() {
            return Err(Refused::ShuttingDown);
        }
        let entry = self.entries.get(&id).ok_or(Refused::Unknown(id))?;
        if !entry.removal.is_empty() {
            return Err(Denied::Stopping.into());
        }
        let (core, lease) = match command {
            Request::Plain(command) => (command, None),
            Request::ExtendTo(at) if at <= self.wall() => return Err(Refused::LeaseInThePast(at)),
            Request::ExtendTo(at) => {
                let lease = self.lease_until(at, ctx);
                (Command::Extend(self.ends_at(lease)), Some(lease))
            }
        };
        let entry = self.entries.get(&id).ok_or(Refused::Unknown(id))?;
        let admitted = lifecycle::admit(&entry.life, core, self.now())?;
        if admitted == Admit::Act {
            if let (Some(lease), Some(entry)) = (lease, self.entries.get_mut(&id)) {
                entry.lease = Some(lease);
            }
            self.apply(id, Event::Command(core), None, ctx);
            self.show(id);
            self.watch_alarms(id, ctx);
        }
        Ok(self.snapshot(id))
    }
}

impl Handler<Amend> for Supervisor {
    type Result = Result<(), Refused>;

    fn handle(&mut self, Amend(spec): Amend, _: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        let entry = self.entries.get_mut(&spec.id).ok_or(Refused::Unknown(spec.id))?;
        entry.spec = spec;
        Ok(())
    }
}

impl Handler<Remove> for Supervisor {
    type Result = ResponseFuture<Result<(), Refused>>;

    fn handle(&mut self, Remove(id): Remove, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        let Some(entry) = self.entries.get_mut(&id) else {
            return Box::pin(async move { Err(Refused::Unknown(id)) });
        };
        let (tell, removed) = oneshot::channel();
        entry.removal.push(tell);
        if entry.life.live_runs().next().is_none() {
            self.forget(id);
            self.settle(ctx);
        } else {
            self.end_parts(id);
            self.apply(id, Event::Command(Command::Stop), None, ctx);
        }
        Box::pin(async move { removed.await.map_err(|_| Refused::Unavailable) })
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Shutdown { keep }: Shutdown, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        let (tell, done) = oneshot::channel();
        self.ending = Some(tell);
        let ids: Vec<Uuid> = self.entries.keys().copied().collect();
        let mut released = Vec::new();
        for id in ids {
            if keep {
                let held = self.entries.get(&id).map(|entry| &entry.held);
                released.extend(held.into_iter().flatten().map(|held| held.actor.clone()));
            } else {
                self.apply(id, Event::Command(Command::Shutdown), None, ctx);
            }
        }
        if keep || self.nothing_lives() {
            self.answer_shutdown();
        }
        Box::pin(async move {
            for actor in released {
                // One that died has had its process ended by its custody.
                let _ = actor.send(Release).await;
            }
            // An error means that the supervisor went away, which ends as much.
            let _ = done.await;
        })
    }
}

impl Handler<Report> for Supervisor {
    type Result = ();

    fn handle(&mut self, Report { id, run, what }: Report, ctx: &mut Self::Context) {
        self.meter.handled();
        self.observed(id, run, what, ctx);
    }
}

impl Handler<Sampled> for Supervisor {
    type Result = ();

    fn handle(&mut self, Sampled { at, trees }: Sampled, ctx: &mut Self::Context) {
        self.meter.handled();
        self.add_up_parts(&trees);
        for (id, run, usage) in trees {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            let present = entry.life.state().live_run() == Some(run);
            let Some(held) = entry.held_mut(run) else {
                continue;
            };
            let changed = held.usage.replace(usage) != Some(usage) || entry.parts.processes > 0;
            let health = entry.held(run).and_then(|held| held.health.as_ref());
            let health_latency_us = health.map(|health| health.latency_us);
            if present {
                let usage = entry.with_parts(usage);
                self.registry.record(id, Sample { at, usage, health_latency_us });
            }
            // Most servers sleep most of the time.
            if changed {
                self.show(id);
            }
            self.apply(id, Event::Fact(Fact::Sampled(run, usage)), None, ctx);
        }
    }
}
