//! MCP traffic through the gateway, to real servers.

mod bounds;
mod exact;
mod sleeping;
mod wire;

use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::{PATIENCE, eventually, get, is_alive, signal};

/// A daemon with one running instance of a user.
struct Scene {
    daemon: Daemon,
    user: String,
    instance: Value,
    token: String,
}

impl Scene {
    async fn new(mode: &[&str]) -> Self {
        Self::with(mode, &[]).await
    }

    async fn with(mode: &[&str], set: &[&str]) -> Self {
        let daemon = Daemon::with(set, Bounds::default()).await;
        let user = daemon.user("una", Role::User).await;
        let name = format!("faulty-{}", mode[0]);
        // A port that accepts is all that some of them can show.
        let kind = if matches!(mode[0], "ok" | "sse") { "http" } else { "tcp" };
        let endpoint = (kind == "http").then_some("/health");
        let definition = json!({
            "name": name, "display_name": "Faulty", "server_script": "faulty/index.mjs", "args": mode,
            "health_check": {"kind": kind, "endpoint": endpoint}
        });
        daemon.add_type(&definition).await;
        let instance = daemon.running(&name, &user).await;
        let token = instance["access_token"].as_str().unwrap().to_owned();
        Self { daemon, user, instance, token }
    }

    fn id(&self) -> &str {
        self.instance["id"].as_str().unwrap()
    }

    fn port(&self) -> u16 {
        self.instance["assigned_port"].as_u64().unwrap().try_into().unwrap()
    }

    fn pid(&self) -> u32 {
        self.instance["process_id"].as_u64().unwrap().try_into().unwrap()
    }

    /// A request to the MCP endpoint; `rest` is what comes behind it.
    fn mcp(&self, method: Method, rest: &str, token: &str) -> reqwest::RequestBuilder {
        self.daemon.request(method, &format!("/i/{}/mcp{rest}", self.id()), token)
    }

    async fn call(&self, method: Method, rest: &str, body: &str) -> Answer {
        self.daemon.send(self.mcp(method, rest, &self.token).body(body.to_owned())).await
    }

