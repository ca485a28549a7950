//! Processes of this machine: spawned through the gate, in a session of their own, watched through a pidfd.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::gate::{self, Gate};
use super::isolation::{Confinement, Isolation, Layer};
use super::logs::{self, LogKeeper};
use super::probe::{self, Target};
use super::record::RunDir;
use super::{
    Identity, Launch, LaunchError, Launcher, Missed, NoPlan, Plan, Planner, Probe, Process, Record, Spec,
    listener,
};
use crate::policy::Policy;
use crate::state::Exit;

/// How long the rest of a group that was sent SIGKILL is waited for.
const SWEEP: Duration = Duration::from_secs(2);
const STDERR_TAIL: u64 = 4096;

/// Starts processes of this machine and finds them again.
#[derive(Debug, Clone)]
pub struct LocalLauncher {
    gate: Gate,
    runs: RunDir,
    logs: Arc<LogKeeper>,
    isolation: Isolation,
    log: slog::Logger,
}

impl LocalLauncher {
    /// A launcher that records its runs in `runs` and isolates nothing.
    #[must_use]
    pub fn new(gate: Gate, runs: RunDir, logs: LogKeeper, log: slog::Logger) -> Self {
        let isolation = Isolation::none("nobody asked for isolation");
        Self { gate, runs, logs: Arc::new(logs), isolation, log }
    }

    /// The same launcher, whose processes are isolated.
    #[must_use]
    pub fn isolated(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }

    /// Spawns, records and opens the gate. Blocks for about a millisecond.
    fn spawn(
        &self,
        launch: Launch,
        plan: &Plan,
        lease_ends_at: Option<DateTime<Utc>>,
    ) -> Result<(Child, Record), LaunchError> {
        check(plan)?;
        let isolation = self.isolation.of(&launch, plan, lease_ends_at)?;
        make_dir(&plan.cwd).map_err(system("making the working directory"))?;
        let log = |name| self.logs.open(&plan.log_dir.join(name));
        let stdout = log("stdout.log").map_err(system("opening stdout.log"))?;
        let stderr = log("stderr.log").map_err(system("opening stderr.log"));
        let spawned = stderr.and_then(|stderr| {
            let stderr_from = length(&stderr);
            let (mut command, stage) = gate::command(&self.gate).map_err(system("starting a process"))?;
            let mut child =
                command.stdout(stdout).stderr(stderr).spawn().map_err(system("starting a process"))?;
            // It holds the stage's end of the connection.
            drop(command);
            let recorded = self.record(&child, stage, launch, plan, isolation, stderr_from);
            if recorded.is_err() {
                // Its gate was never opened, so it has run nothing and has no children.
                let _ = child.kill();
                let _ = child.wait();
            }
            recorded.map(|record| (child, record))
        });
        spawned.inspect_err(|_| self.close_logs(&plan.log_dir))
    }

