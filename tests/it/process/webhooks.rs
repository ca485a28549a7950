//! Events that happened just before the daemon was killed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Daemon, id};
use crate::receiver::{Received, Receiver, Reply};

/// A daemon that may send to this machine, with a type whose servers never start and a webhook.
async fn daemon(receiver: &Receiver, retry: &str) -> (Daemon, String) {
    let settings = ["webhooks.allow=127.0.0.1", &format!("webhooks.retry={retry}")];
    let daemon = Daemon::with(&settings, &[]).await;
    daemon
        .add_type(
            "name = \"never\"\ndisplay_name = \"Never\"\ncommand = \"/bin/false\"\n[health_check]\nkind = \"http\"\n\
             endpoint = \"/health\"\n",
        )
        .await;
    let made = daemon.send("POST", "/v1/webhooks", Some(json!({"url": receiver.url()}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    (daemon, secret)
}

async fn create(daemon: &Daemon) -> String {
    let body = json!({"mcp_type": "never", "restart": {"policy": "temporary"}});
    let made = daemon.send("POST", "/v1/instances", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    id(&made.json())
}

/// The instances that the events are about, with the ids under which each was told.
fn by_instance(received: &[Received]) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in received {
        let instance = one.json()["data"]["instance_id"].as_str().unwrap().to_owned();
        told.entry(instance).or_default().insert(one.id().to_owned());
    }
    told
}

#[tokio::test]
async fn an_event_that_was_not_delivered_before_the_daemon_was_killed_is_delivered_after_under_the_same_id() {
    let receiver = Receiver::start(&[Reply::Status(500)]).await;
    let (mut daemon, secret) = daemon(&receiver, "1s,1s,1s,1s,1s,1s").await;
    let instance = create(&daemon).await;
    let first = receiver.have(1).await;
    daemon.kill();
    receiver.answer(&[Reply::Status(200)]);
    daemon.serve().await;
    let all = receiver.have(2).await;
    assert_eq!((all[1].id(), &all[1].body), (first[0].id(), &first[0].body));
    assert_eq!(all[1].holds_under(&secret).await, 1);
    assert_eq!(by_instance(&all).keys().collect::<Vec<_>>(), [&instance]);
    let said: Value = daemon.cli(&["webhooks", "--json"]).await.json();
    let hook = said["items"][0]["id"].as_str().unwrap().to_owned();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let settled = async {
        loop {
            let said = daemon.cli(&["webhooks", "deliveries", &hook, "--json"]).await.json();
            if said["items"][0]["state"] == "delivered" {
                return said;
            }
            ticks.tick().await;
        }
    };
    let said = tokio::time::timeout(crate::ground::PATIENCE, settled).await.expect("it is noted");
    assert_eq!(said["items"].as_array().unwrap().len(), 1, "{said}");
}

#[tokio::test]
async fn whatever_the_history_tells_after_kills_at_any_moment_was_told_too() {
    let receiver = Receiver::start(&[Reply::Status(200)]).await;
    let (mut daemon, _) = daemon(&receiver, "100ms,100ms,100ms").await;
    for round in 0..4 {
        for _ in 0..3 {
            create(&daemon).await;
        }
        // The first rounds are killed while nothing was told of them yet, the last ones in the midst of it.
        if round >= 2 {
            let before = by_instance(&receiver.received()).len();
            receiver.until(|all| by_instance(all).len() > before).await;
        }
        daemon.kill();
        daemon.serve().await;
    }
    // One that was found again after a kill had been ready as far as anybody knows, so it ends as disconnected.
    let over = |instance: &Value| {
        let reason = instance["status_reason"].as_str().unwrap_or_default();
        matches!(instance["status"].as_str(), Some("failed" | "disconnected"))
            && reason.starts_with("The process ended")
    };
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let all_over = async {
        loop {
            let list = daemon.get("/v1/instances?limit=500").await.json();
            let items = list["items"].as_array().unwrap().clone();
            if items.iter().all(over) {
                return items.iter().map(id).collect::<BTreeSet<_>>();
            }
            ticks.tick().await;
        }
    };
    let ended = tokio::time::timeout(crate::ground::PATIENCE, all_over).await.expect("all come to their end");
    assert_eq!(ended.len(), 12);
    let all = receiver.until(|all| ended.iter().all(|id| by_instance(all).contains_key(id))).await;
    let history = daemon.cli(&["events", "--json"]).await.done();
    let events: Vec<Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (instance, ids) in by_instance(&all) {
        let ends = events.iter().filter(|event| {
            let by_itself = event["to"] == "disconnected" && event["cause"] == "exited";
            event["instance_id"] == instance.as_str() && (event["to"] == "failed" || by_itself)
        });
        let ends = ends.count();
        assert!(ids.len() <= ends, "{instance} has {ends} ends and was told under {ids:?}");
    }
}
