//! The same daemon on PostgreSQL.

use minimcp::store::Location;
use sea_orm::{ConnectionTrait, Database};

use crate::ground::signal;
use crate::store::scratch::Place;

use super::{Daemon, id, pid};

#[tokio::test]
async fn on_postgresql_a_server_survives_the_daemon_and_lost_connections_lose_nothing() {
    let place = Place::postgres().await;
    let Location::Postgres(url) = place.location.clone() else {
        panic!("{:?} is no PostgreSQL", place.location)
    };
    let mut daemon = Daemon::with(&[], &[("MINIMCP_DATABASE_URL", &url)]).await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    assert!(!daemon.data().join("minimcp.db").exists());

    // All connections of the daemon are cut off, and its server is killed at the same time.
    let admin = Database::connect(&url).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    admin.execute_unprepared(cut).await.unwrap();
    signal(pid(&made), "KILL");
    let back = daemon.until(&id(&made), |now| now["generation"] == 2 && now["status"] == "running").await;
    daemon.until_ready().await;
    daemon.cli(&["extend", "one", "--ttl", "2h"]).await.done();
    let second = daemon.running("plain", "two").await;
    admin.execute_unprepared(cut).await.unwrap();
    admin.close().await.unwrap();

    daemon.kill();
    daemon.serve().await;
    let adopted = daemon.status(&id(&made), "running").await;
    for kept in ["process_id", "assigned_port", "generation"] {
        assert_eq!(adopted[kept], back[kept], "{kept} of {adopted}");
    }
    assert_eq!(adopted["restarts"]["total"], 1);
    assert_eq!(daemon.status(&id(&second), "running").await["process_id"], second["process_id"]);

    daemon.cli(&["extend", "one", "--ttl", "1s"]).await.done();
    daemon.status(&id(&made), "expired").await;
    daemon.cli(&["rm", "two", "--yes"]).await.done();
    assert_eq!(daemon.servers(), [0; 0]);
    assert!(daemon.terminate().await.success());
    place.remove().await;
}
