//! What becomes of a server that died: brought back by itself, or by its owner.

use crate::ground::{ended, signal};

use super::{Daemon, id, pid};

#[tokio::test]
async fn what_died_while_the_daemon_was_down_is_told_to_be_disconnected_and_then_brought_back() {
    let mut daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let (lost, kept) = (daemon.running("plain", "lost").await, daemon.running("plain", "kept").await);
    daemon.kill();
    signal(pid(&lost), "KILL");
    ended(pid(&lost)).await;
    daemon.serve().await;

    let back = daemon.until(&id(&lost), |now| now["generation"] == 2 && now["status"] == "running").await;
    assert!(back["restored_at"].is_string(), "{back}");
    let other = daemon.status(&id(&kept), "running").await;
    assert_eq!((&other["process_id"], &other["generation"]), (&kept["process_id"], &1.into()));
    let said = daemon.cli(&["events", "--json"]).await.done();
    let of = |instance: &serde_json::Value| -> Vec<String> {
        let events = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events
            .filter(|event| event["instance_id"] == instance["id"])
            .map(|event| event["to"].to_string())
            .collect()
    };
    assert!(of(&lost).contains(&"\"disconnected\"".to_owned()), "{said}");
    assert!(!of(&kept).contains(&"\"disconnected\"".to_owned()), "{said}");

    // What runs cannot be restored, only restarted.
    daemon.cli(&["restore", "lost"]).await.refused(1, &["not_disconnected", "minimcp restart"]);
    let refused = daemon.send("POST", &format!("/v1/instances/{}/restore", id(&lost)), None).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &"not_disconnected".into()));
}

#[tokio::test]
async fn a_server_that_keeps_crashing_is_given_up_and_comes_back_by_hand_once_it_is_mended() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/faulty/index.mjs");
    let marks = daemon.dir.path().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let broken = marks.join("broken");
    daemon.environment("MINIMCP_ISOLATION_READABLE", marks.to_str());
    daemon.serve().await;
    let line = format!(
        "test ! -e {} || {{ echo out of order >&2; exit 3; }}; exec node {script} ok",
        broken.display()
    );
    daemon
        .add_type(&format!(
            "name = \"mendable\"\ndisplay_name = \"Mendable\"\ncommand = \"/bin/sh\"\nargs = [\"-c\", {line:?}]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\n"
        ))
        .await;
    let made = daemon.running("mendable", "mine").await;
    std::fs::write(&broken, "").unwrap();
    signal(pid(&made), "KILL");
    let given_up = daemon.status(&id(&made), "disconnected").await;
    assert_eq!(given_up["last_exit"]["code"], 3);
    assert!(given_up["process_id"].is_null() && daemon.servers().is_empty());
    let diagnosis = daemon.cli(&["diagnose", "mine"]).await.done();
    assert!(diagnosis.contains("out of order") && diagnosis.contains("restore"), "{diagnosis}");

    // Not mended yet, it is given up again, and whoever waits is told.
    daemon.cli(&["restore", "mine", "--wait"]).await.refused(1, &["it is disconnected", "minimcp diagnose"]);
    std::fs::remove_file(&broken).unwrap();
    let said = daemon.cli(&["restore", "mine", "--wait"]).await.done();
    assert!(said.contains("is running"), "{said}");
    let back = daemon.status(&id(&made), "running").await;
    assert!(back["restored_at"].is_string());
    assert_eq!(daemon.servers(), [pid(&back)]);
}
