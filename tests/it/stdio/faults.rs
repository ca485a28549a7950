//! Servers and clients that misbehave, and everybody else, who does not notice.

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Events, Scene, code_of, modern};
use crate::ground::PATIENCE;

/// How often lines of this kind were counted.
async fn odd(scene: &Scene, what: &str) -> u64 {
    let metrics = scene.daemon.get("/metrics", &scene.daemon.admin).await.text;
    let name = format!("minimcp_stdio_odd_lines_total{{what=\"{what}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_prints_besides_its_answer_is_counted_and_dropped() {
    let scene = Scene::new("modern").await;
    let lines = json!([
        "",
        "hello, I am starting",
        "{\"level\":\"info\"}",
        "[1,2]",
        "{\"jsonrpc\":\"2.0\"",
        "{\"jsonrpc\":\"2.0\",\"id\":123456789,\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"x\"}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"sampling/createMessage\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{\"resultType\":\"complete\",\"content\":[]}}",
        "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{\"resultType\":\"complete\",\"content\":[1]}}",
    ]);
    let answer = scene.daemon.send(scene.tool("print", &json!({"lines": lines}))).await;
    assert_eq!(
        (answer.status, &answer.json()["result"]["content"]),
        (StatusCode::OK, &json!([])),
        "{answer:?}"
    );
    assert_eq!(scene.says("bytes", &json!({})).await, "done");
    assert_eq!(scene.says("long", &json!({"bytes": 17 * 1024 * 1024})).await, "done");
    assert_eq!(scene.says("twice", &json!({})).await, "1");
    let state = scene.state().await;
    assert_eq!(state["answers"][0]["error"]["code"], -32_601, "it may not ask: {state}");
    assert_eq!(odd(&scene, "noise").await, 5);
    assert_eq!(odd(&scene, "too_long").await, 1);
    assert_eq!(odd(&scene, "unknown_answer").await, 4);
    assert_eq!(odd(&scene, "undeliverable").await, 1);
    assert_eq!(odd(&scene, "request").await, 1);
    assert_eq!(scene.shown().await["restarts"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_garbage_is_read_and_dropped_while_others_get_their_answers() {
    let scene = Scene::new("modern").await;
    let before = scene.state().await;
    let unknown = "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";
    for (line, what) in [("x".repeat(1_000).as_str(), "noise"), (unknown, "unknown_answer")] {
        let arguments = json!({"lines": 20_000, "line": line});
        let flood = scene.says("flood", &arguments);
        let others = async {
            for n in 0..20 {
                let seen: Value = serde_json::from_str(&scene.says("echo", &json!({"n": n})).await).unwrap();
                assert_eq!(seen["params"]["arguments"]["n"], n);
            }
        };
        let (done, ()) = tokio::join!(flood, others);
        assert_eq!(done, "done");
        assert_eq!(odd(&scene, what).await, 20_000, "{what}");
    }
    assert_eq!(scene.state().await["pid"], before["pid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_server_ends_in_the_middle_everybody_who_waits_hears_so_and_nothing_is_called_again() {
    let scene = Scene::new("modern").await;
    let before = scene.state().await;
    let params = json!({"name": "print", "arguments": {"lines": [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$TOKEN,"progress":1}}"#
    ]}, "_meta": {"progressToken": "t"}});
    let mut stream = Events::of(scene.modern(&json!("s"), "tools/call", &params)).await;
    assert_eq!(stream.next().await.unwrap()["params"]["progressToken"], "t");
    let answer = scene.daemon.send(scene.tool("crash", &json!({}))).await;
    assert_eq!(code_of(&answer), (502, -32_603), "{answer:?}");
    assert_eq!(answer.json()["id"], 1);
    let last = stream.rest().await;
    assert_eq!((&last[0]["id"], &last[0]["error"]["code"], last.len()), (&json!("s"), &json!(-32_603), 1));
    // The next call waits for the next run.
    let after = scene.state().await;
    assert_ne!(after["pid"], before["pid"]);
    assert!(!after["methods"].to_string().contains("crash"));
    let shown = scene.shown().await;
    assert_eq!((&shown["restarts"]["total"], &shown["status"]), (&json!(1), &json!("running")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_process_and_the_instance_lives_on() {
    let scene = Scene::new("legacy").await;
    let (session, other) = (scene.session().await, scene.session().await);
    let answer = scene.daemon.send(scene.legacy_tool(&session, "crash", &json!({}))).await;
    assert_eq!(code_of(&answer), (502, -32_603), "{answer:?}");
    let begun = tokio::time::Instant::now();
    loop {
        let answer = scene.daemon.send(scene.legacy_tool(&session, "state", &json!({}))).await;
        if answer.status == StatusCode::NOT_FOUND {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?}");
    }
    scene.legacy_state(&other).await;
    assert_eq!(scene.shown().await["restarts"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_progress_and_no_other_client_notices() {
    let scene = Scene::new("modern").await;
    let params = json!({"name": "progress", "arguments": {"count": 20_000, "size": 2_000}, "_meta": {"progressToken": 7}});
    let slow = Events::of(scene.modern(&json!("slow"), "tools/call", &params)).await;
    // Behind forty megabytes that nobody reads.
    for _ in 0..3 {
        assert_eq!(scene.state().await["initialized"], 0);
    }
    let messages = slow.rest().await;
    assert_eq!(messages.last().unwrap()["result"]["content"][0]["text"], "done");
    assert!(messages.len() < 20_001, "{} of 20000 progresses", messages.len() - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_read_is_too_busy_and_is_replaced() {
    let scene = Scene::with("modern", "per_session", &["gateway.max-in-flight=200"]).await;
    let before = scene.state().await;
    assert_eq!(scene.says("deaf", &json!({})).await, "done");
    // More than its pipe takes and more calls than its queue does; small ones, to be there before it is replaced.
    let params = json!({"name": "echo", "arguments": {"x": "x".repeat(2 << 10)}});
    let mut calls: futures::stream::FuturesUnordered<_> = (0..180)
        .map(|_| {
            let request = scene.modern(&json!(1), "tools/call", &params);
            async { scene.daemon.send(request).await }
        })
        .collect();
    // What fits into the queue waits there; what does not is refused, and so is heard of first.
    let first = tokio::time::timeout(PATIENCE, calls.next()).await.unwrap().unwrap();
    assert_eq!((first.status, first.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "instance_busy"));
    assert!(first.text.contains("does not read"), "{first:?}");
    drop(calls);
    let begun = tokio::time::Instant::now();
    while scene.shown().await["restarts"]["total"] != 1 {
        assert!(begun.elapsed() < PATIENCE, "{}", scene.shown().await);
    }
    assert_ne!(scene.state().await["pid"], before["pid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_no_server_could_read_are_refused() {
    let scene = Scene::new("modern").await;
    let large =
        modern(&json!(1), "tools/call", &json!({"name": "echo", "arguments": {"x": "x".repeat(9 << 20)}}));
    let answer = scene.daemon.send(scene.post(&large.to_string())).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    let below = scene.daemon.request(reqwest::Method::POST, &format!("/i/{}/mcp/x", scene.id), &scene.token);
    assert_eq!(scene.daemon.send(below.body("{}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_to_what_it_does_not_know_is_of_the_older_era() {
    let scene = Scene::new("silent").await;
    let session = scene.session().await;
    let state: Value = scene.legacy_state(&session).await;
    assert_eq!(state["initialized"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_speaks_no_protocol_is_never_ready_and_says_why() {
    let scene = Scene::new("modern").await;
    scene
        .daemon
        .add_type(&json!({
            "name": "mute", "display_name": "Mute", "lane": "stdio", "command": "sleep", "args": ["1000"],
            "health_check": {"kind": "mcp", "start_timeout_seconds": 2}
        }))
        .await;
    let body = json!({"mcp_type": "mute"});
    let answer = scene.daemon.post("/v1/instances?wait=running", &scene.user, &body).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_GATEWAY, "never_ready"),
        "{answer:?}"
    );
}
