//! How the daemon ends when it is asked to, and what its servers do then.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::Instant;

use crate::ground::is_alive;

use super::{Daemon, id, pid};

#[tokio::test]
async fn a_daemon_that_is_asked_to_end_takes_its_servers_along_and_brings_them_back() {
    let mut daemon = Daemon::with(&["grace=500ms"], &[]).await;
    daemon.faulty("plain", &["ok"]).await;
    daemon.faulty("stubborn", &["stubborn"]).await;
    let (plain, stubborn) =
        (daemon.running("plain", "plain").await, daemon.running("stubborn", "stubborn").await);
    let stopped = daemon.running("plain", "stopped").await;
    daemon.cli(&["stop", "stopped", "--wait"]).await.done();
    let rested = daemon.get(&format!("/v1/instances/{}", id(&stopped))).await.json();

    let asked = Instant::now();
    assert!(daemon.terminate().await.success());
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(500), "one of them needed its whole grace: {took:?}");
    assert!(took < Duration::from_secs(10), "and nothing waited much longer: {took:?}");
    assert_eq!(daemon.servers(), [0; 0]);
    assert!(daemon.records().is_empty());
    assert!(!daemon.data().join("daemon.url").exists());

    daemon.serve().await;
    for before in [plain, stubborn] {
        let now = daemon.status(&id(&before), "running").await;
        assert_eq!(now["generation"], 2);
        assert_ne!(now["process_id"], before["process_id"]);
        assert_eq!(now["access_url"], before["access_url"]);
    }
    let rests = daemon.get(&format!("/v1/instances/{}", id(&stopped))).await.json();
    for kept in ["status", "status_reason", "generation", "last_exit"] {
        assert_eq!(rests[kept], rested[kept], "{kept} of {rests}");
    }
    let micros = |time: &Value| time.as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_micros();
    for kept in ["started_at", "stopped_at"] {
        assert_eq!(micros(&rests[kept]), micros(&rested[kept]), "{kept}");
    }
    let events = daemon.cli(&["events", "--json"]).await.done();
    let stops =
        events.lines().filter(|event| event.contains(&id(&stopped)) && event.contains("\"to\":\"stopped\""));
    assert_eq!(stops.count(), 1, "nothing happened to it: {events}");
}

#[tokio::test]
async fn servers_that_are_to_be_kept_go_on_while_the_daemon_is_exchanged() {
    let mut daemon = Daemon::with(&["on-shutdown=keep"], &[]).await;
    daemon.faulty("plain", &["ok"]).await;
    let before = daemon.running("plain", "one").await;
    assert!(daemon.terminate().await.success());
    assert_eq!(daemon.servers(), [pid(&before)]);
    daemon.serve().await;
    let after = daemon.status(&id(&before), "running").await;
    for kept in ["process_id", "assigned_port", "generation"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert!(after["restored_at"].is_string());
}

#[tokio::test]
async fn survivors_are_replaced_where_that_is_asked_for() {
    let mut daemon = Daemon::with(&["on-restart=replace"], &[]).await;
    daemon.faulty("plain", &["ok"]).await;
    let before = daemon.running("plain", "one").await;
    daemon.kill();
    daemon.serve().await;
    let after = daemon.until(&id(&before), |now| now["generation"] == 2 && now["status"] == "running").await;
    assert!(!is_alive(pid(&before)));
    assert_eq!(daemon.servers(), [pid(&after)]);
}

#[tokio::test]
async fn a_second_daemon_on_the_same_data_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    let url = std::fs::read_to_string(daemon.data().join("daemon.url")).unwrap();
    let second = tokio::process::Command::from(daemon.serve_command()).output().await.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let words = String::from_utf8(second.stderr).unwrap();
    assert!(words.contains("another daemon uses") && words.contains("--data-dir"), "{words}");
    assert!(second.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(daemon.data().join("daemon.url")).unwrap(), url);
    assert_eq!(daemon.status(&id(&made), "running").await["process_id"], made["process_id"]);
}

#[tokio::test]
async fn a_second_signal_ends_the_daemon_at_once_and_the_next_one_finds_what_is_left() {
    let mut daemon = Daemon::with(&["grace=600s"], &[]).await;
    daemon.faulty("stubborn", &["stubborn"]).await;
    let before = daemon.running("stubborn", "one").await;
    daemon.signal("TERM");
    daemon.logged("\"msg\":\"ending\"").await;
    assert!(is_alive(daemon.pid()), "it gives its servers their time");
    daemon.terminate().await;
    assert!(is_alive(pid(&before)));
    daemon.serve().await;
    let after = daemon.status(&id(&before), "running").await;
    assert_eq!(daemon.servers(), [pid(&after)]);
    // Its grace is longer than any test.
    daemon.kill();
}
