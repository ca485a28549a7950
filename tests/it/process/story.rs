//! The life of one server as a person sees it, from its creation to the end of its lease.

use crate::ground::{ended, is_alive, signal};

use super::{Daemon, id, is_free, pid};

#[tokio::test]
async fn a_server_outlives_kills_of_itself_and_of_the_daemon_and_leaves_nothing_when_its_lease_ends() {
    let mut daemon = Daemon::start().await;
    let made = ["create", "everything", "--name", "demo", "--ttl", "30m", "--wait", "--json"];
    let made = daemon.cli(&made).await.json();
    let id = id(&made);
    assert_eq!(made["status"], "running");
    let tools = daemon.cli(&["tools", "demo", "--json"]).await.json();
    let tools: Vec<&str> =
        tools["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(tools.contains(&"echo"), "{tools:?}");
    let echo = async |daemon: &Daemon, text: &str| {
        let said = daemon.cli(&["call", "demo", "echo", "--arg", &format!("message={text}")]).await;
        assert_eq!(said.done(), format!("Echo: {text}\n"));
    };
    echo(&daemon, "hello").await;

    // Its process is killed, and another takes its place and its port.
    signal(pid(&made), "KILL");
    let back = daemon.until(&id, |now| now["generation"] == 2 && now["status"] == "running").await;
    assert_ne!(back["process_id"], made["process_id"]);
    assert_eq!(back["assigned_port"], made["assigned_port"]);
    assert_eq!((&back["last_exit"]["signal"], &back["restarts"]["total"]), (&9.into(), &1.into()));
    echo(&daemon, "again").await;

    // The daemon is killed, and the next one finds the process where it was.
    daemon.kill();
    assert!(is_alive(pid(&back)));
    daemon.cli(&["ls"]).await.refused(1, &["no daemon can be reached", "minimcp serve"]);
    daemon.serve().await;
    let adopted = daemon.status(&id, "running").await;
    for kept in ["process_id", "assigned_port", "generation", "access_url", "expires_at"] {
        assert_eq!(adopted[kept], back[kept], "{kept} of {adopted}");
    }
    assert!(back["restored_at"].is_null() && adopted["restored_at"].is_string());
    assert_eq!(daemon.servers(), [pid(&adopted)]);
    let kept = std::fs::read_to_string(daemon.data().join("tokens").join(&id)).unwrap();
    assert_eq!(kept.trim(), made["access_token"], "the token is the one that was given at first");
    echo(&daemon, "still here").await;

    // The lease ends.
    daemon.cli(&["extend", "demo", "--ttl", "1s"]).await.done();
    let expired = daemon.status(&id, "expired").await;
    assert!(expired["stopped_at"].is_string() && expired["process_id"].is_null());
    assert!(expired["assigned_port"].is_null() && expired["direct_url"].is_null());
    ended(pid(&adopted)).await;
    assert_eq!(daemon.servers(), [0; 0]);
    assert!(is_free(&adopted["assigned_port"]));
    assert_eq!(daemon.records(), [""; 0].map(std::path::PathBuf::from));
    daemon.cli(&["call", "demo", "echo", "--arg", "message=x"]).await.refused(1, &["lease", "is over"]);
    daemon.cli(&["restart", "demo"]).await.refused(1, &["lease_ended", "minimcp create"]);

    // Once deleted, nothing of it is left in the data directory.
    daemon.cli(&["rm", "demo", "--yes"]).await.done();
    let left = |dir: &std::path::Path| {
        let listing =
            std::process::Command::new("find").arg(dir).args(["-name", &format!("*{id}*")]).output().unwrap();
        String::from_utf8(listing.stdout).unwrap()
    };
    assert_eq!(left(&daemon.data()), "");
    assert_eq!(daemon.cli(&["ls", "--json"]).await.json()["items"], serde_json::json!([]));
    assert!(daemon.terminate().await.success());
    assert!(!daemon.data().join("daemon.url").exists());
}

#[tokio::test]
async fn a_port_that_the_kernel_chose_is_told_to_whoever_asks() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    daemon.any_port();
    daemon.serve().await;
    let url = std::fs::read_to_string(daemon.data().join("daemon.url")).unwrap();
    assert!(!url.trim().ends_with(":0"), "{url}");
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    assert_eq!(made["access_url"], format!("{}/i/{}/mcp", url.trim(), id(&made)));
}
