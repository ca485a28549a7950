//! The daemon killed again and again under the load of many instances and steady writes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Caller, Daemon, id, rounds, written};

/// Instances that live through all of it.
const INSTANCES: usize = 50;
/// Between two writes.
const BEAT: Duration = Duration::from_millis(50);
/// From the readiness of a new daemon until everything is as it was.
const BACK: Duration = Duration::from_secs(5);

/// What has to stay of each instance.
fn kept(instance: &Value) -> (String, [Value; 3]) {
    let part = |name: &str| instance[name].clone();
    (id(instance), [part("process_id"), part("generation"), part("status")])
}

async fn instances(daemon: &Daemon) -> BTreeMap<String, [Value; 3]> {
    let list = daemon.get("/v1/instances?limit=500").await.json();
    list["items"].as_array().unwrap().iter().map(kept).collect()
}

/// Writes at a steady rate, and notes what was acknowledged, until it is dropped.
async fn steady(caller: &Caller, round: u64, acknowledged: &RefCell<Vec<String>>) {
    let mut ticks = tokio::time::interval(BEAT);
    for n in 0_u64.. {
        ticks.tick().await;
        let name = format!("w-{round}-{n}");
        if let Ok(answer) = caller.send("POST", "/v1/types", Some(written(&name))).await {
            assert_eq!(answer.status, 201, "{answer:?}");
            acknowledged.borrow_mut().push(name);
        }
    }
}

#[tokio::test]
async fn fifty_instances_and_all_that_was_written_survive_kills_of_the_daemon_under_load() {
    let rounds = rounds(5);
    let seed =
        std::env::var("MINIMCP_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut daemon = Daemon::with(&["quota.max-instances=1000", "quota.max-running=1000"], &[]).await;
    daemon.light().await;
    for _ in 0..INSTANCES {
        let body = json!({"mcp_type": "light", "expiration_minutes": 1_000});
        let made = daemon.send("POST", "/v1/instances?wait=running", Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let before = instances(&daemon).await;
    assert_eq!(before.len(), INSTANCES);
    let acknowledged = RefCell::new(Vec::new());
    let (mut total, mut slowest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let when = format!("round {round} of seed {seed}");
        let caller = daemon.caller();
        let moment = Duration::from_millis(random.u64(0..1_500));
        let load = async {
            tokio::join!(
                steady(&caller, round, &acknowledged),
                steady(&caller, round + 1_000_000, &acknowledged)
            )
        };
        let _ = tokio::time::timeout(moment, load).await;
        daemon.kill();
        let begun = Instant::now();
        daemon.serve().await;
        slowest = slowest.max(begun.elapsed());
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let same = async {
            while instances(&daemon).await != before {
                ticks.tick().await;
            }
        };
        assert!(tokio::time::timeout(BACK, same).await.is_ok(), "{when}: {:?}", instances(&daemon).await);
        assert_eq!(daemon.servers().len(), INSTANCES, "{when}: no process is left over");
        let fresh = acknowledged.take();
        assert_eq!(daemon.lost(&fresh).await, [""; 0], "{when}");
        total += fresh.len();
    }
    assert!(total as u64 >= rounds, "{total} writes were acknowledged");
    let said = daemon.cli(&["audit", "verify"]).await.done();
    assert!(said.starts_with("All "), "{said}");
    super::show(&format!(
        "{rounds} kills, {total} writes acknowledged, 0 lost, {INSTANCES} of {INSTANCES} processes kept each time, \
         ready again after at most {slowest:?}; {}",
        said.trim()
    ));
}
