//! One actor per run: it asks the process how it is, at intervals, and carries out what the supervisor
//! decided. It decides nothing.
//!
//! The process itself is in the [`custody`] of a task beside the actor. The task reports the process's
//! beginning and end, whatever becomes of the actor, and ends the whole tree should the actor die.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use crate::launch::{LaunchError, Missed, Process};
use crate::message::{Kill, Launched, Observed, Release, Report, Retire, Terminate};
use crate::meter::{Meter, Meters};
use crate::policy::Timing;
use crate::routes::Route;
use crate::state::{Exit, Run};
use crate::supervisor::Supervisor;

/// Commands from the supervisor are rare; more than this many waiting means that the actor is stuck.
const MAILBOX: usize = 8;
/// Between two questions to a process that is starting: from the first to the last of these.
const FIRST_POLL: Duration = Duration::from_millis(5);
const LAST_POLL: Duration = Duration::from_millis(250);
/// A process that missed a probe is asked again after this part of the interval.
const RECHECK_PART: u32 = 6;

/// The way to the supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    pub(crate) id: Uuid,
    pub(crate) run: Run,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) log: slog::Logger,
}

impl Reporter {
    /// Waits for room in the supervisor's mailbox, so that no report is lost.
    /// Boxed, so that those who report now and then, and for the rest of their life wait, stay small.
    fn report(self, what: Observed) -> BoxFuture<'static, ()> {
        let message = Report { id: self.id, run: self.run, what };
        Box::pin(async move {
            if self.meter.track(self.supervisor.send(message)).await.is_err() {
                slog::error!(self.log, "the supervisor is gone; a report was lost"; "instance" => %self.id, "run" => %self.run);
            }
        })
    }
}

/// The actor of one run.
pub(crate) struct Instance {
    reporter: Reporter,
    timing: Timing,
    route: Arc<Route>,
    process: Option<Arc<dyn Process>>,
    /// What was ordered before the process was there.
    ordered: Option<Ordered>,
    ready: bool,
    polls: u32,
    /// Dropped with the actor, which tells the custody to end the tree.
    alive: Option<oneshot::Sender<Release>>,
    path: String,
    meters: Arc<Meters>,
    meter: Arc<Meter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ordered {
    Terminate,
    Kill,
}

impl Instance {
    /// Starts the actor of a run and the custody of its process. `launch` yields the process.
    pub(crate) fn begin(
        reporter: Reporter,
        timing: Timing,
        route: Arc<Route>,
        meters: Arc<Meters>,
        adopted: bool,
        launch: BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>,
    ) -> Addr<Self> {
        let (alive, died) = oneshot::channel();
        let path = format!("/supervisor/instances/{}", reporter.id);
        let meter = meters.register(path.clone(), "instance", reporter.run.0);
        let actor = Self {
            reporter: reporter.clone(),
            timing,
            route,
            process: None,
            ordered: None,
            ready: false,
            polls: 0,
            alive: Some(alive),
            path,
            meters,
            meter,
        };
        let addr = actor.start();
        actix_rt::spawn(custody(launch, adopted, addr.clone(), died, reporter));
        addr
    }

    fn report(&self, what: Observed, ctx: &mut Context<Self>) {
        ctx.spawn(self.reporter.clone().report(what).into_actor(self));
    }

    fn ask_after(&self, delay: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(delay, |actor, ctx| actor.ask(ctx));
    }

    fn ask(&mut self, ctx: &mut Context<Self>) {
        let Some(process) = &self.process else { return };
        if self.ready && self.is_busy_and_well() {
            self.ask_after(self.timing.probe_interval, ctx);
            return;
        }
        let answer = process.probe(self.timing.probe_timeout);
        let asked = async move {
            let begin = Instant::now();
            let answer = answer.await;
            (answer, begin.elapsed())
        };
        ctx.spawn(asked.into_actor(self).map(|(answer, took), actor, ctx| actor.judge(answer, took, ctx)));
    }

    /// A call is under way and one was answered well since the last probe: that says more than a probe.
    fn is_busy_and_well(&self) -> bool {
        let recently = |ago| ago <= self.timing.probe_interval;
        self.route.in_flight() > 0 && self.route.succeeded_ago().is_some_and(recently)
    }

