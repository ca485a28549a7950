//! The causes of the integration guide's troubleshooting page, each brought about, and what `diagnose` advises.

use minimcp::http::Bounds;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::ground::PATIENCE;

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
    let diagnosis = daemon.get(&format!("/v1/instances/{id}/diagnose"), &daemon.admin).await.json();
    let steps =
        diagnosis["next_steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned());
    (steps.collect::<Vec<_>>().join("\n"), diagnosis)
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
