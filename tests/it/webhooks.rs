//! Webhooks of a daemon in this process, to receivers on this machine.

mod receivers;
mod targets;
mod tls;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::PATIENCE;
use crate::receiver::{Receiver, Reply};

/// A daemon that may send to this machine and tries again at once.
pub(crate) async fn daemon(more: &[&str]) -> Daemon {
    let mut set = vec!["webhooks.allow=127.0.0.0/8", "webhooks.retry=50ms,50ms,50ms", "http.max-creations=0"];
    set.extend(more);
    Daemon::with(&set, Bounds::default()).await
}

/// A webhook: its id and its secret.
pub(crate) async fn webhook(daemon: &Daemon, token: &str, body: &Value) -> (String, String) {
    let made = daemon.post("/v1/webhooks", token, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

pub(crate) async fn deliveries(daemon: &Daemon, id: &str, token: &str) -> Vec<Value> {
    let page = daemon.get(&format!("/v1/webhooks/{id}/deliveries"), token).await;
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    page.json()["items"].as_array().unwrap().clone()
}

/// The deliveries of a webhook, once this holds of them.
pub(crate) async fn until(daemon: &Daemon, id: &str, reached: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let waiting = async {
        loop {
            let deliveries = deliveries(daemon, id, &daemon.admin).await;
            if reached(&deliveries) {
                return deliveries;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("reached in time")
}

/// Has an instance that never starts come to its end.
pub(crate) async fn fail(daemon: &Daemon, token: &str) -> String {
    let named = "unstartable";
    let known = daemon.get(&format!("/v1/types/{named}"), token).await;
    if known.status == StatusCode::NOT_FOUND {
        daemon
            .add_type(&json!({
                "name": named, "display_name": "Unstartable", "command": "/bin/false", "args": [],
                "health_check": {"kind": "http", "endpoint": "/health", "start_timeout_seconds": 5}
            }))
            .await;
    }
    let restart = json!({"policy": "temporary"});
    let made = daemon.post("/v1/instances", token, &json!({"mcp_type": named, "restart": restart})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

async fn change(daemon: &Daemon, id: &str, token: &str, body: &Value) -> Answer {
    daemon.send(daemon.request(Method::PATCH, &format!("/v1/webhooks/{id}"), token).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_once_signed_as_an_independent_reader_finds_it() {
    let daemon = daemon(&[]).await;
    let una = daemon.user("una", Role::User).await;
    let receiver = Receiver::start(&[Reply::Status(204)]).await;
    let (id, secret) = webhook(&daemon, &una, &json!({"url": receiver.url()})).await;
    let instance = fail(&daemon, &una).await;

    let received = receiver.have(1).await;
    let event = received[0].json();
    assert_eq!(event["type"], "instance.failed");
    assert_eq!(event["data"]["instance_id"], instance.as_str());
    assert_eq!(event["data"]["mcp_type"], "unstartable");
    assert!(event["timestamp"].is_string() && event["data"]["reason"].is_string(), "{event}");
    assert_eq!(received[0].headers["content-type"], "application/json");
    assert_eq!(received[0].holds_under(&secret).await, 1);
    assert_eq!(
        received[0].holds_under(&webhook(&daemon, &una, &json!({"url": receiver.url()})).await.1).await,
        0
    );

    let sent = until(&daemon, &id, |sent| sent.iter().all(|one| one["state"] == "delivered")).await;
    assert_eq!((sent.len(), &sent[0]["last_status"], &sent[0]["attempts"]), (1, &json!(204), &json!(1)));
    assert_eq!(sent[0]["id"], received[0].id());
    let shown = daemon.get(&format!("/v1/webhooks/{id}"), &una).await;
    assert!(!shown.text.contains("whsec_"), "a secret is shown once");
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_signs_beside_the_old_one_for_a_while_and_survives_new_keys() {
    let daemon = daemon(&[]).await;
    let receiver = Receiver::start(&[Reply::Status(200)]).await;
    let (id, first) = webhook(&daemon, &daemon.admin, &json!({"url": receiver.url()})).await;
    let rotated =
        change(&daemon, &id, &daemon.admin, &json!({"rotate_secret": true, "overlap_seconds": 60})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    let second = rotated.json()["secret"].as_str().unwrap().to_owned();
    assert!(rotated.json()["previous_secret_until"].is_string());

    // New data keys for everybody: what was sealed is sealed anew.
    assert!(daemon.post("/v1/keys/rotate", &daemon.admin, &json!({})).await.status.is_success());
    let before = daemon.store.webhook(id.parse().unwrap(), None).await.unwrap().key_id;
    daemon.rotation.go_on(&tokio_util::sync::CancellationToken::new()).await.unwrap();
    let after = daemon.store.webhook(id.parse().unwrap(), None).await.unwrap().key_id;
    assert_ne!(before, after);

    let test = daemon.post(&format!("/v1/webhooks/{id}/test"), &daemon.admin, &json!({})).await.json();
    assert_eq!(test["state"], "delivered", "{test}");
    let both = receiver.have(1).await.remove(0);
    assert_eq!((both.holds_under(&first).await, both.holds_under(&second).await), (1, 1));

    let last =
        change(&daemon, &id, &daemon.admin, &json!({"rotate_secret": true, "overlap_seconds": 0})).await;
    let third = last.json()["secret"].as_str().unwrap().to_owned();
    daemon.post(&format!("/v1/webhooks/{id}/test"), &daemon.admin, &json!({})).await;
    let only = receiver.have(2).await.remove(1);
    assert_eq!((only.holds_under(&second).await, only.holds_under(&third).await), (0, 1));
    let wrong = change(&daemon, &id, &daemon.admin, &json!({"overlap_seconds": 5})).await;
    assert_eq!(wrong.code(), "invalid_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_hears_of_its_owner_and_one_for_everything_of_everybody() {
    let daemon = daemon(&[]).await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let [of_una, of_all, of_few] = [
        Receiver::start(&[Reply::Status(200)]).await,
        Receiver::start(&[Reply::Status(200)]).await,
        Receiver::start(&[Reply::Status(200)]).await,
    ];
    let all = json!({"url": of_all.url(), "scope": "all"});
    assert_eq!(daemon.post("/v1/webhooks", &una, &all).await.code(), "forbidden");
    let operator = daemon.user("otto", Role::Operator).await;
    assert_eq!(daemon.post("/v1/webhooks", &operator, &all).await.code(), "forbidden");
    webhook(&daemon, &una, &json!({"url": of_una.url()})).await;
    webhook(&daemon, &daemon.admin, &all).await;
    let few = json!({"url": of_few.url(), "scope": "all", "events": ["instance.expired"]});
    let (few, _) = webhook(&daemon, &daemon.admin, &few).await;

    let (mine, his) = (fail(&daemon, &una).await, fail(&daemon, &ugo).await);
    let both = of_all.have(2).await;
    let mut told: Vec<String> =
        both.iter().map(|one| one.json()["data"]["instance_id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    let mut expected = vec![mine.clone(), his];
    expected.sort();
    assert_eq!(told, expected);
    let own = of_una.have(1).await;
    assert_eq!(own[0].json()["data"]["instance_id"], mine.as_str());
    assert!(deliveries(&daemon, &few, &daemon.admin).await.is_empty(), "it asked for something else");

    // What the URL holds beyond its host may be a secret, which operators do not see.
    let listed = daemon.get("/v1/webhooks", &operator).await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 3);
    assert!(!listed.text.contains("part-of-the-url"), "{listed:?}");
    assert!(daemon.get("/v1/webhooks", &una).await.text.contains("part-of-the-url"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_lease_is_told_before_and_when_it_comes() {
    let daemon = daemon(&["webhooks.lease-leads=1d,2s"]).await;
    let una = daemon.user("una", Role::User).await;
    let receiver = Receiver::start(&[Reply::Status(200)]).await;
    webhook(&daemon, &una, &json!({"url": receiver.url()})).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let end = chrono::Utc::now() + chrono::TimeDelta::seconds(6);
    let body = json!({"mcp_type": mcp_type, "expires_at": end, "name": "work"});
    let made = daemon.post("/v1/instances", &una, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");

    let received = receiver.until(|all| all.iter().any(|one| one.kind() == "instance.expired")).await;
    let expired = received.iter().find(|one| one.kind() == "instance.expired").unwrap().json();
    assert_eq!(expired["data"]["name"], "work");
    assert_eq!(expired["data"]["cause"], "lease_ended");
    let soon: Vec<Value> =
        received.iter().filter(|one| one.kind() == "instance.expiring").map(|one| one.json()).collect();
    assert_eq!(soon.len(), 1, "a day is longer than the lease: {received:#?}");
    assert_eq!((&soon[0]["data"]["lead_seconds"], &soon[0]["data"]["name"]), (&json!(2), &json!("work")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_audit_trail_is_told_to_those_who_hear_of_everything() {
    let daemon = daemon(&[]).await;
    let receiver = Receiver::start(&[Reply::Status(200)]).await;
    webhook(&daemon, &daemon.admin, &json!({"url": receiver.url(), "scope": "all"})).await;
    let audit = daemon.settings.data_dir.join("audit");
    std::fs::rename(&audit, audit.with_extension("elsewhere")).unwrap();
    std::fs::write(&audit, "in the way").unwrap();
    let refused = daemon.post("/v1/webhooks", &daemon.admin, &json!({"url": receiver.url()})).await;
    assert_eq!(refused.code(), "audit_unavailable");
    let told = receiver.have(1).await;
    assert_eq!(told[0].kind(), "audit.failing");
    std::fs::remove_file(&audit).unwrap();
    std::fs::rename(audit.with_extension("elsewhere"), &audit).unwrap();
}
