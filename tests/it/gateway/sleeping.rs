//! Servers that are put to sleep when nobody needs them, and woken when somebody does.

use std::time::Duration;

use futures::future::join_all;
use minimcp::store::Role;
use minimcp_actors::state::Status;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::daemon::Daemon;
use crate::gateway::wire::Wire;
use crate::ground::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_first_calls_start_one_process() {
    let daemon = Daemon::with(&["gateway.max-in-flight=200"], minimcp::http::Bounds::default()).await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let body = json!({"mcp_type": mcp_type, "idle_timeout_seconds": 1});
    let instance = daemon.post("/v1/instances?wait=running", &user, &body).await.json();
    let (id, token) = (instance["id"].as_str().unwrap(), instance["access_token"].as_str().unwrap());
    let asleep =
        daemon.get(&format!("/v1/instances/{id}/wait?status=hibernated&timeout_seconds=60"), &user).await;
    assert_eq!(asleep.status, StatusCode::OK, "{asleep:?}");
    let calls = (0..100).map(|n| {
        let request = daemon.request(Method::POST, &format!("/i/{id}/mcp"), token).body(n.to_string());
        daemon.send(request)
    });
    let answers = join_all(calls).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["body"], n.to_string(), "each gets its own");
        assert_eq!(answer.json()["pid"], answers[0].json()["pid"]);
    }
    let shown = daemon.get(&format!("/v1/instances/{id}"), &user).await.json();
    assert_eq!(shown["generation"], 2, "one start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_works_on_a_task_is_not_put_to_sleep_before_its_time() {
    let wire = Wire::new(&[]).await.sleeping_after(1).await;
    let begin = tokio::time::Instant::now();
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "long"}}).to_string();
    let mut client = wire.post(call.as_bytes()).await;
    let (_, mut server) = wire.asked().await;
    server.take(call.len()).await;
    let task = json!({"jsonrpc": "2.0", "id": 1,
        "result": {"resultType": "task", "taskId": "t", "status": "working", "ttlMs": 4_000}})
    .to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    server.send(format!("{head}Content-Length: {}\r\n\r\n{task}", task.len()).as_bytes()).await;
    client.head().await.unwrap();
    let asleep = wire
        .daemon
        .supervision
        .wait_until(wire.id().parse().unwrap(), PATIENCE, |snapshot| snapshot.status == Status::Hibernated)
        .await;
    assert!(asleep.unwrap().1, "it sleeps in the end");
    assert!(begin.elapsed() > Duration::from_secs(4), "after {:?}", begin.elapsed());
}
