//! What counts as use: calls, listeners and tasks.

use reqwest::StatusCode;
use serde_json::json;

use minimcp::http::Bounds;
use minimcp::store::Role;

use super::{Events, Scene, definition, text_of};
use crate::daemon::Daemon;
use crate::ground::PATIENCE;

/// A scene whose instance falls asleep after a second without use.
async fn drowsy() -> Scene {
    let daemon = Daemon::with(&[], Bounds::default()).await;
    daemon.add_type(&definition("both", "per_session")).await;
    let user = daemon.user("una", Role::User).await;
    let body = json!({"mcp_type": "scripted-both", "idle_timeout_seconds": 1});
    let made = daemon.post("/v1/instances?wait=running", &user, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let instance = made.json();
    let word = |name: &str| instance[name].as_str().unwrap().to_owned();
    Scene { id: word("id"), token: word("access_token"), daemon, user }
}

/// Waits until the instance sleeps. Answers how long that took.
async fn asleep(scene: &Scene) -> std::time::Duration {
    let begun = tokio::time::Instant::now();
    while scene.shown().await["status"] != "hibernated" {
        assert!(begun.elapsed() < PATIENCE, "{}", scene.shown().await);
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_server_is_woken_by_a_request_and_its_sessions_are_over() {
    let scene = drowsy().await;
    let session = scene.session().await;
    let before = scene.legacy_state(&session).await;
    asleep(&scene).await;
    crate::ground::ended(before["pid"].as_u64().unwrap().try_into().unwrap()).await;
    let woken = scene.state().await;
    assert_ne!(woken["pid"], before["pid"]);
    assert_eq!(scene.shown().await["status"], "running");
    let answer = scene.daemon.send(scene.legacy_tool(&session, "state", &json!({}))).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    scene.session().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_and_a_task_keep_a_server_awake() {
    let scene = drowsy().await;
    let listen = scene.modern(&json!("L"), "subscriptions/listen", &json!({"notifications": {}}));
    let mut stream = Events::of(listen).await;
    stream.next().await.unwrap();
    let first = scene.state().await["pid"].clone();
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(100));
    for _ in 0..25 {
        looks.tick().await;
        assert_eq!(scene.shown().await["status"], "running", "somebody listens");
    }
    let answer = scene.daemon.send(scene.tool("task", &json!({"ttlMs": 3_000}))).await;
    assert_eq!(answer.json()["result"]["resultType"], "task", "{answer:?}");
    drop(stream);
    let took = asleep(&scene).await;
    assert!(took >= std::time::Duration::from_millis(2_500), "the task had not expired: {took:?}");
    let answer = scene.daemon.send(scene.tool("state", &json!({}))).await;
    assert!(!text_of(&answer.json()).contains(&format!("\"pid\":{first}")), "woken anew");
}
