//! Processes of this machine: spawned through the gate, in a session of their own, watched through a pidfd.

mod adoption;
mod orphans;
mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use uuid::Uuid;

use self::orphans::OwnChildren;
use self::process::{LocalProcess, Ordered, see_out};
use super::cgroup::{Cgroups, Enforced, Group};
use super::gate::{self, Gate, Preparation};
use super::isolation::{Confinement, Isolation, Layer};
use super::logs::LogKeeper;
use super::pipes::{self, Names, Wiring};
use super::record::RunDir;
use super::tree::Tree;
use super::{Counted, Identity, Launch, LaunchError, Launcher, Plan, Planner, Probe, Process, Record, Spec};
use crate::policy::Limits;
use crate::state::Run;

/// Starts processes of this machine and finds them again.
#[derive(Debug, Clone)]
pub struct LocalLauncher {
    gate: Gate,
    runs: RunDir,
    logs: Arc<LogKeeper>,
    isolation: Isolation,
    cgroups: Arc<Cgroups>,
    /// Control groups that were there before anything was started, by name.
    left: Arc<BTreeMap<String, Vec<PathBuf>>>,
    children: OwnChildren,
    wiring: Option<Arc<dyn Wiring>>,
    /// Where the output of each run goes that is watched.
    outputs: Arc<DashMap<(Uuid, Run), PathBuf>>,
    log: slog::Logger,
}

/// What a launch has to know of its specification.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Whose user it runs as: the instance, also for a part of it, since they share a home.
    pub(super) instance: Uuid,
    pub(super) lease_ends_at: Option<DateTime<Utc>>,
    /// It speaks over its standard streams, and may have parts.
    pub(super) piped: bool,
    limits: Limits,
}

/// What is made for a run beside its process.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    group: Option<&'a Group>,
    pipes: Option<&'a Names>,
}

impl LocalLauncher {
    /// A launcher that records its runs in `runs` and isolates nothing.
    #[must_use]
    pub fn new(gate: Gate, runs: RunDir, logs: LogKeeper, log: slog::Logger) -> Self {
        Self {
            gate,
            runs,
            logs: Arc::new(logs),
            isolation: Isolation::none("nobody asked for isolation"),
            cgroups: Arc::default(),
            left: Arc::default(),
            children: OwnChildren::default(),
            wiring: None,
            outputs: Arc::default(),
            log,
        }
    }

    /// The same launcher, whose processes are isolated.
    #[must_use]
    pub fn isolated(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }

    /// The same for runs that speak over their standard streams too: the wiring speaks with them.
    #[must_use]
    pub fn with_wiring(self, wiring: Arc<dyn Wiring>) -> Self {
        Self { wiring: Some(wiring), ..self }
    }

    /// Has each run in a control group of its own. To be called before anything is started.
    #[must_use]
    pub fn in_cgroups(mut self, cgroups: Cgroups) -> Self {
        self.left = Arc::new(cgroups.present());
        self.cgroups = Arc::new(cgroups);
        self
    }

    /// Spawns, records and opens the gate. Blocks for about a millisecond.
    fn spawn(&self, launch: Launch, plan: &Plan, terms: Terms) -> Result<(Child, Record), LaunchError> {
        check(plan)?;
        let isolation = self.isolation.of(&launch, plan, &terms)?;
        make_dir(&plan.cwd).map_err(system("making the working directory"))?;
        let group = self.group(&launch, &terms.limits);
        let pipes = terms.piped.then(|| self.runs.pipes_for(&launch));
        let around = Around { group: group.as_ref(), pipes: pipes.as_ref() };
        let spawned = self.spawn_into(around, launch, plan, isolation);
        if spawned.is_err() {
            self.close_logs(&plan.log_dir, terms.piped);
            // What is left of either is removed by the next daemon.
            group.map(|group| group.remove());
            let _ = pipes.map(|names| names.remove());
        }
        spawned
    }

    fn group(&self, launch: &Launch, limits: &Limits) -> Option<Group> {
        self.cgroups.make(launch.id, launch.run, limits).unwrap_or_else(|error| {
            // It runs without; its limits are kept by measuring, and its status says so.
            slog::warn!(self.log, "a run has no control group"; "instance" => %launch.id, "error" => %error);
            None
        })
    }

