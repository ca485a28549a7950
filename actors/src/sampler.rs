//! One actor that measures the process trees of all instances in one pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, WrapFuture};
use chrono::Utc;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use uuid::Uuid;

use crate::message::Sampled;
use crate::meter::{Meter, Meters};
use crate::snapshot::Registry;
use crate::state::{Run, Usage};
use crate::supervisor::Supervisor;

/// Measures at intervals, for as long as the supervisor lives.
pub(crate) struct Sampler {
    interval: Duration,
    registry: Arc<Registry>,
    supervisor: Addr<Supervisor>,
    supervisor_meter: Arc<Meter>,
    meter: Arc<Meter>,
    /// Away while a pass is under way, and before the first.
    system: Option<System>,
    log: slog::Logger,
}

impl Sampler {
    pub(crate) fn new(
        interval: Duration,
        registry: Arc<Registry>,
        supervisor: Addr<Supervisor>,
        supervisor_meter: Arc<Meter>,
        meters: &Meters,
        log: slog::Logger,
    ) -> Self {
        let meter = meters.register("/supervisor/sampler".into(), "sampler", 1);
        Self { interval, registry, supervisor, supervisor_meter, meter, system: None, log }
    }

    fn pass(&mut self, ctx: &mut Context<Self>) {
        let roots: HashMap<Pid, (Uuid, Run)> = self
            .registry
            .with_parts()
            .iter()
            .flat_map(|snapshot| {
                let present = snapshot.pid.map(|pid| (snapshot.run, pid));
                let id = snapshot.id;
                [present, snapshot.beside]
                    .into_iter()
                    .flatten()
                    .map(move |(run, pid)| (Pid::from_u32(pid), (id, run)))
            })
            .collect();
        if roots.is_empty() {
            ctx.run_later(self.interval, Self::pass);
            return;
        }
        let system = self.system.take();
        let measured = tokio::task::spawn_blocking(move || {
            let mut system = system.map_or_else(System::new, Ok)?;
            let trees = measure(&mut system, &roots);
            Ok::<_, sysinfo::Error>((system, trees))
        });
        let supervisor = self.supervisor.clone();
        let meter = Arc::clone(&self.supervisor_meter);
        let told = async move {
            let measured = measured.await.map_err(|panic| panic.to_string())?;
            let (system, trees) = measured.map_err(|error| error.to_string())?;
            let message = Sampled { at: Utc::now(), trees };
            meter.track(supervisor.send(message)).await.map_err(|gone| gone.to_string())?;
            Ok::<_, String>(system)
        };
        ctx.spawn(told.into_actor(self).map(|system, actor, ctx| {
            actor.meter.handled();
            match system {
                Ok(system) => actor.system = Some(system),
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

/// Adds up each tree: what is in the session of its root, or descends from it.
fn measure(system: &mut System, roots: &HashMap<Pid, (Uuid, Run)>) -> Vec<(Uuid, Run, Usage)> {
    let what = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let mut trees: HashMap<Pid, Usage> = HashMap::new();
    for (pid, process) in system.processes() {
        if let Some(root) = root_of(system, *pid, roots) {
            let usage = trees.entry(root).or_default();
            usage.memory_bytes += process.memory();
            usage.cpu_percent += process.cpu_usage();
            usage.processes += 1;
        }
    }
    trees
        .into_iter()
        .filter_map(|(root, usage)| roots.get(&root).map(|(id, run)| (*id, *run, usage)))
        .collect()
}

fn root_of(system: &System, pid: Pid, roots: &HashMap<Pid, (Uuid, Run)>) -> Option<Pid> {
    if roots.contains_key(&pid) {
        return Some(pid);
    }
    let process = system.process(pid)?;
    if let Some(session) = process.session_id().filter(|session| roots.contains_key(session)) {
        return Some(session);
    }
    // One that left the session is still found by its parents, for as long as they live.
    let mut parent = process.parent();
    for _ in 0..32 {
        let pid = parent?;
        if roots.contains_key(&pid) {
            return Some(pid);
        }
        parent = system.process(pid)?.parent();
    }
    None
}