    fn judge(&mut self, answer: Result<(), Missed>, took: Duration, ctx: &mut Context<Self>) {
        let latency_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let interval = self.timing.probe_interval;
        match (answer, self.ready) {
            (Ok(()), false) => {
                self.ready = true;
                self.report(Observed::Ready { latency_us }, ctx);
                // A random phase keeps instances that were started together from being asked together.
                self.ask_after(interval.mul_f32(0.5 + fastrand::f32() / 2.0), ctx);
            }
            (Ok(()), true) => {
                self.report(Observed::Answered { latency_us }, ctx);
                self.ask_after(interval, ctx);
            }
            (Err(_), false) => {
                self.polls += 1;
                let factor = 1.1f32.powi(i32::try_from(self.polls.min(100)).unwrap_or(100));
                self.ask_after(FIRST_POLL.mul_f32(factor).min(LAST_POLL), ctx);
            }
            (Err(Missed(problem)), true) => {
                self.report(Observed::Missed { latency_us, problem }, ctx);
                self.ask_after(interval / RECHECK_PART, ctx);
            }
        }
    }

    fn carry_out(&mut self, order: Ordered) {
        match (&self.process, order) {
            (Some(process), Ordered::Terminate) => process.terminate(),
            (Some(process), Ordered::Kill) => process.kill(),
            (None, order) => self.ordered = self.ordered.max(Some(order)),
        }
    }
}

/// Sees one process through from its launch to the end of its whole tree, and reports both. Survives the
/// actor: if it dies, the tree is ended and the supervisor hears of an exit like another.
async fn custody(
    launch: BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>,
    adopted: bool,
    actor: Addr<Instance>,
    died: oneshot::Receiver<Release>,
    reporter: Reporter,
) {
    let process = match launch.await {
        Ok(process) => process,
        Err(error) => {
            let exit = match &error {
                LaunchError::Unstartable(_) => Exit::Unstartable,
                LaunchError::System { .. } => Exit::Unspawned,
                LaunchError::Gone { .. } => Exit::Unknown,
            };
            let gone = Observed::Exited { exit, detail: error.to_string(), stderr_tail: String::new() };
            reporter.report(gone).await;
            retire(&actor).await;
            return;
        }
    };
    let record = Box::new(process.record().clone());
    let enforced = process.enforced();
    reporter.clone().report(Observed::Up { record, adopted, enforced }).await;
    // An actor that is gone already is seen right below.
    let _ = actor.send(Launched(Arc::clone(&process))).await;
    let (exit, detail) = tokio::select! {
        // A process that has ended is no more to be killed.
        biased;
        exit = process.ended() => (exit, String::new()),
        end = died => match end {
            Ok(Release) => {
                process.release();
                return;
            }
            Err(_) => {
                process.kill();
                process.ended().await;
                (Exit::ActorDied, "the actor that owned the process panicked".to_owned())
            }
        },
    };
    let stderr_tail = process.stderr_tail().await;
    // The actor lets go of the process first, so that nothing of this run is left when the next begins.
    retire(&actor).await;
    reporter.report(Observed::Exited { exit, detail, stderr_tail }).await;
}

async fn retire(actor: &Addr<Instance>) {
    // It may have died before; that is what it is asked for.
    let _ = actor.send(Retire).await;
}

impl Actor for Instance {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.meters.unregister(&self.path, &self.meter);
    }
}

impl Handler<Launched> for Instance {
    type Result = ();

    fn handle(&mut self, Launched(process): Launched, ctx: &mut Self::Context) {
        self.meter.handled();
        self.process = Some(process);
        if let Some(order) = self.ordered.take() {
            self.carry_out(order);
        }
        self.ask(ctx);
    }
}

impl Handler<Terminate> for Instance {
    type Result = ();

    fn handle(&mut self, _: Terminate, _: &mut Self::Context) {
        self.meter.handled();
        self.carry_out(Ordered::Terminate);
    }
}

impl Handler<Kill> for Instance {
    type Result = ();

    fn handle(&mut self, _: Kill, _: &mut Self::Context) {
        self.meter.handled();
        self.carry_out(Ordered::Kill);
    }
}

impl Handler<Release> for Instance {
    type Result = ();

    fn handle(&mut self, release: Release, ctx: &mut Self::Context) {
        self.meter.handled();
        if let Some(alive) = self.alive.take() {
            // The custody may have seen the process end meanwhile.
            let _ = alive.send(release);
        }
        ctx.stop();
    }
}

impl Handler<Retire> for Instance {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Self::Context) {
        self.meter.handled();
        ctx.stop();
    }
}
