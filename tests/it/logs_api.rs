//! Logs while a server runs, after its lease, and after its instance; and what it used over time.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use chrono::{TimeDelta, Utc};
use minimcp::http::Bounds;
use minimcp::store::Role;
use minimcp::trends::series::Point;
use minimcp_actors::state::Status;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::daemon::Daemon;
use crate::ground::{PATIENCE, eventually};

/// A server that says some lines and then serves.
async fn talking(daemon: &Daemon) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/faulty/index.mjs");
    let line = format!(
        "for n in 1 2 3; do echo \"{{\\\"level\\\":\\\"info\\\",\\\"message\\\":\\\"step $n\\\"}}\"; done; \
         echo '{{\"level\":\"warn\",\"message\":\"slow\"}}'; echo 'plain words'; exec node {script} ok"
    );
    daemon
        .add_type(&json!({
            "name": "talking", "display_name": "Talking", "command": "/bin/sh", "args": ["-c", line],
            "health_check": {"kind": "http", "endpoint": "/health", "start_timeout_seconds": 30}
        }))
        .await;
    "talking".into()
}

/// An instance that comes to its end by its lease.
async fn expired(daemon: &Daemon, token: &str, mcp_type: &str) -> Uuid {
    let running = daemon.running(mcp_type, token).await;
    let id: Uuid = running["id"].as_str().unwrap().parse().unwrap();
    let soon = json!({"expires_at": Utc::now() + TimeDelta::seconds(1)});
    let extended = daemon.post(&format!("/v1/instances/{id}/extend"), token, &soon).await;
    assert_eq!(extended.status, StatusCode::OK, "{extended:?}");
    let over = daemon.supervision.wait_until(id, PATIENCE, |snapshot| snapshot.status == Status::Expired);
    assert!(over.await.unwrap().1);
    id
}

