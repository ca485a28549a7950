//! What is passed on of traces, and what is counted.

use reqwest::StatusCode;
use serde_json::json;

use super::{Scene, modern, text_of};

/// As the protocol has it: W3C trace context under its own names in `_meta`.
const TRACE: &str = concat!(
    r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
    r#""tracestate" : "a=b,\u0063=d","baggage":"k=v;p""#
);

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_context_of_a_message_reaches_its_server_as_it_was_spelled_and_that_of_a_header_is_no_part_of_it()
 {
    let scene = Scene::new("both").await;
    let session = scene.session().await;
    for session in [None, Some(&session)] {
        let message = match session {
            None => modern(&json!(1), "tools/call", &json!({"name": "echo", "_meta": {"trace": 0}})),
            Some(_) => json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "echo", "_meta": {"trace": 0}}}),
        };
        let body = message.to_string().replacen(r#""trace":0"#, TRACE, 1);
        let mut request = scene.post(&body).header("traceparent", "00-1-2-03").header("tracestate", "x=y");
        request = match session {
            None => request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "echo"),
            Some(session) => request.header("mcp-session-id", session),
        };
        let answer = scene.daemon.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let seen = text_of(&answer.json());
        assert!(seen.contains(TRACE), "{seen}");
        assert!(!seen.contains("00-1-2-03") && !seen.contains("x=y"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_and_timed_by_lane_and_method_and_calls_by_tools_that_the_server_has() {
    let scene = Scene::new("both").await;
    let session = scene.session().await;
    let list = scene.daemon.send(scene.modern(&json!(1), "tools/list", &json!({}))).await;
    assert_eq!(list.status, StatusCode::OK, "{list:?}");
    assert_eq!(scene.daemon.send(scene.tool("echo", &json!({}))).await.status, StatusCode::OK);
    let legacy = scene.legacy_tool(&session, "echo", &json!({}));
    assert_eq!(scene.daemon.send(legacy).await.status, StatusCode::OK);
    // It has that one too, but does not list it.
    assert_eq!(scene.daemon.send(scene.tool("state", &json!({}))).await.status, StatusCode::OK);
    let unknown = scene.daemon.send(scene.modern(&json!(1), "made/up", &json!({}))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");
    let metrics = scene.daemon.get("/metrics", &scene.daemon.admin).await.text;
    for line in [
        "minimcp_gateway_requests_total{lane=\"stdio\",method=\"initialize\",class=\"2xx\"} 1",
        "minimcp_gateway_requests_total{lane=\"stdio\",method=\"tools/list\",class=\"2xx\"} 1",
        "minimcp_gateway_requests_total{lane=\"stdio\",method=\"tools/call\",class=\"2xx\"} 3",
        "minimcp_gateway_requests_total{lane=\"stdio\",method=\"other\",class=\"4xx\"} 1",
        "minimcp_gateway_seconds_count{lane=\"stdio\",method=\"tools/call\"} 3",
        "minimcp_gateway_seconds_bucket{le=\"+Inf\",lane=\"stdio\",method=\"tools/call\"} 3",
        "minimcp_gateway_tool_calls_total{mcp_type=\"scripted-both\",tool=\"echo\"} 2",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in {metrics}");
    }
    assert!(!metrics.contains("made/up") && !metrics.contains("tool=\"state\""), "{metrics}");
    assert!(!metrics.contains("lane=\"http\",method=\"tools/call\""), "{metrics}");
}
