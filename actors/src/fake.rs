//! A scripted launcher, so that tests can drive the real actors through hours in milliseconds.
//!
//! Only for paused time: nothing here touches a process, a port or a file. A [`Script`] says what each run of
//! an instance does; a test may also act on a run by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use uuid::Uuid;

use crate::launch::{Identity, Launch, LaunchError, Launcher, Missed, Plan, Process, Reach, Record, Spec};
use crate::state::{Exit, Run};

/// What one run does.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::fake::Script;
/// use minimcp_actors::state::Exit;
///
/// let crashes = Script { exit_after: Some((Duration::from_secs(1), Exit::Code(3))), ..Script::default() };
/// assert!(crashes.ready_after.is_some(), "it serves for a second");
/// ```
#[derive(Debug, Clone)]
pub struct Script {
    /// From launch until probes are answered; `None` for never.
    pub ready_after: Option<Duration>,
    /// From launch until it exits by itself.
    pub exit_after: Option<(Duration, Exit)>,
    /// From SIGTERM until it exits; `None` if it ignores it.
    pub ends_within: Option<Duration>,
    /// The launch fails with these words; with `true` for good.
    pub launch_fails: Option<(String, bool)>,
    /// Asking it for its health panics, as a bug of ours would.
    pub probe_panics: bool,
}

impl Default for Script {
    /// Ready after 10 ms, ends within 10 ms, lives for ever.
    fn default() -> Self {
        Self {
            ready_after: Some(Duration::from_millis(10)),
            exit_after: None,
            ends_within: Some(Duration::from_millis(10)),
            launch_fails: None,
            probe_panics: false,
        }
    }
}

/// A plan for what nothing executes.
#[must_use]
pub fn plan() -> Plan {
    Plan {
        program: "/nonexistent".into(),
        args: Vec::new(),
        env: Vec::new(),
        sealed: Vec::new(),
        cwd: "/".into(),
        log_dir: "/".into(),
        reach: Reach::default(),
    }
}

type Play = Box<dyn Fn(&Launch) -> Script + Send + Sync>;

/// Launches nothing and says that it did.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use minimcp_actors::fake::{FakeLauncher, Script};
/// use minimcp_actors::launch::{Plan, Probe, Reach, Spec};
/// use minimcp_actors::policy::Policy;
/// use minimcp_actors::state::{Command, Run, Status};
/// use minimcp_actors::{ActorThread, Config};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let launcher = FakeLauncher::new(|_| Script::default());
/// let (supervision, actors) = ActorThread::spawn(Config::default(), Arc::new(launcher.clone())).await?;
/// let plan = Plan {
///     program: "/bin/nothing".into(),
///     args: Vec::new(),
///     env: Vec::new(),
///     sealed: Vec::new(),
///     cwd: "/".into(),
///     log_dir: "/".into(),
///     reach: Reach::default(),
/// };
/// let spec = Spec::new("example", Policy::default(), Probe::Process, Arc::new(plan));
/// let id = spec.id;
/// supervision.create(spec).await?;
/// let patience = Duration::from_secs(10);
/// supervision.wait_until(id, patience, |now| now.status == Status::Running).await;
/// launcher.exit(id, Run(1), minimcp_actors::state::Exit::Code(3));
/// let (back, _) = supervision.wait_until(id, patience, |now| now.run == Run(2)).await.ok_or("it is known")?;
/// assert_eq!(back.last_exit.as_ref().map(|last| last.exit), Some(minimcp_actors::state::Exit::Code(3)));
/// supervision.order(id, Command::Stop).await?;
/// supervision.wait_until(id, patience, |now| now.status == Status::Stopped).await;
/// assert_eq!(launcher.live(), []);
/// supervision.shutdown(false).await;
/// actors.stop().await?;
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct FakeLauncher {
    play: Arc<Play>,
    stage: Arc<Mutex<Stage>>,
}

#[derive(Default)]
struct Stage {
    live: HashMap<(Uuid, Run), Arc<FakeProcess>>,
    launches: Vec<(Uuid, Run)>,
    most_at_once: HashMap<Uuid, usize>,
    next_pid: u32,
}

impl std::fmt::Debug for FakeLauncher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeLauncher").finish_non_exhaustive()
    }
}

impl FakeLauncher {
    /// Asks `play` what each run does.
    pub fn new(play: impl Fn(&Launch) -> Script + Send + Sync + 'static) -> Self {
        Self { play: Arc::new(Box::new(play)), stage: Arc::default() }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every launch so far, in order.
    #[must_use]
    pub fn launches(&self) -> Vec<(Uuid, Run)> {
        self.stage().launches.clone()
    }

    /// Runs that live at present.
    #[must_use]
    pub fn live(&self) -> Vec<(Uuid, Run)> {
        self.stage().live.keys().copied().collect()
    }

    /// The most processes any one instance ever had at once.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.stage().most_at_once.values().copied().max().unwrap_or(0)
    }