    fn spawn_into(
        &self,
        around: Around<'_>,
        launch: Launch,
        plan: &Plan,
        isolation: Option<Confinement>,
    ) -> Result<(Child, Record), LaunchError> {
        let log = |name| self.logs.open(&plan.log_dir.join(name));
        let stdout = match around.pipes {
            None => log("stdout.log").map_err(system("opening stdout.log"))?,
            Some(names) => {
                let made = names.make().and_then(|()| pipes::open_both(&names.stdout));
                made.map_err(system("making the pipes"))?
            }
        };
        let stderr = log("stderr.log").map_err(system("opening stderr.log"))?;
        let stderr_from = length(&stderr);
        let (mut command, stage) = gate::command(&self.gate).map_err(system("starting a process"))?;
        let spawned = self.children.spawn(command.stdout(stdout).stderr(stderr));
        let mut child = spawned.map_err(system("starting a process"))?;
        // It holds the stage's end of the connection.
        drop(command);
        let join = around.group.map_or_else(Vec::new, Group::doors);
        let before = Preparation { join, stdin: around.pipes.map(|names| names.stdin.clone()), isolation };
        let recorded = self.record(&child, stage, (launch, plan), before, (around, stderr_from));
        if recorded.is_err() {
            // Its gate was never opened, so it has run nothing and has no children.
            let _ = child.kill();
            let _ = child.wait();
            self.children.forget(child.id());
        }
        recorded.map(|record| (child, record))
    }

    fn record(
        &self,
        child: &Child,
        mut stage: UnixStream,
        (launch, plan): (Launch, &Plan),
        before: Preparation,
        (around, stderr_from): (Around<'_>, u64),
    ) -> Result<Record, LaunchError> {
        let wanted = before.isolation.as_ref();
        let own_user = wanted.is_some_and(|wanted| wanted.required.contains(&Layer::OwnUser));
        let uid = wanted.and_then(|wanted| wanted.user).filter(|_| own_user).map(|user| user.uid);
        let alarm_at = wanted.and_then(|wanted| Some(Utc::now() + Duration::from_secs(wanted.alarm?.into())));
        let is_isolated = wanted.is_some();
        gate::send(plan, before, &mut stage).map_err(system("handing the order to the gate"))?;
        let prepared = gate::prepared(&stage).map_err(system("preparing the process"))?;
        let isolation = if is_isolated { prepared } else { self.isolation.report().clone() };
        let record = Record {
            id: launch.id,
            run: launch.run,
            identity: Identity::of(child.id()).map_err(system("identifying the process"))?,
            port: launch.port,
            nonce: launch.nonce,
            started_at: Utc::now(),
            log_dir: plan.log_dir.clone(),
            stderr_from,
            uid,
            isolation: Some(isolation),
            alarm_at,
            cgroups: around.group.map_or_else(Vec::new, |group| group.dirs().to_vec()),
            piped: around.pipes.is_some(),
        };
        self.runs.write(&record).map_err(system("recording the process"))?;
        gate::open(stage).map_err(system("opening the gate"))?;
        Ok(record)
    }

    fn watch(
        &self,
        probe: Probe,
        record: Record,
        child: Option<Child>,
        pidfd: AsyncFd<OwnedFd>,
    ) -> Arc<dyn Process> {
        let (leader, record) = (Arc::new(pidfd), Arc::new(record));
        let (tell, ended) = watch::channel(None);
        let (ordered, orders) = watch::channel(Ordered::Nothing);
        let tree = Arc::new(Tree::new(&record, Some(Arc::clone(&leader))));
        let wiring = self.wiring.clone().filter(|_| record.piped && probe.is_piped());
        let process: Arc<dyn Process> = Arc::new(LocalProcess {
            probe,
            wiring: wiring.clone(),
            record: Arc::clone(&record),
            enforced: tree.group().map_or_else(Enforced::default, Group::enforced),
            tree: Arc::clone(&tree),
            ordered,
            ended,
            released: AtomicBool::new(false),
        });
        self.outputs.insert((record.id, record.run), record.log_dir.clone());
        let launcher = self.clone();
        tokio::spawn(async move {
            let ending = see_out(leader, child, tree, orders).await;
            launcher.outputs.remove(&(record.id, record.run));
            launcher.children.forget(record.identity.pid);
            if let Some(wiring) = wiring {
                wiring.disconnect(record.id, record.run);
            }
            launcher.close_logs(&record.log_dir, record.piped);
            if ending.gone {
                launcher.forget(&record);
            } else {
                // Its record stays, so that the next daemon looks again.
                slog::error!(launcher.log, "processes of a run outlive SIGKILL; they hang in the kernel";
                    "instance" => %record.id, "run" => %record.run);
            }
            // Nobody may be left who wants to know.
            let _ = tell.send(Some(ending.exit));
        });
        process
    }

    /// Hands the ends of a run's streams to the wiring.
    fn wire(&self, spec: Option<&Spec>, record: &Record, adopted: bool) -> io::Result<()> {
        if let (Some(spec), Some(wiring), true) = (spec, &self.wiring, record.piped) {
            wiring.connect(spec, record.run, self.runs.pipes(record).open(adopted)?);
        }
        Ok(())
    }

    fn close_logs(&self, dir: &Path, piped: bool) {
        if !piped {
            self.logs.forget(&dir.join("stdout.log"));
        }
        self.logs.forget(&dir.join("stderr.log"));
    }

    fn forget(&self, record: &Record) {
        if let Err(error) = self.runs.remove(record) {
            // The next daemon finds it, sees that the process is gone and cleans it up.
            slog::warn!(self.log, "a run's record could not be removed"; "id" => %record.id, "error" => %error);
        }
    }
}

impl LocalLauncher {
    /// The control groups that it uses.
    #[must_use]
    pub fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// Removes the roots of the control groups once no run needs them.
    pub fn close(&self) {
        self.cgroups.close();
    }

