//! What the gateway refuses, and how early.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::daemon::Daemon;
use crate::gateway::wire::Wire;
use crate::ground::eventually;
use minimcp::store::Role;

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_is_told_before_a_byte_of_the_body_is_read() {
    let wire = Wire::new(&["gateway.max-in-flight=1"]).await;
    // One that is still sending counts.
    let mut slow = wire.client("POST", &["Content-Length: 4"], b"ab").await;
    let (_, mut server) = wire.asked().await;
    assert_eq!(server.take(2).await, b"ab");
    let mut busy = wire.client("POST", &["Content-Length: 1000000"], b"").await;
    let head = busy.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    slow.send(b"cd").await;
    assert_eq!(server.take(2).await, b"cd");
    server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(slow.head().await.unwrap().starts_with("HTTP/1.1 200"));
    let route = wire.route();
    eventually("it is over", || route.in_flight() == 0).await;

    let limited = Wire::new(&["gateway.max-rate=1"]).await;
    let mut heads = Vec::new();
    for _ in 0..8 {
        // None of them sends its body, so whoever is passed on waits.
        let mut client = limited.client("POST", &["Content-Length: 1000000"], b"").await;
        let head = tokio::time::timeout(std::time::Duration::from_millis(500), client.head()).await;
        heads.extend(head.ok().flatten());
    }
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("HTTP/1.1 429") && head.to_lowercase().contains("retry-after: "), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_trace_of_an_authorization_server() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let instance = daemon.running(&mcp_type, &user).await;
    let (id, token) = (instance["id"].as_str().unwrap(), instance["access_token"].as_str().unwrap());
    let mut paths =
        vec!["/register".to_owned(), format!("/i/{id}/register"), format!("/i/{id}/mcp/register")];
    for document in ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"] {
        for around in ["", &format!("/i/{id}"), &format!("/i/{id}/mcp")] {
            paths.push(format!("{around}/.well-known/{document}"));
            paths.push(format!("/.well-known/{document}{around}"));
        }
    }
    for path in &paths {
        for method in [Method::GET, Method::POST] {
            for token in ["", token] {
                let answer = daemon.send(daemon.request(method.clone(), path, token)).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
                assert!(!answer.headers.contains_key("www-authenticate"), "{method} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_counted_by_name_only_if_its_server_has_it() {
    let wire = Wire::new(&[]).await;
    let answers = |method: &'static str, name: &'static str, answer: serde_json::Value| {
        let wire = &wire;
        async move {
            let call =
                json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": name}}).to_string();
            let mut client = wire.post(call.as_bytes()).await;
            let (_, mut server) = wire.asked().await;
            server.take(call.len()).await;
            let body = answer.to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            server.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
            client.head().await.unwrap();
            client.take(body.len()).await;
        }
    };
    let done = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}});
    answers("tools/call", "echo", done.clone()).await;
    answers("tools/list", "", json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "echo"}]}}))
        .await;
    answers("tools/call", "echo", done.clone()).await;
    answers("tools/call", "made-up", done).await;
    let metrics = wire.daemon.get("/metrics", &wire.daemon.admin).await.text;
    let tools: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("minimcp_gateway_tool_calls_total")).collect();
    assert_eq!(tools, ["minimcp_gateway_tool_calls_total{mcp_type=\"scripted\",tool=\"echo\"} 1"]);
    let calls = "minimcp_gateway_requests_total{lane=\"http\",method=\"tools/call\",class=\"2xx\"} 3";
    assert!(metrics.contains(calls), "the method of an older client is in its body: {metrics}");
    let timed = "minimcp_gateway_seconds_count{lane=\"http\",method=\"tools/call\"} 3";
    assert!(metrics.contains(timed), "{metrics}");
}
