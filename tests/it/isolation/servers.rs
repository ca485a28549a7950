//! Servers as a daemon starts them: isolated as far as the machine allows, and none the worse for it.

use serde_json::{Value, json};

use super::status;
use crate::process::{Daemon, id, pid};

fn uid(instance: &Value) -> String {
    status(pid(instance), "Uid").split('\t').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_server_of_a_daemon_is_isolated_and_says_how() {
    let daemon = Daemon::start().await;
    let mut machine = daemon.get("/v1/system/isolation").await.json();
    assert_eq!(machine["level"], "strong", "{machine:#}");
    // Who keeps its limits an instance says with its limits.
    machine.as_object_mut().unwrap().remove("control_groups").unwrap();
    assert!(
        machine["layers"].as_array().unwrap().iter().all(|layer| layer["in_force"] == true),
        "{machine:#}"
    );
    daemon.faulty("plain", &["env"]).await;
    let mut made = Vec::new();
    for (mcp_type, name) in [("plain", "one"), ("plain", "two"), ("everything", "three")] {
        let instance = daemon.running(mcp_type, name).await;
        assert_eq!(instance["isolation"], machine, "each has what the daemon says it has");
        let pid = pid(&instance);
        let (uid, gid) = (status(pid, "Uid"), status(pid, "Gid"));
        assert!(uid == gid && uid.split('\t').all(|one| one == uid.split('\t').next().unwrap()), "{uid}");
        for (field, value) in [
            ("Groups", ""),
            ("CapEff", "0000000000000000"),
            ("CapBnd", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert_eq!(status(pid, field), value, "{field} of {name}");
        }
        made.push(instance);
    }
    let mut uids: Vec<String> = made.iter().map(uid).collect();
    uids.dedup();
    assert_eq!(uids.len(), 3);
    let called = daemon.cli(&["call", "three", "echo", "--arg", "message=hello"]).await.done();
    assert!(called.contains("hello"), "{called:?}");

    let first = &made[0];
    let before = uid(first);
    daemon.send("POST", &format!("/v1/instances/{}/restart", id(first)), None).await;
    let again = daemon.until(&id(first), |now| now["generation"] == 2 && now["status"] == "running").await;
    assert_eq!(uid(&again), before, "it keeps its user");
    let stopped = daemon.send("POST", &format!("/v1/instances/{}/stop", id(first)), None).await.json();
    daemon.status(&id(&stopped), "stopped").await;
    assert_eq!(daemon.get(&format!("/v1/instances/{}", id(first))).await.json()["isolation"], json!(null));
}