    async fn order(&self, what: &str, body: &Value) -> Answer {
        self.daemon.post(&format!("/v1/instances/{}/{what}", self.id()), &self.user, body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_arrives_as_it_was_sent_but_for_what_is_ours() {
    let scene = Scene::new(&["ok"]).await;
    let body =
        "{ \"jsonrpc\":\"2.0\",\"id\":1e0, \"method\":\"tools/call\",\"vendorX\":[1.0,\"\\u00e9\"] }\n";
    let origin = format!("http://{}", scene.daemon.settings.listen);
    let request = scene
        .mcp(Method::POST, "?a=b%20c&a=d", &scene.token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-param-unknown", "=?base64?YQ==?=")
        .header("mcp-method", "tools/call")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("cookie", "a=b")
        .header("origin", origin)
        .body(body);
    let answer = scene.daemon.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["body"], body, "byte for byte");
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["url"], "/mcp?a=b%20c&a=d");
    let headers = &seen["headers"];
    assert_eq!(headers["host"], format!("127.0.0.1:{}", scene.port()));
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
    assert_eq!(headers["mcp-param-unknown"], "=?base64?YQ==?=");
    assert_eq!(headers["x-twice"], "1, 2");
    for ours in ["authorization", "cookie", "origin", "connection"] {
        assert!(headers[ours].is_null() || headers[ours] == "keep-alive", "{ours}: {headers}");
    }
    assert!(!seen.to_string().contains("mmcp_inst_"), "the token does not reach the server");
    let shown = scene.daemon.get(&format!("/v1/instances/{}", scene.id()), &scene.user).await.json();
    assert!(shown["last_accessed_at"].is_string(), "it is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_status_passes_and_the_servers_own_challenge_does_not() {
    let scene = Scene::new(&["ok"]).await;
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = scene.call(method.clone(), "?status=202", "").await;
        assert_eq!(
            (answer.status, &answer.json()["method"]),
            (StatusCode::ACCEPTED, &json!(method.as_str()))
        );
    }
    let shaped = scene
        .call(
            Method::GET,
            "?status=405&header=Allow:POST&header=X-Own:1&header=X-Own:2&header=Set-Cookie:a=b",
            "",
        )
        .await;
    assert_eq!(
        (shaped.status, &shaped.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    assert_eq!(shaped.headers.get_all("x-own").iter().count(), 2);
    assert!(!shaped.headers.contains_key("set-cookie"));
    let challenge =
        scene.call(Method::POST, "?status=401&header=WWW-Authenticate:Bearer%20resource_metadata", "").await;
    assert_eq!((challenge.status, challenge.code().as_str()), (StatusCode::BAD_GATEWAY, "bad_upstream"));
    assert!(!challenge.headers.contains_key("www-authenticate"));
    let below = scene.call(Method::GET, "/below", "").await;
    assert_eq!(
        (below.status, &below.json()["error"]),
        (StatusCode::NOT_FOUND, &json!("not found")),
        "the server's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_the_right_token_nor_out_of_the_endpoint() {
    let scene = Scene::new(&["ok"]).await;
    let stranger = "0190b2a0-7c3e-7000-8000-000000000000";
    let mut mistyped = scene.token.clone();
    mistyped.pop();
    let unknown = scene.daemon.get(&format!("/i/{stranger}/mcp"), &scene.token).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unknown.headers["www-authenticate"], "Bearer realm=\"minimcp\"");
    let other = scene.daemon.running("faulty-ok", &scene.user).await;
    for (n, token) in
        ["", "x", &mistyped, &scene.user, other["access_token"].as_str().unwrap()].into_iter().enumerate()
    {
        // Each from an address of its own, because an address may fail only so often.
        let address: std::net::IpAddr = format!("127.0.3.{}", n + 1).parse().unwrap();
        let client = reqwest::Client::builder().no_proxy().local_address(address).build().unwrap();
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let request = scene.mcp(method, "", token).build().unwrap();
            let answer = client.execute(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(answer.text().await.unwrap(), unknown.text, "like an unknown one");
        }
    }
    let in_query = scene.daemon.get(&format!("/i/{}/mcp?access_token={}", scene.id(), scene.token), "").await;
    assert_eq!(in_query.status, StatusCode::UNAUTHORIZED);

    let (host, id, token) = (scene.daemon.settings.listen, scene.id(), &scene.token);
    for path in ["mcp/../health", "mcp/%2e%2e/health", "mcp/..%5chealth", "health", "mcp/server-card", "mcpx"]
    {
        let request = format!(
            "GET /i/{id}/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        let answer = scene.daemon.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("route_not_found"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_token_ends_at_once_or_after_its_overlap() {
    let scene = Scene::new(&["ok"]).await;
    let answers = |token: &str| scene.daemon.send(scene.mcp(Method::POST, "", token));
    let second = scene.order("token", &json!({"overlap_seconds": 600})).await.json();
    let second = second["access_token"].as_str().unwrap();
    assert_eq!(answers(&scene.token).await.status, StatusCode::OK, "within the overlap");
    assert_eq!(answers(second).await.status, StatusCode::OK);
    let third = scene.order("token", &json!({})).await.json();
    assert_eq!(third["previous_valid_until"], Value::Null);
    assert_eq!(answers(&scene.token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answers(second).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answers(third["access_token"].as_str().unwrap()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_belongs_to_the_token_that_was_given_it() {
    let scene = Scene::new(&["ok"]).await;
    let given = scene.call(Method::POST, "?header=Mcp-Session-Id:abc", "").await;
    assert_eq!(given.headers["mcp-session-id"], "abc");
    let second = scene.order("token", &json!({"overlap_seconds": 600})).await.json();
    let second = second["access_token"].as_str().unwrap();
    let with =
        |token: &str, method| scene.daemon.send(scene.mcp(method, "", token).header("mcp-session-id", "abc"));
    assert_eq!(with(&scene.token, Method::POST).await.status, StatusCode::OK);
    let stolen = with(second, Method::POST).await;
    assert_eq!((stolen.status, stolen.code().as_str()), (StatusCode::NOT_FOUND, "session_not_found"));
    assert_eq!(with(&scene.token, Method::DELETE).await.status, StatusCode::OK);
    assert_eq!(with(second, Method::POST).await.status, StatusCode::OK, "it was ended, the name is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_are_sent_and_a_client_that_leaves_is_noticed() {
    let scene = Scene::new(&["sse"]).await;
    let mut stream = scene.mcp(Method::GET, "", &scene.token).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("\"seq\":3") {
        let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    let state = get(scene.port(), "/sse-state").await;
    assert_eq!((&state["open"], &state["disconnected"]), (&json!(1), &json!(0)));
    let id = scene.id().parse().unwrap();
    let route = scene.daemon.supervision.routes().get(id).unwrap();
    assert_eq!(route.in_flight(), 1, "counted as long as it is under way");
    drop(stream);
    eventually("the stream is counted out", || route.in_flight() == 0).await;
    let closed = async { while get(scene.port(), "/sse-state").await["disconnected"] != 1 {} };
    assert!(tokio::time::timeout(PATIENCE, closed).await.is_ok(), "the server hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_a_restart_waits_for_the_next_run() {
    let scene = Scene::new(&["ok"]).await;
    let id = scene.id().parse().unwrap();
    signal(scene.pid(), "KILL");
    let noticed =
        scene.daemon.supervision.wait_until(id, PATIENCE, |snapshot| snapshot.pid != Some(scene.pid()));
    assert!(noticed.await.unwrap().1);
    let answer = scene.call(Method::POST, "", "hello").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["body"], "hello");
    assert_ne!(seen["pid"], scene.instance["process_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_server_is_woken_by_requests_and_started_once() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let body = json!({"mcp_type": mcp_type, "idle_timeout_seconds": 1});
    let instance = daemon.post("/v1/instances?wait=running", &user, &body).await.json();
    let id = instance["id"].as_str().unwrap();
    let asleep =
        daemon.get(&format!("/v1/instances/{id}/wait?status=hibernated&timeout_seconds=60"), &user).await;
    assert_eq!(asleep.status, StatusCode::OK, "{asleep:?}");
    assert!(!is_alive(instance["process_id"].as_u64().unwrap().try_into().unwrap()));
    let token = instance["access_token"].as_str().unwrap();
    let call = || daemon.send(daemon.request(Method::POST, &format!("/i/{id}/mcp"), token).body("x"));
    let answers = futures::future::join_all((0..100).map(|_| call())).await;
    let (served, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert!(served.len() >= 64, "as many as may be under way at once: {}", served.len());
    assert!(served.iter().all(|answer| answer.json()["pid"] == served[0].json()["pid"]));
    assert!(busy.iter().all(|answer| answer.code() == "instance_busy"), "{busy:?}");
    let shown = daemon.get(&format!("/v1/instances/{id}"), &user).await.json();
    assert_eq!(shown["generation"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_told_in_words() {
    let scene = Scene::with(&["ok"], &["gateway.wait=1s"]).await;
    scene.order("stop", &Value::Null).await;
    let stopped = scene.call(Method::POST, "", "").await;
    assert_eq!((stopped.status, stopped.code().as_str()), (StatusCode::GONE, "instance_not_serving"));

    let daemon = &scene.daemon;
    let mute = daemon.faulty(&["mute"]).await;
    let starting = daemon.post("/v1/instances", &scene.user, &json!({"mcp_type": mute})).await.json();
    let path = format!("/i/{}/mcp", starting["id"].as_str().unwrap());
    let waited = daemon.get(&path, starting["access_token"].as_str().unwrap()).await;
    assert_eq!(
        (waited.status, waited.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "instance_not_ready")
    );
    assert!(waited.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_rates_and_requests_at_once_are_bounded() {
    let scene =
        Scene::with(&["sse"], &["gateway.max-body=1024", "gateway.max-in-flight=1", "gateway.max-rate=5"])
            .await;
    let large = scene.call(Method::POST, "", &"x".repeat(1_025)).await;
    assert_eq!((large.status, large.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    let (host, id, token) = (scene.daemon.settings.listen, scene.id(), &scene.token);
    let head = format!(
        "POST /i/{id}/mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    // The server answers at once and streams, so the daemon may only cut what it had begun.
    let piece = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let answer =
        tokio::time::timeout(PATIENCE, scene.daemon.raw(format!("{head}{}", piece.repeat(3)).as_bytes()))
            .await;
    assert!(answer.is_ok(), "what is too large is not passed on for ever");

    let stream = scene.mcp(Method::GET, "", &scene.token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let busy = scene.call(Method::POST, "", "").await;
    assert_eq!((busy.status, busy.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "instance_busy"));
    let mut last = busy;
    for _ in 0..12 {
        last = scene.call(Method::POST, "", "").await;
    }
    assert_eq!((last.status, last.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    assert!(last.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_breaks_the_protocol_is_a_bad_gateway() {
    for mode in ["reset", "garbage"] {
        let scene = Scene::new(&[mode]).await;
        let answer = scene.call(Method::POST, "", "{}").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_GATEWAY, "bad_upstream"),
            "{mode}"
        );
    }
    let scene = Scene::new(&["truncated"]).await;
    let broken = match scene.mcp(Method::POST, "", &scene.token).send().await {
        Ok(response) => response.bytes().await.is_err(),
        // It broke off before the head was sent on.
        Err(error) => error.is_request(),
    };
    assert!(broken, "a body that breaks off does not look whole");
    let scene = Scene::new(&["endless"]).await;
    let mut response = scene.mcp(Method::POST, "", &scene.token).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    drop(response);
    let route = scene.daemon.supervision.routes().get(scene.id().parse().unwrap()).unwrap();
    eventually("the endless body is let go of", || route.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_let_go_when_the_daemon_ends() {
    let mut scene = Scene::new(&["sse"]).await;
    let mut stream = scene.mcp(Method::GET, "", &scene.token).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert!(scene.daemon.stop_serving(Duration::from_secs(5)).await);
    while stream.chunk().await.unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_let_go_when_their_token_is_replaced() {
    let scene = Scene::new(&["sse"]).await;
    let mut stream = scene.mcp(Method::GET, "", &scene.token).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    let second = scene.order("token", &json!({"overlap_seconds": 600})).await.json();
    assert!(stream.chunk().await.unwrap().is_some(), "its token works for a while");
    scene.order("token", &json!({})).await;
    let rest = async { while stream.chunk().await.unwrap().is_some() {} };
    assert!(tokio::time::timeout(PATIENCE, rest).await.is_ok(), "the stream went on");
    let refused = scene.mcp(Method::GET, "", second["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_turned_away_while_instances_are_brought_back() {
    let scene = Scene::with(&["ok"], &["gateway.wait=2s"]).await;
    scene.daemon.restored.send_replace(false);
    let order = scene.order("restart", &Value::Null).await;
    assert_eq!((order.status, order.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let ready = scene.daemon.get("/readyz", "").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    let early = scene.call(Method::POST, "", "").await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let (waited, _) = tokio::join!(scene.call(Method::POST, "", ""), async {
        scene.daemon.restored.send_replace(true);
    });
    assert_eq!(waited.status, StatusCode::OK);
}
