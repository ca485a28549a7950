//! Traces of a real daemon, as a collector on this machine gets them.

mod secrets;
mod trouble;

use std::path::Path;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::collector::{Collector, Reply, Span};
use crate::daemon::clients_can_be_built;
use crate::process::{Daemon, id};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A `traceparent` of this trace.
fn traceparent(trace: &str, sampled: bool) -> String {
    format!("00-{trace}-{PARENT}-0{}", u8::from(sampled))
}

/// A request to the daemon with this token.
fn request(daemon: &Daemon, method: Method, path: &str, token: &str) -> RequestBuilder {
    clients_can_be_built();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.request(method, format!("{}{path}", daemon.caller().base())).bearer_auth(token)
}

async fn answered(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The administrator's token.
fn admin(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.data().join("admin.token")).unwrap().trim().to_owned()
}

/// Makes an instance over the API, waits for it and gives it, with what else the request is to have.
async fn created(
    daemon: &Daemon,
    body: &Value,
    more: impl FnOnce(RequestBuilder) -> RequestBuilder,
) -> Value {
    let asked = request(daemon, Method::POST, "/v1/instances?wait=running", &admin(daemon)).json(body);
    let (status, made) = answered(more(asked)).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// A message to the MCP endpoint of an instance.
fn mcp(daemon: &Daemon, made: &Value, message: &Value) -> RequestBuilder {
    let asked = request(
        daemon,
        Method::POST,
        &format!("/i/{}/mcp", id(made)),
        made["access_token"].as_str().unwrap(),
    );
    let asked = asked.header("accept", "application/json, text/event-stream").json(message);
    let asked = asked.header("mcp-protocol-version", "2026-07-28");
    let asked = asked.header("mcp-method", message["method"].as_str().unwrap());
    match message["params"]["name"].as_str() {
        Some(name) => asked.header("mcp-name", name),
        None => asked,
    }
}

fn message(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

async fn scripted(daemon: &Daemon) {
    daemon
        .add_type(
            "name = \"scripted\"\ndisplay_name = \"Scripted\"\nlane = \"stdio\"\n\
             server_script = \"faulty/stdio.mjs\"\nargs = [\"both\"]\n[health_check]\nkind = \"mcp\"\n",
        )
        .await;
}

fn is_within(part: &Span, whole: &Span) {
    assert_eq!((&part.trace, &part.parent), (&whole.trace, &whole.id), "{part:#?} of {whole:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_on_operating_sends_what_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```toml traces\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let collector = Collector::start(Reply::Take).await;
    let here = example.replace("https://collector.example.org", &collector.url());
    assert_ne!(here, example);
    let mut daemon = Daemon::unstarted(&["traces.sample-ratio=1"], &[]);
    std::fs::write(daemon.dir.path().join("minimcp.toml"), here).unwrap();
    daemon.serve().await;

    let shown = daemon.serve_command().arg("--print-config").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("traces.headers = \"authorization=***\""), "{shown}");
    let secret = "the-token-of-the-collector";
    assert!(example.contains(secret) && !shown.contains(secret), "{shown}");

    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "x").await;
    let path = format!("/v1/instances/{}", id(&made));
    assert_eq!(daemon.get(&path).await.status, 200);
    let span = collector.until("the request", |span| span.name == "GET /v1/instances/{id}").await;
    assert_eq!((span.kind, span.failed, span.parent.as_str()), (SERVER, false, ""));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/v1/instances/{id}"),
        ("http.response.status_code", "200"),
        ("minimcp.instance.id", &id(&made)),
    ] {
        assert_eq!(span.says(key), value, "{span:#?}");
    }
    assert!(span.from < span.to, "{span:#?}");
    // Every name that the page speaks of is sent, and nothing that it does not speak of.
    let start = collector.until("the start", |span| span.name == "instance.start").await;
    let arrived = collector.arrived();
    assert_eq!(arrived[0].headers["authorization"], format!("Bearer {secret}"));
    assert_eq!(arrived[0].headers["content-type"], "application/x-protobuf");
    assert_eq!(arrived[0].resource["service.name"], "minimcp-at-work");
    assert_eq!(arrived[0].resource["service.version"], env!("CARGO_PKG_VERSION"));
    let told: Vec<&String> =
        arrived[0].resource.keys().chain(span.about.keys()).chain(start.about.keys()).collect();
    for name in told {
        assert!(page.contains(&format!("`{name}`")), "the page does not speak of {name}");
    }
    assert!(!daemon.log().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_belongs_to_a_trace_goes_on_with_it_down_to_the_start_that_it_asked_for() {
    let collector = Collector::start(Reply::Take).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    daemon.faulty("plain", &["ok"]).await;
    let body = json!({"mcp_type": "plain", "idle_timeout_seconds": 1});
    let made = created(&daemon, &body, |asked| {
        asked.header("traceparent", traceparent(TRACE, true)).header("tracestate", "vendor=secret")
    })
    .await;
    let creation = collector.until("the creation", |span| span.name == "POST /v1/instances").await;
    assert_eq!((creation.trace.as_str(), creation.parent.as_str(), creation.kind), (TRACE, PARENT, SERVER));
    assert!(creation.says("http.response.header.x-request-id").contains('-'), "{creation:#?}");
    let start = collector.until("the start", |span| span.name == "instance.start").await;
    is_within(&start, &creation);
    for (key, value) in [
        ("minimcp.instance.id", id(&made).as_str()),
        ("minimcp.instance.type", "plain"),
        ("minimcp.instance.generation", "1"),
        ("minimcp.start.cause", "commanded"),
    ] {
        assert_eq!(start.says(key), value, "{start:#?}");
    }

    daemon.status(&id(&made), "hibernated").await;
    let other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let call = message("tools/call", json!({"name": "made-up-by-the-client", "arguments": {}}));
    let woken = mcp(&daemon, &made, &call).header("traceparent", traceparent(other, true));
    let (status, seen) = answered(woken).await;
    assert_eq!(status, 200, "{seen}");
    assert_eq!(seen["headers"]["traceparent"], traceparent(other, true), "it passes as it was sent");
    let of_other = |name: &'static str| move |span: &Span| span.trace == other && span.name == name;
    let request = collector.until("the call", of_other("POST /i/{instance_id}/mcp")).await;
    assert_eq!((request.parent.as_str(), request.kind), (PARENT, SERVER));
    for (key, value) in [
        ("http.response.status_code", "200"),
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", "2026-07-28"),
        ("minimcp.instance.id", id(&made).as_str()),
        ("minimcp.instance.type", "plain"),
        ("minimcp.lane", "http"),
    ] {
        assert_eq!(request.says(key), value, "{request:#?}");
    }
    let wake = collector.until("the wake-up", of_other("instance.wake")).await;
    is_within(&wake, &request);
    let start = collector.until("the start that it led to", of_other("instance.start")).await;
    is_within(&start, &wake);
    assert_eq!(
        (start.says("minimcp.start.cause"), start.says("minimcp.instance.generation")),
        ("woken", "2")
    );
    // The name of a tool is told if the server has listed it.
    let upstream = collector.until("the call at the server", of_other("tools/call")).await;
    is_within(&upstream, &request);
    assert_eq!((upstream.kind, upstream.says("network.transport")), (CLIENT, "tcp"));
    assert!(upstream.from >= wake.to && upstream.to <= request.to, "{upstream:#?} {wake:#?} {request:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_over_standard_streams_are_named_by_the_tools_that_their_server_has() {
    let collector = Collector::start(Reply::Take).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    scripted(&daemon).await;
    let made = created(&daemon, &json!({"mcp_type": "scripted"}), |asked| asked).await;
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "echo", "arguments": {"text": "an-argument"}})),
    ] {
        let (status, seen) = answered(mcp(&daemon, &made, &message(method, params))).await;
        assert_eq!(status, 200, "{seen}");
    }
    let call = collector.until("the call", |span| span.name == "tools/call echo").await;
    for (key, value) in [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "echo"),
        ("mcp.method.name", "tools/call"),
        ("network.transport", "pipe"),
    ] {
        assert_eq!(call.says(key), value, "{call:#?}");
    }
    let request = collector.until("the request", |span| span.id == call.parent).await;
    assert_eq!((request.says("minimcp.lane"), &request.trace), ("stdio", &call.trace));
    let raw: Vec<u8> = collector.arrived().into_iter().flat_map(|arrived| arrived.raw).collect();
    assert!(memchr::memmem::find(&raw, b"an-argument").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_the_request_decides_and_the_ratio_decides_for_the_others() {
    let collector = Collector::start(Reply::Take).await;
    let daemon = Daemon::with(&[&collector.setting(), "traces.sample-ratio=0"], &[]).await;
    let with = |trace: &str, sampled| {
        let asked = request(&daemon, Method::GET, "/v1/me", &admin(&daemon));
        answered(asked.header("traceparent", traceparent(trace, sampled)))
    };
    let (unsampled, last) = ("b".repeat(32), "c".repeat(32));
    assert_eq!(with(&unsampled, false).await.0, 200);
    daemon.faulty("plain", &["ok"]).await;
    daemon.running("plain", "x").await;
    assert_eq!(daemon.get("/v1/me").await.status, 200);
    assert_eq!(with(&last, true).await.0, 200);
    collector.until("what was asked for", |span| span.trace == last).await;
    let all = collector.spans();
    assert!(all.iter().all(|span| span.trace == last), "{all:#?}");

    // And the other way round: nearly all are wanted, but this one is not.
    let mut daemon = Daemon::with(&[&collector.setting()], &[]).await;
    let asked = request(&daemon, Method::GET, "/v1/me", &admin(&daemon));
    assert_eq!(answered(asked.header("traceparent", traceparent(&unsampled, false))).await.0, 200);
    assert!(daemon.terminate().await.success());
    let all = collector.spans();
    assert!(all.iter().any(|span| span.name == "GET /readyz"), "what waited at the end was sent: {all:#?}");
    assert!(all.iter().all(|span| span.trace != unsampled), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_as_it_comes_and_its_spans_end_with_it() {
    let collector = Collector::start(Reply::Take).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    daemon.faulty("streaming", &["sse"]).await;
    let made = created(&daemon, &json!({"mcp_type": "streaming"}), |asked| asked).await;
    let token = made["access_token"].as_str().unwrap();
    let asked = request(&daemon, Method::GET, &format!("/i/{}/mcp", id(&made)), token);
    let mut stream = asked.header("traceparent", traceparent(TRACE, true)).send().await.unwrap();
    for _ in 0..3 {
        assert!(stream.chunk().await.unwrap().is_some());
    }
    // A span that was sent after the stream began shows that it is still under way.
    daemon.get("/v1/me").await;
    collector.until("a request beside it", |span| span.name == "GET /v1/me").await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE), "{:#?}", collector.spans());
    drop(stream);
    let of_trace = |name: &'static str| move |span: &Span| span.trace == TRACE && span.name == name;
    let request = collector.until("the request", of_trace("GET /i/{instance_id}/mcp")).await;
    let call = collector.until("the call", of_trace("GET")).await;
    is_within(&call, &request);
    assert!(call.to <= request.to && !call.failed, "{call:#?} {request:#?}");
}
