//! Real actors on real processes, without store and HTTP, in a directory that goes with the test.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use minimcp_actors::launch::cgroup::{Cgroups, Use};
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::Isolation;
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Probe, Reach, Spec};
use minimcp_actors::policy::{Policy, Timing};
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::Status;
use minimcp_actors::{ActorThread, Config, Supervision};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// Longer than anything here takes; reached only by a test that fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn unisolated() -> Isolation {
    Isolation::none("this test is about something else")
}

/// A place with actors of its own.
pub(crate) struct Ground {
    pub(crate) actors: Supervision,
    pub(crate) launcher: LocalLauncher,
    thread: Option<ActorThread>,
    pub(crate) dir: Arc<TempDir>,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::in_dir(Arc::new(tempfile::tempdir().unwrap()), |_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::in_dir(Arc::new(tempfile::tempdir().unwrap()), change).await
    }

    /// Actors whose runs have no control groups.
    pub(crate) async fn without_cgroups() -> Self {
        Self::grouped(Use::Off, Arc::new(tempfile::tempdir().unwrap()), |_| {}).await
    }

    /// Actors that find what earlier ones left in the directory.
    pub(crate) async fn in_dir(dir: Arc<TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        Self::around(dir, change, Use::Auto, unisolated()).await
    }

    /// The same, with processes that are isolated.
    pub(crate) async fn isolated(
        dir: Arc<TempDir>,
        change: impl FnOnce(&mut Config),
        isolation: Isolation,
    ) -> Self {
        Self::around(dir, change, Use::Auto, isolation).await
    }

    /// Actors whose runs are in control groups of this kind.
    pub(crate) async fn grouped(groups: Use, dir: Arc<TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        Self::around(dir, change, groups, unisolated()).await
    }

    async fn around(
        dir: Arc<TempDir>,
        change: impl FnOnce(&mut Config),
        groups: Use,
        isolation: Isolation,
    ) -> Self {
        let mut config =
            Config { sample_interval: Duration::from_millis(200), ports: own_ports(), ..Config::default() };
        change(&mut config);
        let gate = Gate::in_program(env!("CARGO_BIN_EXE_minimcp"));
        let logs = LogKeeper::start(Rotation::default(), config.log.clone()).unwrap();
        let runs = RunDir::open(dir.path().join("run")).unwrap();
        let cgroups = Cgroups::open(groups, None, runs.path());
        let launcher = LocalLauncher::new(gate, runs, logs, config.log.clone());
        let launcher = launcher.in_cgroups(cgroups).isolated(isolation);
        let (actors, thread) = ActorThread::spawn(config, Arc::new(launcher.clone())).await.unwrap();
        Self { actors, launcher, thread: Some(thread), dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A faulty server in this mode, asked for its health at `/health`.
    pub(crate) fn faulty(&self, mode: &[&str]) -> Spec {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers/faulty/index.mjs");
        let mut args = vec![script.to_str().unwrap().to_owned()];
        args.extend(mode.iter().map(ToString::to_string));
        self.spec(node(), args, Probe::Http { path: "/health".into() })
    }

    pub(crate) fn spec(&self, program: PathBuf, args: Vec<String>, probe: Probe) -> Spec {
        let plan = Plan {
            program,
            args,
            env: vec![("GREETING".to_owned(), "hello".to_owned().into())],
            sealed: Vec::new(),
            cwd: self.path("home"),
            log_dir: self.path("logs"),
            reach: Reach { readable: vec![own_servers()], writable: vec![self.path("home")] },
        };
        let timing = Timing {
            probe_interval: Duration::from_millis(200),
            grace: Duration::from_millis(500),
            ..Timing::default()
        };
        let policy = Policy { timing, ..Policy::default() };
        Spec::new("faulty", policy, probe, Arc::new(Echoing(plan)))
    }

    pub(crate) async fn until(&self, id: Uuid, reached: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let (snapshot, in_time) = self.actors.wait_until(id, PATIENCE, reached).await.expect("known");
        assert!(in_time, "not reached; it is {snapshot:#?}");
        snapshot
    }

    pub(crate) async fn status(&self, id: Uuid, status: Status) -> Arc<Snapshot> {
        self.until(id, |snapshot| snapshot.status == status).await
    }

    /// Creates the instance and waits until it runs.
    pub(crate) async fn running(&self, spec: Spec) -> Arc<Snapshot> {
        let id = spec.id;
        self.actors.create(spec).await.unwrap();
        let snapshot = self.status(id, Status::Running).await;
        assert_eq!(snapshot.run.0, 1, "its first start succeeds: {:#?}", snapshot.last_exit);
        snapshot
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("logs").join(name)).unwrap()
    }

    /// Ends the actors; with `keep` their processes live on.
    pub(crate) async fn leave(mut self, keep: bool) -> Arc<TempDir> {
        self.actors.shutdown(keep).await;
        let thread = self.thread.take().expect("a ground is left once");
        thread.stop().await.unwrap();
        self.launcher.close();
        Arc::clone(&self.dir)
    }
}

impl Drop for Ground {
    /// A test that failed leaves no process either.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.put_all_down();
            clear_cgroups(&self.path("run"));
            end_those_in(self.dir.path());
        }
    }
}

