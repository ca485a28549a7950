//! How the daemon learns of ends that are not those of its children, what becomes of what nobody waits for, and how
//! it ends in the middle of things.

use crate::ground::{eventually, is_alive, signal};

use super::{Daemon, id, pid};

/// The processes with this parent: id, state and program of each.
fn children(parent: u32) -> Vec<(u32, char, String)> {
    let parse = |entry: std::fs::DirEntry| {
        let line = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (before, after) = line.rsplit_once(')')?;
        let (pid, name) = before.split_once(" (")?;
        let mut fields = after.split_ascii_whitespace();
        let (state, of) = (fields.next()?.chars().next()?, fields.next()?);
        (of == parent.to_string()).then_some((pid.parse().ok()?, state, name.to_owned()))
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(parse).collect()
}

#[tokio::test]
async fn a_later_daemon_tells_how_a_server_ended_that_it_did_not_start() {
    let mut daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let before = daemon.running("plain", "one").await;
    daemon.kill();
    daemon.serve().await;
    let adopted = daemon.status(&id(&before), "running").await;
    assert_eq!(adopted["process_id"], before["process_id"]);
    signal(pid(&before), "KILL");
    let after = daemon.until(&id(&before), |now| now["generation"] == 2 && now["status"] == "running").await;
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let told = (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 15);
    let signal = if told { 9.into() } else { serde_json::Value::Null };
    assert_eq!(after["last_exit"]["signal"], signal, "{after:#}");
}

#[tokio::test]
async fn what_a_server_leaves_behind_comes_to_the_daemon_and_is_no_zombie_when_it_ends() {
    let mut daemon = Daemon::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/faulty/index.mjs");
    // The shell in between is gone at once; what it started lives a little longer.
    let line = format!("(setsid sleep 2 &); exec node {script} ok");
    daemon
        .add_type(&format!(
            "name = \"leaver\"\ndisplay_name = \"Leaver\"\ncommand = \"/bin/sh\"\nargs = [\"-c\", {line:?}]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\n"
        ))
        .await;
    let made = daemon.running("leaver", "one").await;
    let of_daemon = || children(daemon.pid());
    let is_orphan = |name: &str| name == "sleep";
    eventually("it comes to the daemon", || of_daemon().iter().any(|(_, _, name)| is_orphan(name))).await;
    eventually("it is reaped", || {
        of_daemon().iter().all(|(_, state, name)| *state != 'Z' && !is_orphan(name))
    })
    .await;
    assert!(is_alive(pid(&made)), "the server goes on");
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn a_signal_in_the_middle_of_a_storm_of_starts_leaves_nothing() {
    let mut daemon = Daemon::with(&["grace=500ms", "max-concurrent-starts=4"], &[]).await;
    daemon.faulty("plain", &["late", "300"]).await;
    for _ in 0..16 {
        let made = daemon.send("POST", "/v1/instances", Some(serde_json::json!({"mcp_type": "plain"}))).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    eventually("some have a process", || daemon.servers().len() >= 2).await;
    assert!(daemon.terminate().await.success());
    assert_eq!(daemon.servers(), [0; 0]);
    assert!(daemon.records().is_empty());
}

#[tokio::test]
async fn a_second_signal_in_the_middle_of_a_storm_ends_at_once_and_the_next_daemon_has_one_process_each() {
    let mut daemon = Daemon::with(&["grace=600s", "max-concurrent-starts=4"], &[]).await;
    daemon.faulty("stubborn", &["stubborn"]).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        let made =
            daemon.send("POST", "/v1/instances", Some(serde_json::json!({"mcp_type": "stubborn"}))).await;
        ids.push(id(&made.json()));
    }
    eventually("some have a process", || daemon.servers().len() >= 2).await;
    daemon.signal("TERM");
    eventually("the daemon begins to end", || daemon.log().contains("\"msg\":\"ending\"")).await;
    daemon.terminate().await;
    daemon.serve().await;
    let mut pids = Vec::new();
    for id in ids {
        pids.push(pid(&daemon.status(&id, "running").await));
    }
    pids.sort_unstable();
    let mut servers = daemon.servers();
    servers.sort_unstable();
    assert_eq!(servers, pids);
    // Its grace is longer than any test.
    daemon.kill();
}
