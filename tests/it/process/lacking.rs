//! A machine that lacks what servers need, or loses it while they run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use super::{Daemon, id, pid};
use crate::ground::{node, signal};

#[tokio::test]
async fn without_node_starts_fail_by_name_what_runs_goes_on_and_all_is_well_once_it_is_back() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    let programs = daemon.dir.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let link = programs.join("node");
    symlink(node(), &link).unwrap();
    daemon.environment("PATH", programs.to_str());
    daemon.serve().await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;

    fs::remove_file(&link).unwrap();
    let refused = daemon.send("POST", "/v1/instances?wait=running", Some(json!({"mcp_type": "plain"}))).await;
    assert!(matches!(refused.status, 422 | 502), "{refused:?}");
    assert!(refused.text.contains("node"), "it says what is missing: {refused:?}");
    assert_eq!(daemon.status(&id(&made), "running").await["process_id"], made["process_id"]);
    let mut doctor = daemon.cli_with(&[("PATH", programs.to_str().unwrap())], &["doctor"]).await;
    assert!(doctor.out.contains("node") || doctor.err.contains("node"), "{doctor:?}");

    // A Node that is none, or one that is too old to know what it is given.
    fs::write(&link, "#!/bin/sh\necho \"node: bad option: --import\" >&2\nexit 9\n").unwrap();
    fs::set_permissions(&link, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = daemon.send("POST", "/v1/instances?wait=running", Some(json!({"mcp_type": "plain"}))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (502, &"start_failed".into()));
    assert!(refused.text.contains("bad option"), "with the last words of the program: {refused:?}");
    assert_eq!(daemon.servers(), [pid(&made)], "and nothing is left of it");

    fs::remove_file(&link).unwrap();
    symlink(node(), &link).unwrap();
    let second = daemon.running("plain", "two").await;
    assert_eq!(second["generation"], 1);
    doctor = daemon.cli_with(&[("PATH", programs.to_str().unwrap())], &["doctor"]).await;
    assert!(doctor.out.contains("node"), "{doctor:?}");
}

#[tokio::test]
async fn a_type_cannot_be_removed_while_it_runs_and_its_servers_come_back_all_the_same() {
    let daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    let refused = daemon.send("DELETE", "/v1/types/plain", None).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &"type_in_use".into()));
    signal(pid(&made), "KILL");
    daemon.until(&id(&made), |now| now["generation"] == 2 && now["status"] == "running").await;
    daemon.cli(&["rm", "one", "--yes"]).await.done();
    assert_eq!(daemon.send("DELETE", "/v1/types/plain", None).await.status, 204);
}
