//! The causes of the integration guide's troubleshooting page, each brought about, and what `diagnose` advises. That a
//! vendor refuses a key is brought about with our own servers in `process/servers.rs`.

mod disconnected;
mod loud;
mod slow;

use std::net::TcpListener;
use std::time::Duration;

use minimcp::http::Bounds;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::ground::{PATIENCE, own_ports};
use crate::shell::Shell;

/// What is found now.
async fn diagnosis(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&format!("/v1/instances/{id}/diagnose"), &daemon.admin).await.json()
}

/// What is found once it is this.
async fn found(daemon: &Daemon, id: &str, is_this: impl Fn(&Value) -> bool) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let looking = async {
        loop {
            let found = diagnosis(daemon, id).await;
            if is_this(&found) {
                return found;
            }
            ticks.tick().await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => panic!("never found; at last {:#}", diagnosis(daemon, id).await),
    }
}

fn steps(diagnosis: &Value) -> String {
    let steps = diagnosis["next_steps"].as_array().unwrap().iter();
    steps.map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// One of its checks.
fn check<'a>(diagnosis: &'a Value, name: &str) -> &'a Value {
    let all = diagnosis["checks"].as_array().unwrap();
    all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {diagnosis:#}"))
}

/// What is advised for servers of a program that runs these words in a shell and is never ready.
async fn advice(daemon: &Daemon, name: &str, line: &str) -> (String, Value) {
    daemon
        .add_type(&json!({
            "name": name, "display_name": name, "command": "/bin/sh", "args": ["-c", line],
            "health_check": {"kind": "http", "endpoint": "/health", "start_timeout_seconds": 30}
        }))
        .await;
    let body = json!({"mcp_type": name, "restart": {"policy": "temporary"}});
    let made = daemon.post("/v1/instances", &daemon.admin, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let id: uuid::Uuid = made.json()["id"].as_str().unwrap().parse().unwrap();
    let ended = daemon.supervision.wait_until(id, PATIENCE, |snapshot| snapshot.status.is_ended()).await;
    assert!(ended.unwrap().1);
    let diagnosis = diagnosis(daemon, &id.to_string()).await;
    (steps(&diagnosis), diagnosis)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_usual_reason_for_which_a_server_does_not_start_gets_its_own_advice() {
    let daemon = Daemon::with(&["http.max-creations=0"], Bounds::default()).await;
    let node = crate::ground::node();
    let node = node.display();
    for (name, line, advised) in [
        (
            "occupied",
            format!(
                "exec {node} -e \"const n = require('net'); n.createServer().listen(process.env.PORT, '127.0.0.1', () => \
                 n.createServer().listen(process.env.PORT, '127.0.0.1'))\""
            ),
            "its port was in use",
        ),
        (
            "unauthorized",
            "echo 'HttpError: Bad credentials (401)' >&2; exit 1".to_owned(),
            "refused its credentials",
        ),
        ("incomplete", format!("exec {node} -e \"require('a-module-that-nobody-has')\""), "is not installed"),
        ("forbidden", "exec /etc/hostname".to_owned(), "may not read, write or run"),
    ] {
        let (steps, diagnosis) = advice(&daemon, name, &line).await;
        assert!(steps.contains(advised), "{name}: {diagnosis:#}");
        assert_eq!(
            (&diagnosis["healthy"], &diagnosis["status"]),
            (&json!(false), &json!("failed")),
            "{name}"
        );
    }
    let (steps, _) = advice(&daemon, "silent", "exit 3").await;
    for advised in ["port was in use", "refused its credentials", "not installed", "may not read"] {
        assert!(!steps.contains(advised), "nothing is guessed: {steps}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_strangers_have_every_port_it_is_said_that_the_range_is_full_and_the_doctor_counts_it() {
    let port = *own_ports().start();
    let daemon = Daemon::with(&[&format!("ports={port}-{port}")], Bounds::default()).await;
    let made = daemon.running(&daemon.faulty(&["ok"]).await, &daemon.admin).await;
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/instances/{id}");
    daemon.post(&format!("{path}/stop"), &daemon.admin, &json!({})).await;
    found(&daemon, id, |found| found["status"] == "stopped").await;
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    daemon.post(&format!("{path}/restart"), &daemon.admin, &json!({})).await;
    let without = found(&daemon, id, |found| found["status"] == "disconnected").await;
    assert!(steps(&without).starts_with("every port that the daemon may give"), "{without:#}");
    assert_eq!(check(&without, "process")["ok"], false);
    let set = format!("ports={port}-{port}");
    let said = Shell::of(&daemon, &daemon.admin).with("MINIMCP_PORTS", &set[6..]).run("doctor --json").await;
    let doctor: Value = serde_json::from_str(&said.out).unwrap();
    let ports = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "ports").unwrap();
    assert_eq!(
        (&ports["level"], &ports["detail"]),
        (&json!("fail"), &json!(format!("0 of 1 free in {port}-{port}")))
    );
    assert!(ports["mend"].as_str().unwrap().contains("--set ports="), "{ports}");
    drop(stranger);
    daemon.post(&format!("{path}/restore"), &daemon.admin, &json!({})).await;
    found(&daemon, id, |found| found["healthy"] == true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_or_may_not_be_run_is_said_to_be_what_is_missing() {
    let daemon = Daemon::start().await;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("server");
    std::fs::write(&program, "#!/bin/sh\nexec true\n").unwrap();
    for (name, command) in [("absent", dir.path().join("absent")), ("not-executable", program)] {
        daemon.add_type(&json!({"name": name, "display_name": name, "command": command, "args": []})).await;
        let refused =
            daemon.post("/v1/instances?wait=running", &daemon.admin, &json!({"mcp_type": name})).await;
        assert!(refused.status.is_client_error() || refused.status.is_server_error(), "{refused:?}");
        assert!(refused.text.contains("was not found or cannot be executed"), "{name}: {refused:?}");
    }
}
