//! Processes of this machine: spawned through the gate, in a session of their own, watched through a pidfd.

mod orphans;
mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
use super::gate::{self, Gate};
use super::identity;
use super::logs::LogKeeper;
use super::record::RunDir;
use super::tree::Tree;
use super::{
    Counted, Identity, Launch, LaunchError, Launcher, NoPlan, Plan, Planner, Probe, Process, Record, Spec,
};
use crate::policy::{Limits, Policy};
use crate::state::Run;

/// How long what is left of a run that was lost is waited for after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts processes of this machine and finds them again.
#[derive(Debug, Clone)]
pub struct LocalLauncher {
    gate: Gate,
    runs: RunDir,
    logs: Arc<LogKeeper>,
    cgroups: Arc<Cgroups>,
    /// Control groups that were there before anything was started, by name.
    left: Arc<BTreeMap<String, Vec<PathBuf>>>,
    children: OwnChildren,
    log: slog::Logger,
}

impl LocalLauncher {
    /// A launcher that records its runs in `runs`.
    #[must_use]
    pub fn new(gate: Gate, runs: RunDir, logs: LogKeeper, log: slog::Logger) -> Self {
        let (cgroups, left) = (Arc::default(), Arc::default());
        Self { gate, runs, logs: Arc::new(logs), cgroups, left, children: OwnChildren::default(), log }
    }

    /// Has each run in a control group of its own. To be called before anything is started.
    #[must_use]
    pub fn in_cgroups(mut self, cgroups: Cgroups) -> Self {
        self.left = Arc::new(cgroups.present());
        self.cgroups = Arc::new(cgroups);
        self
    }

