//! Receivers that fail in one way or another.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::{change, daemon, deliveries, fail, until, webhook};
use crate::receiver::{Receiver, Reply};

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_some_times_gets_the_same_event_with_the_same_id_until_it_takes_it() {
    let daemon = daemon(&[]).await;
    let replies = [Reply::Status(500), Reply::Close, Reply::Status(503), Reply::Status(200)];
    let receiver = Receiver::start(&replies).await;
    let (id, secret) = webhook(&daemon, &daemon.admin, &json!({"url": receiver.url()})).await;
    fail(&daemon, &daemon.admin).await;
    let sent = until(&daemon, &id, |sent| sent.iter().any(|one| one["state"] == "delivered")).await;
    assert_eq!((sent.len(), &sent[0]["attempts"]), (1, &json!(4)), "{sent:#?}");
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    for one in &received {
        assert_eq!((one.id(), &one.body), (received[0].id(), &received[0].body));
        assert_eq!(one.holds_under(&secret).await, 1);
    }
    let shown = daemon.get(&format!("/v1/webhooks/{id}"), &daemon.admin).await.json();
    assert_eq!((&shown["failing_since"], &shown["enabled"]), (&json!(null), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_never_takes_is_given_up_with_the_reason_and_no_word_of_its_answer() {
    let daemon = daemon(&["webhooks.timeout=300ms"]).await;
    let elsewhere = Receiver::start(&[Reply::Status(200)]).await;
    for (reply, reason) in [
        (Reply::Status(500), "it answered 500"),
        (Reply::Redirect(elsewhere.url()), "it answered 307, and redirects are not followed"),
        (Reply::Close, "the exchange broke"),
        (Reply::Hang, "it did not answer within 300ms"),
    ] {
        let receiver = Receiver::start(std::slice::from_ref(&reply)).await;
        let (id, _) = webhook(&daemon, &daemon.admin, &json!({"url": receiver.url()})).await;
        fail(&daemon, &daemon.admin).await;
        let sent = until(&daemon, &id, |sent| sent.iter().any(|one| one["state"] == "failed")).await;
        assert_eq!(sent[0]["attempts"], 4, "{reply:?}: {sent:#?}");
        let error = sent[0]["last_error"].as_str().unwrap();
        assert!(error.starts_with(reason), "{reply:?}: {error}");
        let shown = daemon.get(&format!("/v1/webhooks/{id}"), &daemon.admin).await;
        assert!(shown.json()["failing_since"].is_string() && !shown.text.contains("\"secret\""), "{shown:?}");
        assert!(change(&daemon, &id, &daemon.admin, &json!({"enabled": false})).await.status.is_success());
    }
    assert_eq!(elsewhere.connections(), 0);
    // An answer that does not end is an answer.
    let endless = Receiver::start(&[Reply::Endless]).await;
    let (id, _) = webhook(&daemon, &daemon.admin, &json!({"url": endless.url()})).await;
    let test = daemon.post(&format!("/v1/webhooks/{id}/test"), &daemon.admin, &json!({})).await.json();
    assert_eq!((&test["state"], &test["last_status"]), (&json!("delivered"), &json!(200)), "{test}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_disabled_and_the_others_are_told() {
    let daemon = daemon(&[]).await;
    let (gone, other) =
        (Receiver::start(&[Reply::Status(410)]).await, Receiver::start(&[Reply::Status(200)]).await);
    let (id, _) = webhook(&daemon, &daemon.admin, &json!({"url": gone.url(), "name": "left"})).await;
    webhook(&daemon, &daemon.admin, &json!({"url": other.url()})).await;
    fail(&daemon, &daemon.admin).await;
    let told = other.until(|all| all.iter().any(|one| one.kind() == "webhook.disabled")).await;
    let told = told.iter().find(|one| one.kind() == "webhook.disabled").unwrap().json();
    assert_eq!((&told["data"]["webhook_id"], &told["data"]["name"]), (&json!(id), &json!("left")));
    let shown = daemon.get(&format!("/v1/webhooks/{id}"), &daemon.admin).await.json();
    assert_eq!(shown["enabled"], false);
    assert!(shown["disabled_reason"].as_str().unwrap().contains("410"), "{shown}");
    let test = daemon.post(&format!("/v1/webhooks/{id}/test"), &daemon.admin, &json!({})).await;
    assert_eq!(test.code(), "webhook_disabled");

    // Enabled again, it hears of what comes from then on.
    gone.answer(&[Reply::Status(200)]);
    let before = gone.received().len();
    let enabled = change(&daemon, &id, &daemon.admin, &json!({"enabled": true})).await.json();
    assert_eq!((&enabled["enabled"], &enabled["disabled_reason"]), (&json!(true), &json!(null)));
    fail(&daemon, &daemon.admin).await;
    gone.have(before + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_hang_delay_neither_others_nor_the_lifecycle() {
    let daemon = daemon(&["webhooks.timeout=20s"]).await;
    let hanging = Receiver::start(&[Reply::Hang]).await;
    let fast = Receiver::start(&[Reply::Status(200)]).await;
    let mut slow = Vec::new();
    for _ in 0..15 {
        slow.push(webhook(&daemon, &daemon.admin, &json!({"url": hanging.url()})).await.0);
    }
    webhook(&daemon, &daemon.admin, &json!({"url": fast.url()})).await;
    let begun = Instant::now();
    for _ in 0..5 {
        fail(&daemon, &daemon.admin).await;
    }
    fast.have(5).await;
    hanging.have(15).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    daemon.running(&mcp_type, &daemon.admin).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "no time-out was waited for");
    for id in &slow {
        let sent = deliveries(&daemon, id, &daemon.admin).await;
        assert!(
            sent.len() == 5 && sent.iter().all(|one| one["attempts"] == 0),
            "all of them wait: {sent:#?}"
        );
    }
    assert_eq!(hanging.received().len(), 15, "one at a time to each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_a_few_webhooks_and_the_same_request_makes_one() {
    let daemon = daemon(&[]).await;
    let una = daemon.user("una", minimcp::store::Role::User).await;
    let body = json!({"url": "http://127.0.0.1:9/"});
    let twice = async || {
        let request = daemon.request(reqwest::Method::POST, "/v1/webhooks", &una).json(&body);
        daemon.send(request.header("idempotency-key", "k")).await.json()
    };
    let first = twice().await;
    assert_eq!(first, twice().await, "also the secret");
    for _ in 1..20 {
        assert_eq!(daemon.post("/v1/webhooks", &una, &body).await.status, StatusCode::CREATED);
    }
    assert_eq!(daemon.post("/v1/webhooks", &una, &body).await.code(), "quota_exceeded");
    let id = first["id"].as_str().unwrap();
    let gone =
        daemon.send(daemon.request(reqwest::Method::DELETE, &format!("/v1/webhooks/{id}"), &una)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(daemon.post("/v1/webhooks", &una, &body).await.status, StatusCode::CREATED);
}
