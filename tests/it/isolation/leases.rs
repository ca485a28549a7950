//! The kernel sees to a lease where no daemon is left, and does not end what was extended.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use minimcp_actors::launch::isolation::Options;
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::Status;
use serde_json::json;

use super::{isolated, options, private_dir, record};
use crate::ground::{Ground, ended, is_alive};
use crate::process::{Daemon, pid};

/// Never gives the processor back by itself.
const BUSY: &str = "while :; do :; done";

async fn ground() -> Ground {
    let dir = Arc::new(private_dir());
    let second = Duration::from_secs(1);
    isolated(Arc::clone(&dir), Options { alarm_after: second, ..options(dir.path()) }).await
}

fn busy(ground: &Ground, lease: Duration) -> Spec {
    let spec = ground.spec("/bin/sh".into(), vec!["-c".into(), BUSY.into()], Probe::Process);
    Spec { lease_ends_at: Some(Utc::now() + lease), policy: Policy { overlap: true, ..spec.policy }, ..spec }
}

#[tokio::test]
async fn what_no_daemon_ends_is_ended_by_the_kernel_after_its_lease() {
    let ground = ground().await;
    let instance = ground.running(busy(&ground, Duration::from_secs(2))).await;
    let record = record(&ground, &instance);
    let pid = instance.pid.unwrap();
    // Nobody is there any more who would end it. Its directory stays: one of the same inode would take its control
    // group for one of its own that was left over.
    let _dir = ground.leave(true).await;
    assert!(is_alive(pid), "its lease is not over");
    ended(pid).await;
    let late = Utc::now() - record.alarm_at.unwrap();
    assert!(late >= chrono::TimeDelta::seconds(-1) && late < chrono::TimeDelta::seconds(5), "{late}");
}

#[tokio::test]
async fn a_run_whose_lease_was_extended_is_replaced_before_the_kernel_would_end_it() {
    let ground = ground().await;
    let first = ground.running(busy(&ground, Duration::from_secs(2))).await;
    let alarm_at = record(&ground, &first).alarm_at.unwrap();
    ground.actors.extend(first.id, Utc::now() + Duration::from_secs(600)).await.unwrap();
    let second = ground.until(first.id, |now| now.run.0 == 2 && now.status == Status::Running).await;
    assert!(Utc::now() < alarm_at, "in time");
    assert!(second.last_exit.is_none(), "the first run has not ended by itself: {second:#?}");
    let next_alarm_at = record(&ground, &second).alarm_at.unwrap();
    assert!(next_alarm_at > Utc::now() + Duration::from_secs(590), "{next_alarm_at}");
    ended(first.pid.unwrap()).await;
    assert_eq!(second.restarts, 1);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_and_kept_down_leaves_no_server_behind_its_lease() {
    let mut daemon = Daemon::with(&["isolation.alarm-after=1s"], &[]).await;
    daemon.faulty("busy", &["ok"]).await;
    let ends = Utc::now() + Duration::from_secs(4);
    let wanted = json!({"mcp_type": "busy", "expires_at": ends});
    let made = daemon.send("POST", "/v1/instances?wait=running", Some(wanted)).await.json();
    assert_eq!(made["status"], "running", "{made}");
    daemon.kill();
    assert!(is_alive(pid(&made)));
    ended(pid(&made)).await;
    assert!(Utc::now() >= ends);
}
