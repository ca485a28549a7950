//! What a child gets, and that nothing is left of it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use minimcp_actors::launch::Probe;
use minimcp_actors::message::Refused;
use minimcp_actors::state::{Command, Exit, Run, Status};

use crate::ground::{Ground, ended, eventually, get, is_alive, signal};
use crate::tree::processes_of;

#[tokio::test]
async fn a_child_leads_its_own_session_and_sees_nothing_of_the_daemons_environment() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["env"])).await;
    let (pid, port) = (child.pid.unwrap(), child.port.unwrap());
    let told = get(port, "/env").await;
    assert_eq!((&told["pid"], &told["pgid"], &told["sid"]), (&pid.into(), &pid.into(), &pid.into()));
    assert_eq!(told["cwd"], ground.path("home").to_str().unwrap());
    assert_eq!(told["umask"], 0o077);
    let mut names: Vec<&str> = told["env"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["GREETING", "MCP_ID", "MCP_NONCE", "PORT"]);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_stop_leaves_no_process_no_port_and_no_record() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["ok"])).await;
    let (pid, port) = (child.pid.unwrap(), child.port.unwrap());
    ground.actors.order(child.id, Command::Stop).await.unwrap();
    let stopped = ground.status(child.id, Status::Stopped).await;
    assert_eq!((stopped.pid, stopped.port), (None, None));
    assert!(!is_alive(pid));
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    assert_eq!(std::fs::read_dir(ground.path("run")).unwrap().count(), 0);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_killed_child_is_replaced_on_the_same_port() {
    let ground = Ground::new().await;
    let first = ground.running(ground.faulty(&["ok"])).await;
    signal(first.pid.unwrap(), "KILL");
    let second = ground.until(first.id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_ne!(second.pid, first.pid);
    assert_eq!(second.port, first.port);
    assert_eq!(second.last_exit.as_ref().map(|last| last.exit), Some(Exit::Signal(9)));
    ground.leave(false).await;
}

#[tokio::test]
async fn children_of_a_child_go_with_it() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["escape"])).await;
    let log = ground.log("stdout.log");
    let told = log.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).unwrap();
    let pids = ["sleeping", "stubborn"].map(|name| u32::try_from(told[name].as_u64().unwrap()).unwrap());
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    signal(child.pid.unwrap(), "KILL");
    for pid in pids {
        ended(pid).await;
    }
    ground.leave(false).await;
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_after_its_grace() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["stubborn"])).await;
    ground.actors.order(child.id, Command::Stop).await.unwrap();
    let stopped = ground.status(child.id, Status::Stopped).await;
    assert_eq!(stopped.last_exit.as_ref().map(|last| last.exit), Some(Exit::Signal(9)));
    assert!(!is_alive(child.pid.unwrap()));
    ground.leave(false).await;
}

#[tokio::test]
async fn a_port_range_that_is_used_up_refuses_and_a_released_port_is_given_again() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let ground = Ground::with(|config| config.ports = free..=free).await;
    let first = ground.running(ground.faulty(&["ok"])).await;
    assert_eq!(first.port, Some(free));
    let second = ground.faulty(&["ok"]);
    assert_eq!(ground.actors.create(second.clone()).await, Err(Refused::PortsExhausted(1)));
    assert!(ground.actors.registry().get(second.id).is_none());
    ground.actors.remove(first.id).await.unwrap();
    assert_eq!(ground.running(second).await.port, Some(free));
    ground.leave(false).await;
}

/// Set for a copy of this program that runs one test alone: descriptors are of a whole program.
const ALONE: &str = "MINIMCP_TEST_ALONE";

/// Runs the test in a program of its own.
fn alone(test: &str) {
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    let output = program.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Every file and directory below this one.
fn names_in(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let below = if path.is_dir() { names_in(&path) } else { BTreeSet::new() };
            below.into_iter().chain([path])
        })
        .collect()
}

#[test]
fn fifty_starts_and_stops_leave_nothing_behind() {
    if std::env::var_os(ALONE).is_none() {
        return alone("children::fifty_starts_and_stops_leave_nothing_behind");
    }
    // A soak sets more.
    let rounds = std::env::var("MINIMCP_TEST_ROUNDS").map_or(50, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(starts_and_stops(rounds));
}

async fn starts_and_stops(rounds: usize) {
    // With one port, one that is not given back is missed by the next that wants it.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let ground = Ground::with(|config| config.ports = port..=port).await;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut ids = Vec::new();
    let (mut open, mut files) = (0, BTreeSet::new());
    for round in 0..rounds {
        let spec = if round % 10 == 0 {
            ground.faulty(&["ok"])
        } else {
            ground.spec("/bin/sleep".into(), vec!["1000".into()], Probe::Process)
        };
        ids.push(spec.id);
        let child = ground.running(spec).await;
        ground.actors.remove(child.id).await.unwrap();
        if round == 10 {
            // By now everything is open that stays so.
            (open, files) = (descriptors(), names_in(ground.dir.path()));
        }
    }
    // Some are closed a moment after the order was carried out.
    eventually("no descriptor is left", || descriptors() <= open).await;
    let running = ids.iter().flat_map(|id| processes_of(*id));
    assert_eq!(running.collect::<Vec<_>>(), [0; 0], "processes are left");
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    assert_eq!(names_in(ground.dir.path()), files);
    assert_eq!(std::fs::read_dir(ground.path("run")).unwrap().count(), 0);
    let groups = ground.launcher.cgroups().present();
    let ours = |name: &&String| ids.iter().any(|id| name.starts_with(&id.to_string()));
    assert_eq!(groups.keys().find(ours), None, "a control group is left");
    assert_eq!(ground.actors.actors().iter().filter(|actor| actor.kind == "instance").count(), 0);
    ground.leave(false).await;
}
