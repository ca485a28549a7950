//! Servers that do not answer, and for how long anybody waits for them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Events, Scene, code_of, text_of};
use crate::ground::PATIENCE;

const PROGRESS: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$TOKEN,"progress":1}}"#;

async fn impatient(eras: &str) -> Scene {
    Scene::with(eras, "per_session", &["gateway.idle-timeout=2s"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_ends_in_time_and_no_other_client_notices() {
    let scene = impatient("modern").await;
    let before = scene.state().await;
    let listen = scene.modern(&json!("L"), "subscriptions/listen", &json!({"notifications": {}}));
    let mut listening = Events::of(listen).await;
    listening.next().await.unwrap();

    let begun = tokio::time::Instant::now();
    let never = scene.modern(&json!("\u{e9}"), "tools/call", &json!({"name": "never", "arguments": {}}));
    let others = async {
        for _ in 0..10 {
            assert_eq!(scene.state().await["pid"], before["pid"]);
        }
    };
    let (refused, ()) = tokio::join!(scene.daemon.send(never), others);
    assert_eq!(code_of(&refused), (504, -32_603), "{refused:?}");
    assert_eq!(refused.json()["id"], "\u{e9}");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "{:?}", begun.elapsed());

    // One that has begun to answer is told in the stream.
    let params =
        json!({"name": "print", "arguments": {"lines": [PROGRESS]}, "_meta": {"progressToken": "t"}});
    let mut stream = Events::of(scene.modern(&json!(8), "tools/call", &params)).await;
    assert_eq!(stream.next().await.unwrap()["params"]["progressToken"], "t");
    let last = stream.rest().await;
    assert_eq!((&last[0]["id"], &last[0]["error"]["code"], last.len()), (&json!(8), &json!(-32_603), 1));

    let begun = tokio::time::Instant::now();
    loop {
        let state = scene.state().await;
        let cancelled = state["cancelled"].as_array().unwrap();
        if let [one, other] = &cancelled[..] {
            assert_ne!(one, other, "the server hears that nobody waits");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{state}");
    }
    // Who listens may wait for ever.
    assert_eq!(scene.says("poke", &json!({})).await, "done");
    assert_eq!(listening.next().await.unwrap()["method"], "notifications/tools/list_changed");
    let shown = scene.shown().await;
    assert_eq!((&shown["restarts"]["total"], &shown["process_id"]), (&json!(0), &before["pid"]));
    let metrics = scene.daemon.get("/metrics", &scene.daemon.admin).await.text;
    let late = "minimcp_gateway_requests_total{lane=\"stdio\",method=\"tools/call\",class=\"5xx\"} 1";
    assert!(metrics.contains(late), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_after_a_call_in_it_that_was_never_answered() {
    let scene = impatient("legacy").await;
    let session = scene.session().await;
    let before = scene.legacy_state(&session).await;
    let refused = scene.daemon.send(scene.legacy_tool(&session, "never", &json!({}))).await;
    assert_eq!(code_of(&refused), (504, -32_603), "{refused:?}");
    assert_eq!(refused.json()["id"], 1);
    let begun = tokio::time::Instant::now();
    loop {
        let state = scene.legacy_state(&session).await;
        assert_eq!(state["pid"], before["pid"]);
        if state["cancelled"].as_array().unwrap().len() == 1 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the server hears that nobody waits: {state}");
    }
    let gone = scene.daemon.send(scene.request(Method::DELETE).header("mcp-session-id", &session)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_take_long_as_long_as_its_server_says_something() {
    let scene = impatient("modern").await;
    let params =
        json!({"name": "slow", "arguments": {"count": 8, "every_ms": 500}, "_meta": {"progressToken": 1}});
    let begun = tokio::time::Instant::now();
    let answered = Events::of(scene.modern(&json!(3), "tools/call", &params)).await;
    let messages: Vec<Value> = answered.rest().await;
    assert!(begun.elapsed() > std::time::Duration::from_secs(2), "longer than it may be silent");
    assert_eq!((messages.len(), text_of(&messages[8]).as_str()), (9, "done"), "{messages:?}");
}
