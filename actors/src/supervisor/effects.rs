//! Carrying out what the core decided: starts, signals and timers.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::time::Instant;
use uuid::Uuid;

use super::entry::Held;
use super::{Ending, Supervisor};
use crate::instance::{Instance, Reporter};
use crate::launch::{Launch, LaunchError, Process, Spec};
use crate::message::{Kill, Refused, Terminate};
use crate::ports;
use crate::state::{Command, Effect, Event, Exit, Fact, Run, Timer};
use crate::timers::Alarm;

/// How a run begins.
struct Begin {
    run: Run,
    port: Option<u16>,
    /// Known already of one that is adopted.
    started_at: Option<DateTime<Utc>>,
    adopted: bool,
}

impl Supervisor {
    pub(super) fn carry_out(&mut self, id: Uuid, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Queue(run) => self.queue(id, run, ctx),
                Effect::Spawn(run) => self.spawn(id, run, ctx),
                Effect::Adopt(run) => self.adopt(id, run, ctx),
                Effect::Retire(run) => self.retire(id, run, ctx),
                Effect::Terminate(run) => self.tell(id, run, Terminate, ctx),
                Effect::Kill(run) => self.tell(id, run, Kill, ctx),
                Effect::Arm(timer, after) => self.arm(id, timer, after, ctx),
            }
        }
    }

    fn arm(&mut self, id: Uuid, timer: Timer, after: Duration, ctx: &mut Context<Self>) {
        let after = match timer {
            // A quarter of jitter keeps instances that failed together from coming back together.
            Timer::Backoff(_) => after.mul_f32(1.0 + fastrand::f32() / 4.0),
            Timer::Start(_) | Timer::Grace(_) | Timer::Retire(_) | Timer::Lease(_) => after,
        };
        if let (Timer::Backoff(_), Some(entry)) = (timer, self.entries.get_mut(&id)) {
            entry.next_start_at = Some(Utc::now() + after);
            self.show(id);
        }
        self.alarm(after, Alarm::Life(id, timer), ctx);
    }

    pub(super) fn alarm(&mut self, after: Duration, alarm: Alarm, ctx: &mut Context<Self>) {
        self.timers.arm(Instant::now() + after, alarm);
        self.set_wake(ctx);
    }

    /// Keeps one timer of the runtime set for the earliest of ours.
    fn set_wake(&mut self, ctx: &mut Context<Self>) {
        let Some(at) = self.timers.next_at() else { return };
        match self.wake {
            Some((present, _)) if present <= at => return,
            Some((_, handle)) => {
                ctx.cancel_future(handle);
            }
            None => {}
        }
        let handle = ctx.run_later(at.saturating_duration_since(Instant::now()), Self::woken);
        self.wake = Some((at, handle));
    }

    fn woken(&mut self, ctx: &mut Context<Self>) {
        self.wake = None;
        while let Some(alarm) = self.timers.pop(Instant::now()) {
            match alarm {
                Alarm::Life(id, timer) => self.apply(id, Event::Fact(Fact::Fired(timer)), None, ctx),
                Alarm::Slot(id, run) => {
                    self.starts.release(id, run);
                    self.settle(ctx);
                }
                Alarm::Idle(id, run) => self.look_idle(id, run, ctx),
                Alarm::Outlived(id, run) => self.replace_outlived(id, run, ctx),
            }
        }
        self.set_wake(ctx);
    }

    pub(super) fn watch_idle(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        if let Some(after) = self.entries.get(&id).and_then(|entry| entry.spec.idle_after) {
            self.alarm(after, Alarm::Idle(id, run), ctx);
        }
    }

    /// Puts a run to sleep that nobody called for its idle time, or looks again when that may be so.
    pub(super) fn look_idle(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let (Some(after), Some(route)) = (entry.spec.idle_after, self.routes.get(id)) else {
            return;
        };
        if entry.life.state().live_run() != Some(run) {
            return;
        }
        let quiet = route.quiet_for().unwrap_or(after);
        let busy = u64::try_from(route.awake_until_ms() - Utc::now().timestamp_millis());
        let busy = busy.map_or(Duration::ZERO, Duration::from_millis);
        let wait = busy.max(after.saturating_sub(quiet));
        if !wait.is_zero() {
            self.alarm(wait, Alarm::Idle(id, run), ctx);
        } else if route.in_flight() > 0 || !route.close_if_quiet() {
            self.alarm(after, Alarm::Idle(id, run), ctx);
        } else {
            self.apply(id, Event::Command(Command::Hibernate), None, ctx);
        }
    }

    /// Waits for the calls at a run that no new one can reach.
    fn retire(&self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let held = self.entries.get(&id).and_then(|entry| entry.held(run));
        let Some(calls) = held.map(|held| Arc::clone(&held.calls)) else {
            return;
        };
        let ended = async move { calls.ended().await };
        ctx.spawn(ended.into_actor(self).map(move |(), actor, ctx| {
            actor.apply(id, Event::Fact(Fact::Quiet(run)), None, ctx);
        }));
    }

    fn spawn(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let port = match self.port_for_next(id) {
            Ok(port) => port,
            Err(refused) => {
                let ending = Ending { detail: refused.to_string(), stderr_tail: String::new() };
                let exited = Event::Fact(Fact::Exited(run, Exit::Unspawned));
                self.follow_ups.push_back((id, exited, Some(ending)));
                return;
            }
        };
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let launch = Launch { id, run, port, nonce: Uuid::new_v4().simple().to_string() };
        // The lease may have been extended since the specification was made, and the wall clock been set.
        let left = entry.lease.map(|lease| self.ends_at(lease).saturating_sub(self.now()));
        let lease_ends_at = left.map(|left| self.wall() + left);
        let spec = Spec { lease_ends_at, ..entry.spec.clone() };
        let process = self.launcher.launch(&spec, launch);
        self.begin(id, Begin { run, port, started_at: None, adopted: false }, process, ctx);
    }

    /// The port for the next run: the instance's own, unless a run that still lives or a stranger has it.
    fn port_for_next(&mut self, id: Uuid) -> Result<Option<u16>, Refused> {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.spec.probe.needs_port()) else {
            return Ok(None);
        };
        if let Some(port) = entry.port.filter(|port| !entry.uses(*port)) {
            if ports::is_free(port) {
                return Ok(Some(port));
            }
            self.ports.release(id, port);
            entry.port = None;
        }
        let port = self.ports.lease(id, ports::is_free);
        let port = port.ok_or(Refused::PortsExhausted(self.ports.size()))?;
        entry.port.get_or_insert(port);
        Ok(Some(port))
    }

    fn adopt(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(record) = entry.to_adopt.take() else {
            return;
        };
        entry.port = record.port;
        if let Some(port) = record.port {
            self.ports.reclaim(id, port);
        }
        let (port, started_at) = (record.port, Some(record.started_at));
        let process = self.launcher.adopt(&entry.spec, *record);
        self.begin(id, Begin { run, port, started_at, adopted: true }, process, ctx);
    }

    fn begin(
        &mut self,
        id: Uuid,
        begin: Begin,
        process: BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>,
        ctx: &mut Context<Self>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Begin { run, port, started_at, adopted } = begin;
        let route = self.routes.set(id, entry.way());
        let reporter = Reporter {
            id,
            run,
            supervisor: ctx.address(),
            meter: Arc::clone(&self.meter),
            log: self.config.log.clone(),
        };
        let timing = entry.spec.policy.timing;
        let actor = Instance::begin(reporter, timing, route, Arc::clone(&self.meters), adopted, process);
        entry.held.push(Held {
            run,
            actor,
            port,
            calls: Arc::default(),
            pid: None,
            uid: None,
            started_at,
            usage: None,
            enforced: None,
            health: None,
            isolation: None,
            alarm_at: None,
            alarm_watched: false,
        });
        entry.started_at = entry.started_at.or(started_at);
    }

    /// Sends to the actor of a run and sees to it that it arrives.
    fn tell<M>(&self, id: Uuid, run: Run, message: M, ctx: &mut Context<Self>)
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Instance: Handler<M>,
    {
        let held = self.entries.get(&id).and_then(|entry| entry.held(run));
        let Some(actor) = held.map(|held| held.actor.clone()) else {
            return;
        };
        let log = self.config.log.clone();
        let sent = async move { actor.send(message).await };
        ctx.spawn(sent.into_actor(self).map(move |sent, _, _| {
            if sent.is_err() {
                // Its custody ends the process and reports that.
                slog::warn!(log, "an instance's actor is gone"; "instance" => %id);
            }
        }));
    }
}
