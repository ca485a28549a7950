//! One actor that measures the process trees of all instances in one pass.

pub(crate) mod trees;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, WrapFuture};
use chrono::Utc;
use tokio::time::Instant;

use self::trees::{Root, Trees};
use crate::launch::Launcher;
use crate::message::Sampled;
use crate::meter::{Meter, Meters};
use crate::snapshot::Registry;
use crate::supervisor::Supervisor;

/// Measures at intervals, for as long as the supervisor lives.
pub(crate) struct Sampler {
    interval: Duration,
    registry: Arc<Registry>,
    supervisor: Addr<Supervisor>,
    supervisor_meter: Arc<Meter>,
    meter: Arc<Meter>,
    launcher: Arc<dyn Launcher>,
    /// What the last pass saw; away while a pass is under way, and after one that failed.
    trees: Option<Trees>,
    log: slog::Logger,
}

impl Sampler {
    pub(crate) fn new(
        interval: Duration,
        launcher: Arc<dyn Launcher>,
        registry: Arc<Registry>,
        supervisor: Addr<Supervisor>,
        supervisor_meter: Arc<Meter>,
        meters: &Meters,
        log: slog::Logger,
    ) -> Self {
        let meter = meters.register("/supervisor/sampler".into(), "sampler", 1);
        Self { interval, registry, supervisor, supervisor_meter, meter, launcher, trees: None, log }
    }

    fn pass(&mut self, ctx: &mut Context<Self>) {
        let roots: Vec<Root> = self
            .registry
            .with_parts()
            .iter()
            .flat_map(|snapshot| {
                let present = snapshot.pid.map(|pid| (snapshot.run, pid));
                let id = snapshot.id;
                [present, snapshot.beside].into_iter().flatten().map(move |(run, pid)| Root { id, run, pid })
            })
            .collect();
        if roots.is_empty() {
            ctx.run_later(self.interval, Self::pass);
            return;
        }
        let mut trees = self.trees.take().unwrap_or_default();
        let launcher = Arc::clone(&self.launcher);
        let measured = tokio::task::spawn_blocking(move || {
            let usage = trees.measure(&roots, &*launcher, Instant::now());
            (trees, usage)
        });
        let supervisor = self.supervisor.clone();
        let meter = Arc::clone(&self.supervisor_meter);
        let told = async move {
            let (trees, usage) = measured.await.map_err(|panic| panic.to_string())?;
            let message = Sampled { at: Utc::now(), trees: usage };
            meter.track(supervisor.send(message)).await.map_err(|gone| gone.to_string())?;
            Ok::<_, String>(trees)
        };
        ctx.spawn(told.into_actor(self).map(|trees, actor, ctx| {
            actor.meter.handled();
            match trees {
                Ok(trees) => actor.trees = Some(trees),
                Err(error) => {
                    slog::error!(actor.log, "a pass over the process trees failed"; "error" => error);
                }
            }
            ctx.run_later(actor.interval, Self::pass);
        }));
    }
}

impl Actor for Sampler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_later(self.interval, Self::pass);
    }
}
