//! The drill: a backup is made from a daemon that runs, and becomes its database again.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::Daemon;
use super::rotation::{contents, fill};

async fn names(daemon: &Daemon) -> Vec<String> {
    let page = daemon.get("/v1/credentials?limit=500").await.json();
    let items = page["items"].as_array().unwrap();
    let mut names: Vec<String> = items
        .iter()
        .inspect(|set| assert_eq!(set["unreadable"], Value::Null, "{set}"))
        .map(|set| set["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn files(data: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("minimcp.db")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_becomes_the_database_again_with_its_key_and_not_without() {
    let mut daemon = Daemon::with(&[], &[]).await;
    daemon
        .add_type(
            "name = \"keyed\"\ndisplay_name = \"Keyed\"\nserver_script = \"faulty/index.mjs\"\n\
             [credential_fields]\nrequired = [\"api_key\"]\n",
        )
        .await;
    daemon.kill();
    fill(&daemon.data(), 20).await;
    let expected = contents(&daemon.data()).await;
    daemon.serve().await;

    let file = daemon.dir.path().join("o'clock.db");
    let backup = file.to_str().unwrap().to_owned();
    let said = daemon.cli(&["backup", &backup]).await;
    assert!(said.err.contains("master.key"), "{said:?}");
    said.done();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        !std::fs::read(&file).unwrap().windows(8).any(|bytes| bytes == b"set 0007\""),
        "secrets stay encrypted"
    );
    let made = std::fs::read(&file).unwrap();
    daemon.cli(&["backup", &backup]).await.refused(1, &["is there already"]);

    let late = json!({"mcp_type": "keyed", "name": "late", "fields": {"api_key": "x"}});
    assert_eq!(daemon.send("POST", "/v1/credentials", Some(late)).await.status, 201);
    assert_eq!(names(&daemon).await.len(), 21);
    daemon.cli(&["restore", "--backup", &backup]).await.refused(1, &["another daemon", "stop"]);
    assert!(daemon.terminate().await.success());

    // A wrong key, a damaged copy and a forged one change nothing.
    let key = daemon.data().join("master.key");
    let right = std::fs::read(&key).unwrap();
    let before = files(&daemon.data());
    let database = std::fs::read(daemon.data().join("minimcp.db")).unwrap();
    std::fs::write(&key, "ab".repeat(32)).unwrap();
    daemon.cli(&["restore", "--backup", &backup]).await.refused(1, &["does not open this database"]);
    std::fs::remove_file(&key).unwrap();
    daemon.cli(&["restore", "--backup", &backup]).await.refused(1, &["no master key"]);
    assert!(!key.exists(), "no key is made");
    std::fs::write(&key, &right).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let broken = daemon.dir.path().join("broken.db");
    std::fs::write(&broken, &made[..made.len() / 2]).unwrap();
    daemon.cli(&["restore", "--backup", broken.to_str().unwrap()]).await.refused(1, &["broken.db"]);
    std::fs::write(&broken, "").unwrap();
    daemon.cli(&["restore", "--backup", broken.to_str().unwrap()]).await.refused(1, &["broken.db"]);
    let forged = daemon.dir.path().join("forged.db");
    std::fs::write(&forged, &made).unwrap();
    let sql = sea_orm::Database::connect(format!("sqlite:{}", forged.display())).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&sql, "UPDATE users SET max_instances = 9").await.unwrap();
    sql.close().await.unwrap();
    daemon
        .cli(&["restore", "--backup", forged.to_str().unwrap()])
        .await
        .refused(1, &["changed by something else"]);
    assert_eq!(files(&daemon.data()), before);
    assert!(std::fs::read(daemon.data().join("minimcp.db")).unwrap() == database);

    let said = daemon.cli(&["restore", "--backup", &backup, "--json"]).await.json();
    let aside = said["moved_aside"].as_str().unwrap();
    assert!(std::fs::read(aside).unwrap() == database, "the one before is whole");
    assert!(std::fs::read(&file).unwrap() == made, "the backup is as it was");
    assert!(contents(&daemon.data()).await == expected);
    daemon.serve().await;
    assert!(!names(&daemon).await.contains(&"late".to_owned()));
    assert_eq!(names(&daemon).await.len(), 20);
}

#[tokio::test]
async fn a_database_of_another_kind_is_left_to_its_own_tools() {
    let daemon = Daemon::unstarted(&[], &[]);
    let url = [("MINIMCP_DATABASE_URL", "postgres://127.0.0.1:1/none")];
    let file = daemon.dir.path().join("copy.db");
    daemon.cli_with(&url, &["backup", file.to_str().unwrap()]).await.refused(1, &["pg_dump"]);
    assert!(!file.exists());
    daemon.cli(&["backup", file.to_str().unwrap()]).await.refused(1, &["no database", "--data-dir"]);
    assert!(!file.exists());
}
