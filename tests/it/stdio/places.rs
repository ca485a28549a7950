//! Places for sessions: who gets one, and who gives one up.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Events, Scene};
use crate::ground::{PATIENCE, ended};

fn pid(state: &Value) -> u32 {
    state["pid"].as_u64().unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_places_are_taken_the_session_that_was_left_alone_for_longest_gives_way() {
    // Left alone is what nobody used for a quarter of that.
    let idle = Duration::from_secs(40);
    let set = ["gateway.max-sessions=2", "gateway.session-idle=40s", "gateway.max-rate=0"];
    let scene = Scene::with("legacy", "per_session", &set).await;
    let left = scene.session().await;
    let process = pid(&scene.legacy_state(&left).await);
    let begun = tokio::time::Instant::now();
    let used = scene.session().await;
    let first = scene.legacy_state(&used).await;
    let mut refused = 0;
    let next = loop {
        assert_eq!(scene.legacy_state(&used).await["pid"], first["pid"]);
        let answer = scene.initialize().await;
        if answer.status == StatusCode::OK {
            break answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        }
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "instance_busy")
        );
        refused += 1;
    };
    let took = begun.elapsed();
    assert!(refused > 0 && took >= idle / 4 && took < idle, "refused {refused} times in {took:?}");
    let answer = scene.daemon.send(scene.legacy_tool(&left, "state", &json!({}))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "session_not_found"));
    ended(process).await;
    assert_eq!(scene.legacy_state(&used).await["pid"], first["pid"], "who uses a session keeps it");
    assert_eq!(scene.legacy_state(&next).await["initialized"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_uses_ends_and_one_that_listens_or_waits_does_not() {
    let scene = Scene::with("legacy", "per_session", &["gateway.session-idle=5s"]).await;
    let listens = scene.session().await;
    let get = scene.request(Method::GET).header("mcp-session-id", &listens);
    let listening = Events::of(get).await;
    let waits = scene.session().await;
    let waiting = tokio::spawn(scene.legacy_tool(&waits, "never", &json!({})).send());
    let left = scene.session().await;
    let (begun, process) = (tokio::time::Instant::now(), pid(&scene.legacy_state(&left).await));
    ended(process).await;
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    let begun = tokio::time::Instant::now();
    loop {
        let answer = scene.daemon.send(scene.legacy_tool(&left, "state", &json!({}))).await;
        if answer.status == StatusCode::NOT_FOUND {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
    }
    assert!(!waiting.is_finished(), "it still waits");
    for session in [&listens, &waits] {
        assert_eq!(scene.legacy_state(session).await["initialized"], 1);
    }
    drop(listening);
    waiting.abort();
}
