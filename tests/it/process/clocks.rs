//! Clocks of the machine that somebody sets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::time::Instant;

use super::{Daemon, id};

/// The library that makes a program see other times than there are.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists()).expect("libfaketime is there; install the package faketime")
}

/// Sets the wall clock of the daemon, from one moment to the next.
fn set(file: &Path, days: i64) {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, format!("{days:+}d\n")).unwrap();
    std::fs::rename(draft, file).unwrap();
}

#[tokio::test]
async fn a_lease_is_kept_to_the_second_while_the_wall_clock_is_set_by_four_hundred_days() {
    let mut daemon = Daemon::unstarted(&["max-lease=1000d", "grace=500ms"], &[]);
    let file = daemon.dir.path().join("time");
    set(&file, 0);
    daemon.environment("LD_PRELOAD", library().to_str());
    daemon.environment("FAKETIME_TIMESTAMP_FILE", file.to_str());
    daemon.environment("FAKETIME_DONT_FAKE_MONOTONIC", Some("1"));
    daemon.environment("FAKETIME_NO_CACHE", Some("1"));
    daemon.serve().await;
    daemon.light().await;
    let mut shown_days = 0;
    for (days, seconds) in [(400, 4), (0, 5), (-400, 4)] {
        let wall = Utc::now() + TimeDelta::days(shown_days);
        let lease = Duration::from_secs(seconds);
        let body = json!({"mcp_type": "light", "expires_at": (wall + lease).to_rfc3339()});
        let begun = Instant::now();
        let made = daemon.send("POST", "/v1/instances?wait=running", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        set(&file, days);
        shown_days = days;
        let ended = daemon.status(&id(&made), "expired").await;
        let took = begun.elapsed();
        assert!(
            took + Duration::from_secs(1) > lease && took < lease + Duration::from_secs(1),
            "{took:?} of {lease:?}, set to {days} days"
        );
        let stopped: DateTime<Utc> = ended["stopped_at"].as_str().unwrap().parse().unwrap();
        let apart = (stopped - Utc::now() - TimeDelta::days(days)).abs();
        assert!(apart < TimeDelta::minutes(1), "the clock was really set: {stopped}");
    }
    assert_eq!(daemon.servers(), [0; 0]);
    assert!(daemon.log().contains("the wall clock was set"), "{}", daemon.log());
}

#[tokio::test]
async fn a_lease_that_ended_while_the_daemon_was_away_ends_at_its_return() {
    let mut daemon = Daemon::start().await;
    daemon.light().await;
    let (short, long) = (daemon.running("light", "short").await, daemon.running("light", "long").await);
    daemon.cli(&["extend", "short", "--ttl", "4s"]).await.done();
    let until = Utc::now() + TimeDelta::seconds(4);
    daemon.kill();
    crate::ground::eventually("the lease is over", || Utc::now() > until).await;
    assert!(crate::ground::is_alive(super::pid(&short)), "nobody was there to end it");
    daemon.serve().await;
    daemon.status(&id(&short), "expired").await;
    assert_eq!(daemon.servers(), [super::pid(&long)]);
}