impl Ground {
    /// Ends what is recorded, with its trees. Whoever drops this may be in a runtime, which must not be blocked in.
    fn put_all_down(&self) {
        let Ok((records, _)) = RunDir::open(self.path("run")).and_then(|runs| runs.records()) else { return };
        let launcher = self.launcher.clone();
        let putting_down = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime
                .block_on(futures::future::join_all(records.into_iter().map(|one| launcher.put_down(one))));
        });
        // It may be what failed; what is left is ended after it in any case.
        let _ = putting_down.join();
    }
}

/// Kills whoever works in the directory or below it.
pub(crate) fn end_those_in(dir: &Path) {
    // What was forked while others were looked at is found by the next look.
    for _ in 0..100 {
        let works_there = |pid: &u32| {
            is_alive(*pid)
                && std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let there: Vec<u32> = pids.filter(works_there).collect();
        if there.is_empty() {
            return;
        }
        for pid in there {
            let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// Ends and removes the control groups of whoever kept their records here.
pub(crate) fn clear_cgroups(run_dir: &Path) {
    for groups in [Use::V2, Use::V1] {
        let cgroups = Cgroups::open(groups, None, run_dir);
        for dir in cgroups.present().into_values().flatten() {
            // The first is of v2, the others of v1: what forks for ever has to be stopped first.
            let _ = std::fs::write(dir.join("cgroup.kill"), "1");
            let _ = std::fs::write(dir.join("freezer.state"), "FROZEN");
            for pid in std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines() {
                let _ = std::process::Command::new("kill").args(["-KILL", pid]).status();
            }
            let _ = std::fs::write(dir.join("freezer.state"), "THAWED");
            // What was killed just now takes a moment; an empty directory that stays harms nobody.
            let _ = (0..1_000).any(|_| std::fs::remove_dir(&dir).is_ok() || !dir.exists());
        }
        cgroups.close();
    }
}

/// A plan that tells the process who it is, as the daemon's own plans do.
#[derive(Debug)]
struct Echoing(Plan);

impl Planner for Echoing {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        let mut plan = self.0.plan(launch)?;
        plan.env.push(("MCP_ID".into(), launch.id.to_string().into()));
        plan.env.push(("MCP_NONCE".into(), launch.nonce.clone().into()));
        Ok(plan)
    }
}

/// A directory that only its owner may enter, as a daemon makes its own.
pub(crate) fn private_dir() -> TempDir {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    tempfile::Builder::new().permissions(mode).tempdir().unwrap()
}

/// Ports that no other test of this run is given, below those that the kernel gives to connections.
pub(crate) fn own_ports() -> RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + 50 * NEXT.fetch_add(1, Ordering::Relaxed);
    first..=first + 49
}

/// Our own servers.
pub(crate) fn own_servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp-servers")
}

/// The Node program.
pub(crate) fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("node"))
        .find(|node| node.is_file())
        .expect("node is installed")
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
    })
}

/// Waits for what the kernel sends no event for.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let waiting = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not in time: {what}");
}

/// Waits for the end of a process that is no child of ours.
pub(crate) async fn ended(pid: u32) {
    eventually("the process ends", || !is_alive(pid)).await;
}

/// `GET path` of a server on this machine, as JSON.
pub(crate) async fn get(port: u16, path: &str) -> Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a whole answer").1).unwrap()
}

/// Sends a signal, named as kill(1) names it.
pub(crate) fn signal(pid: u32, name: &str) {
    let status =
        std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(status.success());
}