    async fn start(
        &self,
        planner: Arc<dyn Planner>,
        probe: Probe,
        spec: Option<&Spec>,
        launch: Launch,
        terms: Terms,
    ) -> Result<Arc<dyn Process>, LaunchError> {
        let spawner = self.clone();
        let spawned = tokio::task::spawn_blocking(move || {
            let plan = planner.plan(&launch)?;
            spawner.spawn(launch, &plan, terms)
        });
        let (mut child, record) = spawned
            .await
            .map_err(|panic| LaunchError::Unstartable(format!("the plan cannot be made: {panic}")))??;
        let opened = open_pidfd(record.identity.pid);
        match opened.and_then(|pidfd| self.wire(spec, &record, false).map(|()| pidfd)) {
            Ok(pidfd) => Ok(self.watch(probe, record, Some(child), pidfd)),
            Err(source) => {
                // A process that cannot be watched must not live on unseen.
                let _ = child.kill();
                let _ = child.wait();
                self.children.forget(record.identity.pid);
                self.close_logs(&record.log_dir, record.piped);
                self.clear(&record).await;
                Err(LaunchError::System { what: "watching the process", source })
            }
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> LaunchError {
    move |source| LaunchError::System { what, source }
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// Refuses what cannot be executed, before there is a process.
fn check(plan: &Plan) -> Result<(), LaunchError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = plan.program.display();
    if !plan.program.is_absolute() {
        return Err(LaunchError::Unstartable(format!("the program {shown} is no absolute path")));
    }
    match std::fs::metadata(&plan.program) {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => {}
        Ok(_) => {
            return Err(LaunchError::Unstartable(format!("the program {shown} is not executable")));
        }
        Err(error) => {
            return Err(LaunchError::Unstartable(format!("the program {shown} cannot be used: {error}")));
        }
    }
    Ok(())
}

pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[expect(unsafe_code, reason = "registering a descriptor with the reactor is unsafe in tokio since 1.54")]
fn open_pidfd(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pidfd = rustix::process::pidfd_open(pid_of(pid)?, PidfdFlags::NONBLOCK)?;
    // SAFETY: `OwnedFd` keeps the descriptor open until it is dropped, and nothing here takes it out again or
    // closes it otherwise, so it stays the same for the whole life of the registration.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }.map_err(io::Error::from)
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Launcher for LocalLauncher {
    fn launch(
        &self,
        spec: &Spec,
        launch: Launch,
    ) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let launcher = self.clone();
        let planner = Arc::clone(&spec.planner);
        let probe = spec.probe.clone();
        let piped = probe.is_piped();
        let terms = Terms {
            instance: spec.part_of.unwrap_or(spec.id),
            lease_ends_at: spec.lease_ends_at,
            piped,
            limits: spec.policy.limits,
        };
        let (id, run, spec) = (launch.id, launch.run, piped.then(|| spec.clone()));
        async move {
            let Some(spec) = spec else {
                return launcher.start(planner, probe, None, launch, terms).await;
            };
            let Some(wiring) = launcher.wiring.clone() else {
                let words = "this program has nobody who speaks over standard streams";
                return Err(LaunchError::Unstartable(words.into()));
            };
            let started = launcher.start(planner, probe, Some(&spec), launch, terms).await;
            started.inspect_err(|_| wiring.disconnect(id, run))
        }
        .boxed()
    }

    fn count(&self, id: Uuid, run: Run) -> Option<Counted> {
        let group = self.cgroups.of_run(id, run)?;
        Some(Counted {
            members: group.members(),
            cpu_us: group.cpu_us(),
            refused_forks: group.refused_forks(),
        })
    }

    fn drops_output(&self, id: Uuid, run: Run) -> bool {
        let Some(dir) = self.outputs.get(&(id, run)).map(|dir| dir.clone()) else { return false };
        ["stdout.log", "stderr.log"].iter().any(|name| self.logs.drops(&dir.join(name)))
    }

    fn adopt(
        &self,
        spec: &Spec,
        record: Record,
    ) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let launcher = self.clone();
        let probe = spec.probe.clone();
        let spec = probe.is_piped().then(|| spec.clone());
        async move { launcher.find_again(probe, spec, record).await }.boxed()
    }
}