    /// Ends a live run, as if it had exited by itself.
    pub fn exit(&self, id: Uuid, run: Run, exit: Exit) {
        let process = self.stage().live.get(&(id, run)).cloned();
        if let Some(process) = process {
            process.end(exit);
        }
    }

    /// Makes a live run miss its probes from now on, or answer them again.
    pub fn answer(&self, id: Uuid, run: Run, well: bool) {
        if let Some(process) = self.stage().live.get(&(id, run)) {
            process.state.send_modify(|state| state.well = well);
        }
    }

    fn enter(&self, launch: Launch, script: Script) -> Arc<dyn Process> {
        let mut stage = self.stage();
        stage.next_pid += 1;
        let record = Record {
            id: launch.id,
            run: launch.run,
            identity: Identity { pid: stage.next_pid, start_ticks: 0, boot_id: "fake".into() },
            port: launch.port,
            nonce: launch.nonce,
            started_at: Utc::now(),
            log_dir: "/nonexistent".into(),
            stderr_from: 0,
            uid: None,
            isolation: None,
            alarm_at: None,
            cgroups: Vec::new(),
            piped: false,
        };
        let process = Arc::new(FakeProcess {
            key: (launch.id, launch.run),
            record,
            script: script.clone(),
            state: watch::Sender::new(FakeState { exit: None, up: false, well: true }),
            stage: Arc::clone(&self.stage),
        });
        stage.live.insert(process.key, Arc::clone(&process));
        let at_once = stage.live.keys().filter(|(id, _)| *id == launch.id).count();
        let most = stage.most_at_once.entry(launch.id).or_default();
        *most = (*most).max(at_once);
        drop(stage);
        let playing = Arc::clone(&process);
        tokio::spawn(async move {
            if let Some(after) = script.ready_after {
                tokio::time::sleep(after).await;
                playing.state.send_modify(|state| state.up = true);
            }
        });
        if let Some((after, exit)) = script.exit_after {
            let playing = Arc::clone(&process);
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                playing.end(exit);
            });
        }
        process
    }
}

impl Launcher for FakeLauncher {
    fn launch(&self, _: &Spec, launch: Launch) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let fake = self.clone();
        async move {
            fake.stage().launches.push((launch.id, launch.run));
            let script = (fake.play)(&launch);
            match script.launch_fails.clone() {
                Some((words, true)) => Err(LaunchError::Unstartable(words)),
                Some((words, false)) => {
                    Err(LaunchError::System { what: "starting", source: std::io::Error::other(words) })
                }
                None => Ok(fake.enter(launch, script)),
            }
        }
        .boxed()
    }

    fn adopt(&self, _: &Spec, record: Record) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let fake = self.clone();
        async move {
            let launch = Launch { id: record.id, run: record.run, port: record.port, nonce: record.nonce };
            let script = (fake.play)(&launch);
            if script.launch_fails.is_some() {
                return Err(LaunchError::Gone { pid: record.identity.pid });
            }
            Ok(fake.enter(launch, script))
        }
        .boxed()
    }
}

#[derive(Debug, Clone, Copy)]
struct FakeState {
    exit: Option<Exit>,
    up: bool,
    well: bool,
}

struct FakeProcess {
    key: (Uuid, Run),
    record: Record,
    script: Script,
    state: watch::Sender<FakeState>,
    stage: Arc<Mutex<Stage>>,
}

impl FakeProcess {
    fn end(&self, exit: Exit) {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).live.remove(&self.key);
        self.state.send_if_modified(|state| {
            let first = state.exit.is_none();
            state.exit.get_or_insert(exit);
            first
        });
    }
}

impl Process for FakeProcess {
    fn record(&self) -> &Record {
        &self.record
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let mut state = self.state.subscribe();
        async move {
            match state.wait_for(|state| state.exit.is_some()).await {
                Ok(state) => state.exit.unwrap_or(Exit::Unknown),
                Err(_) => Exit::Unknown,
            }
        }
        .boxed()
    }

    #[expect(clippy::panic, reason = "that is what the script asks for")]
    fn probe(&self, _: Duration) -> BoxFuture<'static, Result<(), Missed>> {
        if self.script.probe_panics {
            panic!("planted by the script");
        }
        let state = *self.state.borrow();
        let answer = if state.up && state.well { Ok(()) } else { Err(Missed("scripted".into())) };
        async move { answer }.boxed()
    }

    fn terminate(&self) {
        if let Some(within) = self.script.ends_within {
            let (state, stage, key) = (self.state.clone(), Arc::clone(&self.stage), self.key);
            tokio::spawn(async move {
                tokio::time::sleep(within).await;
                stage.lock().unwrap_or_else(PoisonError::into_inner).live.remove(&key);
                state.send_modify(|state| {
                    state.exit.get_or_insert(Exit::Code(0));
                });
            });
        }
    }

    fn kill(&self) {
        self.end(Exit::Signal(9));
    }

    fn release(&self) {}

    fn stderr_tail(&self) -> BoxFuture<'static, String> {
        async { String::new() }.boxed()
    }
}
