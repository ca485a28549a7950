//! What the daemon does with requests that are not as they should be, before any of them means anything.

use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::daemon::Daemon;
use crate::ground::PATIENCE;

fn status_of(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_slow_large_or_many_lined_are_not_waited_for() {
    let bounds = Bounds { head_timeout: Duration::from_millis(300), ..Bounds::default() };
    let daemon = Daemon::with(&[], bounds).await;
    let host = daemon.settings.listen;

    let mut slow = daemon.connect().await;
    slow.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Slow: ").as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, slow.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection was kept open");
    assert_ne!(status_of(&String::from_utf8_lossy(&rest)), Some(200));

    let lines = "X-Line: 1\r\n".repeat(70);
    let answer = daemon.raw(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n").as_bytes()).await;
    assert_eq!(status_of(&answer), Some(431), "{answer}");
    let long = "x".repeat(40_000);
    let answer = daemon
        .raw(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n").as_bytes())
        .await;
    assert_eq!(status_of(&answer), Some(431), "{answer}");
    let answer = daemon.raw(b"this is not HTTP\r\n\r\n").await;
    assert_eq!(status_of(&answer), Some(400), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_host_of_ours_and_no_foreign_origin_is_answered() {
    let daemon = Daemon::start().await;
    let host = daemon.settings.listen;
    let port = host.port();
    let ours = format!("Host: {host}");
    for path in ["/healthz", "/v1/me", "/i/0190b2a0-7c3e-7000-8000-000000000000/mcp"] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            for (lines, expected) in [
                (format!("{ours}\r\n{ours}"), 400),
                (String::from("X: y"), 400),
                (String::from("Host: evil.example"), 403),
                (format!("Host: localhost.evil.example:{port}"), 403),
                (String::from("Host: 127.0.0.1:1"), 403),
                (format!("{ours}\r\nOrigin: http://evil.example"), 403),
                (format!("{ours}\r\nOrigin: null"), 403),
                (format!("{ours}\r\nOrigin: http://localhost:1"), 403),
            ] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\n{lines}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                );
                let answer = daemon.raw(request.as_bytes()).await;
                assert_eq!(status_of(&answer), Some(expected), "{request}{answer}");
                assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
            }
        }
    }
    let own = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status_of(&daemon.raw(own.as_bytes()).await), Some(200));
    let absolute = format!("GET http://evil.example/healthz HTTP/1.1\r\n{ours}\r\nConnection: close\r\n\r\n");
    assert_eq!(status_of(&daemon.raw(absolute.as_bytes()).await), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_too_deep_or_no_json_are_refused() {
    let daemon = Daemon::start().await;
    let host = daemon.settings.listen;
    let post = |body: String, kind: &'static str| {
        daemon.send(
            daemon
                .request(Method::POST, "/v1/instances", &daemon.admin)
                .header("content-type", kind)
                .body(body),
        )
    };
    let json = "application/json";
    assert_eq!(post("x".repeat(300_000), json).await.code(), "body_too_large");
    assert_eq!(post("{".into(), json).await.code(), "malformed_json");
    assert_eq!(post("[".repeat(200_000), json).await.code(), "malformed_json");
    assert_eq!(post("{\"config\":".repeat(20_000), json).await.code(), "malformed_json");
    assert_eq!(post("{}".into(), "text/plain").await.code(), "unsupported_media_type");
    assert_eq!(post("[]".into(), json).await.code(), "invalid_body");
    let unknown = post(json!({"mcp_type": "x", "command": "sh"}).to_string(), json).await;
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "unknown_field")
    );
    assert_eq!(unknown.json()["errors"][0]["pointer"], "/command");

    // In pieces, without a length: refused as soon as it is too much.
    let admin = &daemon.admin;
    let head = format!(
        "POST /v1/instances HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {admin}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let answer = daemon.raw(format!("{head}{}", piece.repeat(5)).as_bytes()).await;
    assert_eq!(status_of(&answer), Some(413), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let daemon = Daemon::with(&["http.request-timeout=1s"], Bounds::default()).await;
    let (host, admin) = (daemon.settings.listen, &daemon.admin);
    let request = format!(
        "POST /v1/instances HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {admin}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    let answer = daemon.raw(request.as_bytes()).await;
    assert_eq!(status_of(&answer), Some(408), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_routes_that_are_not_there_say_what_is() {
    let daemon = Daemon::start().await;
    let admin = &daemon.admin;
    let wrong = daemon.send(daemon.request(Method::PUT, "/v1/instances", admin)).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
    assert_eq!(wrong.headers["allow"], "GET, POST, HEAD, OPTIONS");
    let options = daemon.send(daemon.request(Method::OPTIONS, "/healthz", "")).await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    assert_eq!(options.headers["allow"], "GET, HEAD, OPTIONS");
    let head = daemon.send(daemon.request(Method::HEAD, "/healthz", "")).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    for path in [
        "/nothing",
        "/v1/nothing",
        "/register",
        "/.well-known/oauth-protected-resource",
        "/.well-known/openid-configuration",
    ] {
        let missing = daemon.get(path, if path.starts_with("/v1") { admin } else { "" }).await;
        assert_eq!(
            (missing.status, missing.code().as_str()),
            (StatusCode::NOT_FOUND, "route_not_found"),
            "{path}"
        );
        assert!(!missing.headers.contains_key("www-authenticate"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_holds_nothing_is_told_and_many_tries_are_slowed_down() {
    let daemon = Daemon::start().await;
    for path in ["/v1/me", "/v1/nothing", "/metrics", "/v1/instances/x/logs"] {
        let answer = daemon.get(path, "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNAUTHORIZED, "unauthorized"),
            "{path}"
        );
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"minimcp\"");
    }
    let mut wrong = daemon.admin.clone();
    wrong.replace_range(9..10, if &wrong[9..10] == "a" { "b" } else { "a" });
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(daemon.get("/v1/me", &wrong).await);
    }
    let last = answers.last().unwrap();
    assert_eq!((last.status, last.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    assert!(last.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let good = daemon.get("/v1/me", &daemon.admin).await;
    assert_eq!(good.status, StatusCode::OK, "one broken client does not lock out the others");
    assert_eq!(good.headers["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_bound_what_may_be_read_and_changed() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let operator = daemon.user("otto", Role::Operator).await;
    for path in ["/metrics", "/v1/actors"] {
        assert_eq!(daemon.get(path, &user).await.code(), "forbidden", "{path}");
        assert_eq!(daemon.get(path, &operator).await.status, StatusCode::OK, "{path}");
    }
    let create = json!({"mcp_type": "nothing"});
    assert_eq!(daemon.post("/v1/instances", &operator, &create).await.code(), "forbidden");
    assert_eq!(daemon.post("/v1/types", &user, &create).await.code(), "forbidden");
    let me = daemon.get("/v1/me", &user).await.json();
    assert_eq!((me["name"].as_str(), me["role"].as_str()), (Some("una"), Some("user")));
    assert_eq!(me["usage"]["instances"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_do_not_hold_up_the_end() {
    let mut daemon = Daemon::start().await;
    let request = daemon.request(Method::GET, "/v1/events", &daemon.admin);
    let mut events = request.send().await.unwrap();
    assert_eq!(events.status(), StatusCode::OK);
    assert!(daemon.stop_serving(Duration::from_secs(5)).await, "the stream was waited for");
    while events.chunk().await.unwrap().is_some() {}
}
