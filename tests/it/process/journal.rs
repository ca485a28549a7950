//! A database that is out of reach for a while.

use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use serde_json::Value;

use crate::ground::{PATIENCE, signal};

use super::{Daemon, id, pid};

#[tokio::test]
async fn while_the_database_is_locked_a_crashed_server_comes_back_and_afterwards_the_rows_say_so() {
    let mut daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;

    let url = format!("sqlite://{}", daemon.data().join("minimcp.db").display());
    let mut options = ConnectOptions::new(url);
    let locker = Database::connect(options.max_connections(1).to_owned()).await.unwrap();
    locker.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();

    signal(pid(&made), "KILL");
    let back = daemon.until(&id(&made), |now| now["generation"] == 2 && now["status"] == "running").await;
    // The daemon first gives the other program a few seconds to be done.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let told = async {
        loop {
            let readiness = daemon.get("/readyz").await;
            let parts = readiness.json()["parts"].clone();
            let journal =
                parts.as_array().and_then(|parts| parts.iter().find(|part| part["name"] == "journal"));
            let detail = journal.and_then(|journal| journal["detail"].as_str()).unwrap_or_default();
            if readiness.status == 503 && detail.contains("wait for the store") {
                return;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the journal is told to wait");
    // What cannot be written down is not promised either.
    let refused = daemon.send("POST", &format!("/v1/instances/{}/stop", id(&made)), None).await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"store_unavailable".into()));
    assert_eq!(daemon.status(&id(&made), "running").await["process_id"], back["process_id"]);

    locker.execute_unprepared("COMMIT").await.unwrap();
    locker.close().await.unwrap();
    daemon.until_ready().await;
    let told = daemon.cli(&["events", "--json"]).await.done();
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<&str> = events.iter().filter_map(|event| event["to"].as_str()).collect();
    assert!(statuses.ends_with(&["running", "restarting", "starting", "running"]), "{statuses:?}");
    // The rows hold it: the next daemon knows of the second run.
    daemon.terminate().await;
    daemon.serve().await;
    let next = daemon.status(&id(&made), "running").await;
    assert_eq!(next["generation"], 3);
    assert_eq!(next["last_exit"]["cause"], "daemon_shutdown");
}
