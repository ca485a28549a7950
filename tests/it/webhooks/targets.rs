//! Where nothing is sent, whatever it is called: shown by listeners that nobody connects to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;

use futures::future::BoxFuture;
use minimcp::http::Bounds;
use minimcp::webhooks::Lookup;
use reqwest::StatusCode;
use serde_json::json;

use super::{daemon, webhook};
use crate::daemon::Daemon;
use crate::receiver::{Receiver, Reply};

/// A resolver that answers something else each time, and the last of it from then on.
#[derive(Debug)]
pub(super) struct Fickle(pub(super) Mutex<Vec<Vec<IpAddr>>>);

impl Lookup for Fickle {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(answer) })
    }
}

/// A listener on the port of https of an address that only this test uses.
async fn listener(last: u8) -> Receiver {
    let [a, b] = std::process::id().to_be_bytes()[2..] else { unreachable!("a number has four bytes") };
    let ip = Ipv4Addr::new(127, 64 | a & 0x3f, b, last);
    Receiver::at(SocketAddr::from((ip, 8443)), &[Reply::Status(200)]).await
}

async fn resolving(answers: Vec<Vec<IpAddr>>, allow: &str) -> Daemon {
    let set = [&format!("webhooks.allow={allow}"), "webhooks.retry="];
    Daemon::resolving(&set, Bounds::default(), Arc::new(Fickle(Mutex::new(answers)))).await
}

pub(super) async fn test_of(daemon: &Daemon, id: &str) -> serde_json::Value {
    let tested = daemon.post(&format!("/v1/webhooks/{id}/test"), &daemon.admin, &json!({})).await;
    assert_eq!(tested.status, StatusCode::OK, "{tested:?}");
    tested.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_webhook_leads_to_an_address_that_is_not_public_however_it_is_spelled() {
    let daemon = Daemon::with(&["http.max-creations=0"], Bounds::default()).await;
    let listener = Receiver::start(&[Reply::Status(200)]).await;
    let port = listener.addr.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0",
        "169.254.169.254",
    ] {
        for url in
            [format!("https://{host}:{port}/"), format!("http://{host}:{port}/"), format!("https://{host}/")]
        {
            let refused = daemon.post("/v1/webhooks", &daemon.admin, &json!({"url": url})).await;
            assert_eq!(refused.code(), "forbidden_target", "{url}: {refused:?}");
            assert_eq!(refused.json()["errors"][0]["pointer"], "/url");
        }
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_an_address_that_is_not_public_is_not_connected_to() {
    let (private, other) = (listener(1).await, listener(2).await);
    let public: IpAddr = [1, 1, 1, 1].into();
    let mapped: IpAddr = Ipv4Addr::to_ipv6_mapped(&Ipv4Addr::LOCALHOST).into();
    for answers in [vec![private.ip()], vec![public, private.ip()], vec![mapped], vec![]] {
        let daemon = resolving(vec![answers.clone()], "").await;
        let (id, _) = webhook(&daemon, &daemon.admin, &json!({"url": "https://rebind.example:8443/"})).await;
        let test = test_of(&daemon, &id).await;
        let error = test["last_error"].as_str().unwrap();
        let wanted = if answers.is_empty() { "has no address" } else { "is no public address" };
        assert!(test["state"] == "failed" && error.contains(wanted), "{answers:?}: {test}");
    }
    assert_eq!((private.connections(), other.connections()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_once_for_each_attempt_and_that_very_address_is_connected_to() {
    let (first, second) = (listener(3).await, listener(4).await);
    // Whoever resolves twice for one attempt gets the second address, which is not allowed.
    let daemon = resolving(vec![vec![first.ip()], vec![second.ip()]], &first.ip().to_string()).await;
    let (id, _) = webhook(&daemon, &daemon.admin, &json!({"url": "https://rebind.example:8443/"})).await;
    let test = test_of(&daemon, &id).await;
    assert_eq!(test["state"], "failed", "it speaks no TLS: {test}");
    assert_eq!((first.connections(), second.connections()), (1, 0), "{test}");
    let again = test_of(&daemon, &id).await;
    assert!(again["last_error"].as_str().unwrap().contains("is no public address"), "{again}");
    assert_eq!((first.connections(), second.connections()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_allowed_any_more_is_looked_at_again_before_each_attempt() {
    let allowed = daemon(&[]).await;
    let receiver = Receiver::start(&[Reply::Status(200)]).await;
    let (id, _) = webhook(&allowed, &allowed.admin, &json!({"url": receiver.url()})).await;
    assert_eq!(test_of(&allowed, &id).await["state"], "delivered");
    let row = allowed.store.webhook(id.parse().unwrap(), None).await.unwrap();
    assert!(row.url.starts_with("http://127.0.0.1:"));

    // The same row under a daemon that allows nothing.
    let strict = Daemon::with(&[], Bounds::default()).await;
    let me = strict.owner(&strict.admin).await;
    let sealed =
        strict.vault.seal(&minimcp::vault::Scope::webhook(me, &row.id, 1), b"{\"present\":\"whsec_AAAA\"}");
    let new = minimcp::store::NewWebhook {
        id: row.id,
        user_id: me,
        name: "old".into(),
        url: row.url,
        reach: minimcp::webhooks::Reach::Own,
        events: Vec::new(),
        sealed: sealed.unwrap(),
        created_at: chrono::Utc::now(),
    };
    strict.store.create_webhook(new, None).await.unwrap();
    let test = test_of(&strict, &id).await;
    assert!(test["last_error"].as_str().unwrap().contains("127.0.0.1 is no public address"), "{test}");
    assert_eq!(receiver.received().len(), 1);
}
