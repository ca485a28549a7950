//! A database and a master key that do not belong together.

use std::collections::BTreeMap;
use std::path::Path;

use minimcp::vault::MasterKey;

use crate::ground::is_alive;

use super::{Daemon, id, pid};

/// Every file of the data directory with its bytes. Left out is what holds no data: the lock, the index of the
/// database's log, in which readers leave marks, and a log that is empty.
fn files(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.metadata().unwrap().is_file() && name != "lock" && !name.ends_with("-shm") {
            files.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    if files.get("minimcp.db-wal").is_some_and(Vec::is_empty) {
        files.remove("minimcp.db-wal");
    }
    files
}

/// Tries to start the daemon and answers what it says about why it does not.
async fn refusal(daemon: &Daemon) -> String {
    let output = tokio::process::Command::from(daemon.serve_command()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn without_the_right_master_key_the_daemon_says_which_it_needs_and_changes_nothing() {
    let (right, wrong) = ("01".repeat(32), "02".repeat(32));
    let key_id = |text: &str| MasterKey::parse(text).unwrap().id().to_string();
    let mut daemon = Daemon::with(&[], &[("MINIMCP_MASTER_KEY", &right)]).await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    // Killed, so that the newest rows are in the log of the database only.
    daemon.kill();
    let before = files(&daemon.data());
    assert!(before["minimcp.db-wal"].len() > 4096);

    daemon.environment("MINIMCP_MASTER_KEY", Some(&wrong));
    let words = refusal(&daemon).await;
    assert!(words.contains(&key_id(&right)) && words.contains(&key_id(&wrong)), "{words}");
    assert!(!words.contains(&right) && !words.contains(&wrong), "{words}");
    assert!(files(&daemon.data()) == before, "a file has changed");

    daemon.environment("MINIMCP_MASTER_KEY", None);
    let words = refusal(&daemon).await;
    assert!(words.contains(&key_id(&right)) && words.contains("master.key"), "{words}");
    assert!(files(&daemon.data()) == before, "a file has changed, or a key was made beside the database");

    daemon.environment("MINIMCP_MASTER_KEY", Some("not a key"));
    let words = refusal(&daemon).await;
    assert!(words.contains("MINIMCP_MASTER_KEY") && !words.contains("not a key"), "{words}");
    assert!(files(&daemon.data()) == before, "a file has changed");
    assert!(is_alive(pid(&made)), "the servers of the last daemon are nobody's to end");

    daemon.environment("MINIMCP_MASTER_KEY", Some(&right));
    daemon.serve().await;
    assert_eq!(daemon.status(&id(&made), "running").await["process_id"], made["process_id"]);
}

#[tokio::test]
async fn a_database_that_was_closed_well_is_not_touched_for_a_wrong_key_either() {
    let mut daemon = Daemon::start().await;
    let right = std::fs::read_to_string(daemon.data().join("master.key")).unwrap();
    assert!(daemon.terminate().await.success());
    let before = files(&daemon.data());
    assert!(!before.contains_key("minimcp.db-wal"), "everything is in the database itself");
    let wrong = "03".repeat(32);
    daemon.environment("MINIMCP_MASTER_KEY", Some(&wrong));
    let words = refusal(&daemon).await;
    let needed = MasterKey::parse(right.trim()).unwrap().id().to_string();
    assert!(words.contains(&needed), "{words}");
    assert!(files(&daemon.data()) == before, "a file has changed");
}

#[tokio::test]
async fn the_environment_of_the_daemon_shows_no_master_key() {
    let (key, previous) = ("5c".repeat(32), "6d".repeat(32));
    let variables =
        [("MINIMCP_MASTER_KEY", key.as_str()), ("MINIMCP_MASTER_KEYS_PREVIOUS", previous.as_str())];
    let daemon = Daemon::with(&[], &variables).await;
    let environment = std::fs::read(format!("/proc/{}/environ", daemon.pid())).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.contains("MINIMCP_MASTER_KEY="), "{environment}");
    assert!(!environment.contains(&key) && !environment.contains(&previous), "{environment}");
}