    /// Spawns, records and opens the gate. Blocks for about a millisecond.
    fn spawn(&self, launch: Launch, plan: &Plan, limits: &Limits) -> Result<(Child, Record), LaunchError> {
        check(plan)?;
        let group = self.group(&launch, limits);
        let spawned = self.spawn_into(group.as_ref(), launch, plan);
        if let (Err(_), Some(group)) = (&spawned, group) {
            group.remove();
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
        group: Option<&Group>,
        launch: Launch,
        plan: &Plan,
    ) -> Result<(Child, Record), LaunchError> {
        let log = |name| self.logs.open(&plan.log_dir.join(name));
        let stdout = log("stdout.log").map_err(system("opening stdout.log"))?;
        let stderr = log("stderr.log").map_err(system("opening stderr.log"));
        let spawned = stderr.and_then(|stderr| {
            let stderr_from = length(&stderr);
            let mut command = gate::command(&self.gate);
            let spawned = self.children.spawn(command.stdout(stdout).stderr(stderr));
            let mut child = spawned.map_err(system("starting a process"))?;
            let recorded = self.record(&mut child, group, launch, plan, stderr_from);
            if recorded.is_err() {
                // Its gate was never opened, so it has run nothing and has no children.
                let _ = child.kill();
                let _ = child.wait();
                self.children.forget(child.id());
            }
            recorded.map(|record| (child, record))
        });
        spawned.inspect_err(|_| self.close_logs(&plan.log_dir))
    }

    fn record(
        &self,
        child: &mut Child,
        group: Option<&Group>,
        launch: Launch,
        plan: &Plan,
        stderr_from: u64,
    ) -> Result<Record, LaunchError> {
        let mut stdin = child.stdin.take().ok_or_else(|| LaunchError::System {
            what: "reaching the gate",
            source: io::ErrorKind::BrokenPipe.into(),
        })?;
        gate::send(plan, group.map_or_else(Vec::new, Group::doors), &mut stdin)
            .map_err(system("handing the order to the gate"))?;
        let record = Record {
            id: launch.id,
            run: launch.run,
            identity: Identity::of(child.id()).map_err(system("identifying the process"))?,
            port: launch.port,
            nonce: launch.nonce,
            started_at: chrono::Utc::now(),
            log_dir: plan.log_dir.clone(),
            stderr_from,
            cgroups: group.map_or_else(Vec::new, |group| group.dirs().to_vec()),
        };
        self.runs.write(&record).map_err(system("recording the process"))?;
        gate::open(stdin).map_err(system("opening the gate"))?;
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
        let process: Arc<dyn Process> = Arc::new(LocalProcess {
            probe,
            record: Arc::clone(&record),
            enforced: tree.group().map_or_else(Enforced::default, Group::enforced),
            tree: Arc::clone(&tree),
            ordered,
            ended,
            released: AtomicBool::new(false),
        });
        let launcher = self.clone();
        tokio::spawn(async move {
            let ending = see_out(leader, child, tree, orders).await;
            launcher.children.forget(record.identity.pid);
            launcher.close_logs(&record.log_dir);
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

    fn close_logs(&self, dir: &Path) {
        self.logs.forget(&dir.join("stdout.log"));
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

    /// Ends the process of a record with its tree, if it is still there, and removes the record.
    pub async fn put_down(&self, record: Record) {
        let spec = Spec::new("stray", Policy::default(), Probe::Process, Arc::new(Nothing));
        if let Ok(process) = self.adopt(&spec, record).await {
            process.kill();
            process.ended().await;
        }
    }

    /// Ends what an earlier daemon left in control groups of ours and none of these records tells of. Answers how
    /// many groups there were.
    pub async fn sweep(&self, records: &[Record]) -> usize {
        let known: Vec<String> = records.iter().map(Record::name).collect();
        let left: Vec<Group> = self
            .left
            .iter()
            .filter(|(name, _)| !known.contains(name))
            .filter_map(|(name, dirs)| Group::found(dirs, name))
            .collect();
        let count = left.len();
        let swept = tokio::task::spawn_blocking(move || {
            left.into_iter().map(Tree::of_group).filter(|tree| !put_away(tree)).count()
        });
        match swept.await {
            Ok(0) => {}
            Ok(kept) => slog::error!(self.log, "control groups could not be emptied"; "groups" => kept),
            Err(panic) => slog::error!(self.log, "sweeping control groups failed"; "error" => %panic),
        }
        count
    }

    /// Removes the roots of the control groups once no run needs them.
    pub fn close(&self) {
        self.cgroups.close();
    }

    /// What is left of a run whose leader is gone, or is not what was recorded: its tree is ended without a signal
    /// to that id.
    async fn clear(&self, record: &Record) {
        if record.identity.boot_id != identity::boot_id() {
            // Nothing outlives the machine.
            self.forget(record);
            return;
        }
        let tree = Tree::new(record, None);
        let cleared = tokio::task::spawn_blocking(move || put_away(&tree)).await;
        if cleared.unwrap_or(false) {
            self.forget(record);
        } else {
            slog::error!(self.log, "processes of a lost run outlive SIGKILL"; "instance" => %record.id);
        }
    }
}

fn put_away(tree: &Tree) -> bool {
    tree.end(PATIENCE) && tree.group().is_none_or(Group::remove)
}

/// What a stray is to execute.
#[derive(Debug)]
struct Nothing;

impl Planner for Nothing {
    fn plan(&self, _: &Launch) -> Result<Plan, NoPlan> {
        Err(NoPlan::Never("strays are not started".into()))
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
    make_dir(&plan.cwd).map_err(system("making the working directory"))
}

fn make_dir(path: &Path) -> io::Result<()> {
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
        let limits = spec.policy.limits;
        async move {
            let spawner = launcher.clone();
            let spawned = tokio::task::spawn_blocking(move || {
                let plan = planner.plan(&launch)?;
                spawner.spawn(launch, &plan, &limits)
            });
            let (mut child, record) = spawned
                .await
                .map_err(|panic| LaunchError::Unstartable(format!("the plan cannot be made: {panic}")))??;
            match open_pidfd(record.identity.pid) {
                Ok(pidfd) => Ok(launcher.watch(probe, record, Some(child), pidfd)),
                Err(source) => {
                    // A process that cannot be watched must not live on unseen.
                    let _ = child.kill();
                    let _ = child.wait();
                    launcher.children.forget(record.identity.pid);
                    launcher.close_logs(&record.log_dir);
                    launcher.clear(&record).await;
                    Err(LaunchError::System { what: "watching the process", source })
                }
            }
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

    fn adopt(
        &self,
        spec: &Spec,
        record: Record,
    ) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let launcher = self.clone();
        let probe = spec.probe.clone();
        async move {
            let gone = LaunchError::Gone { pid: record.identity.pid };
            // The pidfd pins the process before its identity is read: what is compared is what is signalled.
            let present = open_pidfd(record.identity.pid).ok().filter(|_| is_the_recorded(&record));
            let Some(pidfd) = present else {
                launcher.clear(&record).await;
                return Err(gone);
            };
            for name in ["stdout.log", "stderr.log"] {
                let path = record.log_dir.join(name);
                if let Err(error) = launcher.logs.adopt(&path) {
                    slog::warn!(launcher.log, "captured output of an adopted process is not rotated";
                        "file" => %path.display(), "error" => %error);
                }
            }
            Ok(launcher.watch(probe, record, None, pidfd))
        }
        .boxed()
    }
}

/// Whether the process with the recorded id is the recorded one: of this boot, begun then, and in its control group.
fn is_the_recorded(record: &Record) -> bool {
    let in_group = Group::found(&record.cgroups, &record.name())
        .is_none_or(|group| group.members().contains(&record.identity.pid));
    in_group && record.identity.is_present()
}
