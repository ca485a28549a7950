//! What a child gets, and that nothing is left of it.

use std::net::TcpListener;
use std::path::Path;

use minimcp_actors::message::Refused;
use minimcp_actors::state::{Command, Exit, Run, Status};

use crate::ground::{Ground, ended, get, is_alive, signal};

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

/// Descriptors of this program that lead below the directory or to one of these processes. Other tests have theirs.
fn descriptors_about(dir: &Path, pids: &[u32]) -> Vec<String> {
    let about = |entry: std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).ok()?;
        let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
        let info = std::fs::read_to_string(info).unwrap_or_default();
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
        let ours = target.starts_with(dir) || pid.is_some_and(|pid| pids.contains(&pid));
        ours.then(|| format!("{} {pid:?}", target.display()))
    };
    std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(about).collect()
}

#[tokio::test]
async fn fifty_starts_and_stops_leave_nothing_behind() {
    // A soak sets more.
    let rounds = std::env::var("MINIMCP_TEST_ROUNDS").map_or(50, |text| text.parse().unwrap());
    let ground = Ground::new().await;
    let sleeper = || {
        let probe = minimcp_actors::launch::Probe::Process;
        ground.spec("/bin/sleep".into(), vec!["1000".into()], probe)
    };
    let mut pids = Vec::new();
    for _ in 0..rounds {
        let child = ground.running(sleeper()).await;
        pids.push(child.pid.unwrap());
        ground.actors.remove(child.id).await.unwrap();
    }
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(descriptors_about(ground.dir.path(), &pids), [""; 0]);
    assert_eq!(std::fs::read_dir(ground.path("run")).unwrap().count(), 0);
    assert_eq!(ground.launcher.cgroups().present().len(), 0);
    assert_eq!(ground.actors.actors().iter().filter(|actor| actor.kind == "instance").count(), 0);
    ground.leave(false).await;
}