    fn record(
        &self,
        child: &Child,
        mut stage: UnixStream,
        launch: Launch,
        plan: &Plan,
        isolation: Option<Confinement>,
        stderr_from: u64,
    ) -> Result<Record, LaunchError> {
        let own_user = isolation.as_ref().is_some_and(|wanted| wanted.required.contains(&Layer::OwnUser));
        let uid = isolation.as_ref().and_then(|wanted| wanted.user).filter(|_| own_user).map(|user| user.uid);
        let alarm_at = isolation
            .as_ref()
            .and_then(|wanted| Some(Utc::now() + Duration::from_secs(wanted.alarm?.into())));
        let is_isolated = isolation.is_some();
        gate::send(plan, isolation, &mut stage).map_err(system("handing the order to the gate"))?;
        let isolation = match is_isolated {
            true => gate::isolated(&stage).map_err(system("isolating the process"))?,
            false => self.isolation.report().clone(),
        };
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
        let (pidfd, record) = (Arc::new(pidfd), Arc::new(record));
        let (tell, ended) = watch::channel(None);
        let process: Arc<dyn Process> = Arc::new(LocalProcess {
            probe,
            record: Arc::clone(&record),
            pidfd: Arc::clone(&pidfd),
            ended,
            released: AtomicBool::new(false),
        });
        let launcher = self.clone();
        tokio::spawn(async move {
            let exit = reap(&pidfd, child, &record).await;
            launcher.close_logs(&record.log_dir);
            launcher.forget(&record);
            // Nobody may be left who wants to know.
            let _ = tell.send(Some(exit));
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
    /// Ends the process of a record with its tree, if it is still there, and removes the record.
    pub async fn put_down(&self, record: Record) {
        let spec = Spec::new("stray", Policy::default(), Probe::Process, Arc::new(Nothing));
        if let Ok(process) = self.adopt(&spec, record).await {
            process.kill();
            process.ended().await;
        }
    }
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

/// Waits for the end of a process, ends what is left of its group and says how it exited. A process that is
/// no child of ours (it was adopted) does not tell.
async fn reap(pidfd: &AsyncFd<OwnedFd>, child: Option<Child>, record: &Record) -> Exit {
    // An error can only mean that the reactor is gone, and with it this task.
    let _ = pidfd.readable().await;
    let Ok(group) = pid_of(record.identity.pid) else {
        return Exit::Unknown;
    };
    // The leader is not reaped yet, so its id cannot belong to another group.
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let exit = child.map_or(Exit::Unknown, status);
    let swept = async {
        let mut pause = Duration::from_millis(1);
        while rustix::process::test_kill_process_group(group).is_ok() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    };
    // What is left after SIGKILL hangs in the kernel; it is not worth holding up the next run.
    let _ = tokio::time::timeout(SWEEP, swept).await;
    exit
}

/// Reaps a child that has ended.
fn status(mut child: Child) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        },
        Err(_) => Exit::Unknown,
    }
}

#[derive(Debug)]
struct LocalProcess {
    record: Arc<Record>,
    probe: Probe,
    pidfd: Arc<AsyncFd<OwnedFd>>,
    ended: watch::Receiver<Option<Exit>>,
    released: AtomicBool,
}

impl LocalProcess {
    /// Signals the leader through its pidfd, which never reaches another process, and then its group, which
    /// keeps the leader's id to itself for as long as the leader is not reaped.
    fn signal(&self, signals: &[Signal]) {
        if self.ended.borrow().is_some() {
            return;
        }
        for signal in signals {
            let leader = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), *signal);
            if leader.is_ok()
                && let Ok(group) = pid_of(self.record.identity.pid)
            {
                // Without effect until the gate has made its session; the leader has the signal then.
                let _ = rustix::process::kill_process_group(group, *signal);
            }
        }
    }
}

impl Process for LocalProcess {
    fn record(&self) -> &Record {
        &self.record
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(exit) => exit.unwrap_or(Exit::Unknown),
                Err(_) => Exit::Unknown,
            }
        }
        .boxed()
    }

    fn probe(&self, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>> {
        let Record { id, nonce, port, uid, .. } = &*self.record;
        let (probe, target) = (self.probe.clone(), Target { id: *id, nonce: nonce.clone(), port: *port });
        let own_port = port.zip(*uid);
        async move {
            probe::ask(&probe, &target, timeout).await?;
            match own_port {
                Some((port, uid)) => listened_on_by(port, uid).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn terminate(&self) {
        // A stopped process only sees SIGTERM once it is continued.
        self.signal(&[Signal::TERM, Signal::CONT]);
    }

    fn kill(&self) {
        self.signal(&[Signal::KILL]);
    }

    fn release(&self) {
        self.released.store(true, Ordering::Relaxed);
    }

    fn stderr_tail(&self) -> BoxFuture<'static, String> {
        let path: PathBuf = self.record.log_dir.join("stderr.log");
        let from = self.record.stderr_from;
        async move {
            let read = tokio::task::spawn_blocking(move || logs::tail(&path, from, STDERR_TAIL)).await;
            // A log that cannot be read says nothing; the exit itself is reported all the same.
            read.ok().and_then(Result::ok).unwrap_or_default()
        }
        .boxed()
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        if !self.released.load(Ordering::Relaxed) {
            self.kill();
        }
    }
}

/// Whoever answered has to be of the instance's own user, or it may be anybody.
async fn listened_on_by(port: u16, uid: u32) -> Result<(), Missed> {
    let asked = tokio::task::spawn_blocking(move || listener::on(port)).await;
    match asked {
        Ok(Ok(listeners)) if !listener::is_alone(&listeners, uid) => {
            Err(Missed(format!("a process of another user listens on port {port}")))
        }
        // Where the kernel does not tell, the echo of the nonce is what there is.
        Ok(_) | Err(_) => Ok(()),
    }
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
        let lease_ends_at = spec.lease_ends_at;
        async move {
            let spawner = launcher.clone();
            let spawned = tokio::task::spawn_blocking(move || {
                let plan = planner.plan(&launch)?;
                spawner.spawn(launch, &plan, lease_ends_at)
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
                    launcher.close_logs(&record.log_dir);
                    launcher.forget(&record);
                    Err(LaunchError::System { what: "watching the process", source })
                }
            }
        }
        .boxed()
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
            let present = open_pidfd(record.identity.pid).ok().filter(|_| record.identity.is_present());
            let Some(pidfd) = present else {
                launcher.forget(&record);
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
