//! What must not be in any span.

use reqwest::Method;
use serde_json::{Value, json};

use super::{SERVER, TRACE, admin, answered, created, mcp, message, request, traceparent};
use crate::collector::{Collector, Reply};
use crate::process::{Daemon, id};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_span_and_log_lines_name_their_trace() {
    let collector = Collector::start(Reply::Take).await;
    let daemon = Daemon::with(&[&collector.setting()], &[]).await;
    daemon
        .add_type(
            "name = 'keyed'\ndisplay_name = 'X'\nserver_script = 'faulty/index.mjs'\nargs = ['ok']\n\
             env_map = { token = 'TOKEN' }\n[credential_fields]\nrequired = ['token']\n\
             [health_check]\nendpoint = '/health'\n",
        )
        .await;
    let secret = |name: &str| format!("hush-{name}-{:032x}", fastrand::u128(..));
    let (credential, query, body, path, tool, made_up) = (
        secret("credential"),
        secret("query"),
        secret("body"),
        secret("path"),
        secret("tool"),
        secret("word"),
    );
    let token = admin(&daemon);
    let fields = json!({"mcp_type": "keyed", "name": "work", "fields": {"token": credential}});
    let set = answered(request(&daemon, Method::POST, "/v1/credentials", &token).json(&fields)).await;
    assert_eq!(set.0, 201, "{set:?}");
    let made =
        created(&daemon, &json!({"mcp_type": "keyed", "credential_id": set.1["id"]}), |asked| asked).await;
    let given = made["access_token"].as_str().unwrap();
    let endpoint = format!("/i/{}/mcp", id(&made));
    let call = message("tools/call", json!({"name": tool, "arguments": {"text": body}}));
    assert_eq!(answered(mcp(&daemon, &made, &call)).await.0, 200);
    for (method, path, expected) in [
        // What the server makes of these is its own business.
        (Method::POST, format!("{endpoint}/{path}?key={query}"), 404),
        (Method::from_bytes(made_up.to_uppercase().as_bytes()).unwrap(), endpoint.clone(), 400),
        (Method::GET, format!("/v1/instances/{path}"), 400),
        (Method::GET, format!("/{path}?key={query}"), 404),
        (Method::DELETE, format!("/v1/credentials/{path}"), 400),
    ] {
        let token = if path.starts_with("/i/") { given } else { &token };
        let asked = request(&daemon, method, &path, token)
            .header("mcp-session-id", &made_up)
            .header("mcp-method", &made_up)
            .header("mcp-protocol-version", &made_up)
            .header("tracestate", format!("v={made_up}"))
            .header("baggage", format!("v={made_up}"))
            .header("cookie", &made_up)
            .header("user-agent", &made_up);
        assert_eq!(answered(asked).await.0, expected, "{path}");
    }
    assert_eq!(answered(request(&daemon, Method::GET, "/v1/me", &secret("token"))).await.0, 401);

    // A log line of a request names its trace.
    daemon.faulty("rubbish", &["garbage"]).await;
    let end =
        Daemon::send(&daemon, "POST", "/v1/instances", Some(json!({"mcp_type": "rubbish"}))).await.json();
    let asked = mcp(&daemon, &end, &call).header("traceparent", traceparent(TRACE, true));
    assert!(answered(asked).await.0 >= 500);
    daemon.logged("a request did not get through the gateway").await;
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("did not get through the gateway")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace_id"], TRACE, "{line}");
    let failed =
        collector.until("the request that failed", |span| span.trace == TRACE && span.kind == SERVER).await;
    assert!(failed.failed && !failed.says("error.type").is_empty(), "{failed:#?}");
    let said = failed.says("http.response.header.x-request-id");
    assert!(said.contains(line["request_id"].as_str().unwrap()), "{failed:#?} {line}");

    let raw: Vec<u8> = collector.arrived().into_iter().flat_map(|arrived| arrived.raw).collect();
    assert!(memchr::memmem::find(&raw, id(&made).as_bytes()).is_some(), "the search finds what is there");
    for secret in [&credential, &query, &body, &path, &tool, &made_up, &token, given] {
        for shape in [secret.to_owned(), secret.to_uppercase()] {
            assert!(memchr::memmem::find(&raw, shape.as_bytes()).is_none(), "{secret}");
        }
    }
    assert!(memchr::memmem::find(&raw, b"hush").is_none());
}