async fn logs(daemon: &Daemon, id: Uuid, token: &str, query: &str) -> String {
    let answer = daemon.get(&format!("/v1/instances/{id}/logs?stream=stdout&{query}"), token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.text
}

fn archive(daemon: &Daemon, user: Uuid, id: Uuid) -> PathBuf {
    daemon.settings.data_dir.join(format!("archive/user_{user}/mcp_{id}_talking"))
}

async fn archived(daemon: &Daemon, token: &str) -> Value {
    daemon.get("/v1/me", token).await.json()["archived_logs"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_filtered_put_away_after_the_lease_and_gone_with_the_instance() {
    let daemon = Daemon::start().await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let mcp_type = talking(&daemon).await;
    let user = daemon.owner(&una).await;
    let id = expired(&daemon, &una, &mcp_type).await;
    let to = archive(&daemon, user, id);
    let live = daemon.settings.data_dir.join(format!("logs/users/user_{user}/mcp_{id}_talking"));
    eventually("the logs are put away", || to.is_dir() && !live.exists()).await;

    assert!(logs(&daemon, id, &una, "").await.contains("plain words\n"));
    let grep = logs(&daemon, id, &una, "grep=step&tail=2").await;
    assert_eq!(grep.lines().count(), 2, "{grep}");
    assert!(grep.contains("step 2") && grep.contains("step 3"), "{grep}");
    let warn = logs(&daemon, id, &una, "level=warn").await;
    assert_eq!(warn.lines().collect::<Vec<_>>(), ["{\"level\":\"warn\",\"message\":\"slow\"}"]);
    for query in ["level=loud", "grep=", &format!("grep={}", "x".repeat(201))] {
        let answer = daemon.get(&format!("/v1/instances/{id}/logs?{query}"), &una).await;
        assert_eq!(answer.code(), "invalid_query", "{query}");
    }
    // What was put away is told to its end.
    let followed =
        daemon.get(&format!("/v1/instances/{id}/logs?stream=stdout&follow=true&grep=plain"), &una).await;
    assert!(followed.text.contains("plain words"), "{followed:?}");
    let other = daemon.get(&format!("/v1/instances/{id}/logs"), &ugo).await;
    assert_eq!(other.code(), "instance_not_found");

    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&to.join("stdout.log.gz"))), (0o700, 0o600));
    let usage = archived(&daemon, &una).await;
    assert_eq!((&usage["instances"], &usage["retention_days"]), (&json!(1), &json!(30)));
    assert!(usage["bytes"].as_u64().unwrap() > 0 && usage["quota_bytes"] == 256 << 20, "{usage}");
    assert_eq!(archived(&daemon, &ugo).await["bytes"], 0);

    let deleted = daemon.send(daemon.request(Method::DELETE, &format!("/v1/instances/{id}"), &una)).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert!(!to.exists());
    assert_eq!(archived(&daemon, &una).await["instances"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_quota_of_a_user_the_oldest_archive_goes() {
    let daemon = Daemon::with(&["logs.quota-mb=1"], Bounds::default()).await;
    let una = daemon.user("una", Role::User).await;
    let user = daemon.owner(&una).await;
    let mcp_type = talking(&daemon).await;
    // What an earlier instance left, which fills the quota: random bytes do not get smaller.
    let old = archive(&daemon, user, Uuid::now_v7());
    std::fs::create_dir_all(&old).unwrap();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 20).collect();
    std::fs::write(old.join("stdout.log.gz"), noise).unwrap();
    assert_eq!(archived(&daemon, &una).await["instances"], 1);
    let id = expired(&daemon, &una, &mcp_type).await;
    let new = archive(&daemon, user, id);
    eventually("the new one is there and the old one is not", || new.is_dir() && !old.exists()).await;
    assert!(logs(&daemon, id, &una, "").await.contains("plain words"));
}

#[tokio::test(flavor = "multi_thread")]
async fn live_logs_are_filtered_too() {
    let daemon = Daemon::start().await;
    let mcp_type = talking(&daemon).await;
    let running = daemon.running(&mcp_type, &daemon.admin).await;
    let id: Uuid = running["id"].as_str().unwrap().parse().unwrap();
    let grep = logs(&daemon, id, &daemon.admin, "grep=step%201").await;
    assert_eq!(grep.lines().count(), 1, "{grep}");
    assert_eq!(logs(&daemon, id, &daemon.admin, "level=info&tail=100").await.lines().count(), 4);
    let both = logs(&daemon, id, &daemon.admin, "level=info&grep=slow").await;
    assert_eq!(both.lines().count(), 1, "{both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trends_come_at_the_resolution_that_reaches_back_and_outlive_the_measurements() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let running = daemon.running(&mcp_type, &daemon.admin).await;
    let id: Uuid = running["id"].as_str().unwrap().parse().unwrap();
    let now = Utc::now();
    let earlier = |minutes: i64| {
        let at = (now - TimeDelta::minutes(minutes)).timestamp();
        let at = at - at.rem_euclid(60);
        Point {
            at,
            samples: 12,
            cpu_percent: 10.0,
            cpu_percent_max: 90.0,
            memory_kib: 1_024,
            memory_kib_max: 2_048,
            processes: 2,
            health: None,
        }
    };
    // As a daemon that ran for some days left it.
    let minutes: Vec<(Uuid, Point)> = (0..200).map(|n| (id, earlier(5 + n * 17))).collect();
    daemon.store.add_trend_minutes(&minutes).await.unwrap();
    let stats = async |since: i64| {
        let since = (now - TimeDelta::minutes(since)).format("%Y-%m-%dT%H:%M:%SZ");
        daemon.get(&format!("/v1/instances/{id}/stats?since={since}"), &daemon.admin).await.json()
    };
    let day = stats(23 * 60).await;
    assert_eq!(day["resolution_seconds"], 60.0);
    let points = day["samples"].as_array().unwrap();
    assert!((80..=84).contains(&points.len()), "{}", points.len());
    assert_eq!((&points[0]["cpu_percent"], &points[0]["cpu_percent_max"]), (&json!(10.0), &json!(90.0)));
    assert_eq!(
        (&points[0]["memory_bytes"], &points[0]["memory_bytes_max"]),
        (&json!(1 << 20), &json!(2 << 20))
    );

    let days = stats(30 * 24 * 60).await;
    assert_eq!(days["resolution_seconds"], 900.0);
    let points = days["samples"].as_array().unwrap();
    assert!(points.len() > 170, "{}", points.len());
    let first: chrono::DateTime<Utc> = points[0]["at"].as_str().unwrap().parse().unwrap();
    assert!((now - first).num_hours() >= 55 && first.timestamp() % 900 == 0, "{first}");

    let recent = daemon.get(&format!("/v1/instances/{id}/stats"), &daemon.admin).await.json();
    assert_eq!(recent["resolution_seconds"], 0.2, "as it is measured here");
}
