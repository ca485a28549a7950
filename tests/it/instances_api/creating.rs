//! Requests that make an instance, and what becomes of those that cannot.

use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::id;
use crate::daemon::Daemon;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_wrong_request_has_a_code_of_its_own() {
    let daemon = Daemon::start().await;
    let (user, other) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let plain = daemon.faulty(&["ok"]).await;
    for (name, script) in [("keyed", "faulty/index.mjs"), ("gone", "nothing/index.mjs")] {
        let fields = if name == "keyed" {
            json!({"required": ["api_key"], "optional": ["size"], "field_types": {"size": "number"}})
        } else {
            json!({})
        };
        daemon
            .add_type(&json!({
                "name": name, "display_name": name, "server_script": script, "args": ["ok"],
                "credential_fields": fields, "config_template": {"size": 1}, "resource_limits": {"max_memory_mb": 256}
            }))
            .await;
    }
    let credential =
        json!({"mcp_type": "keyed", "name": "mine", "fields": {"api_key": "a-secret-of-some-length"}});
    let mine = daemon.post("/v1/credentials", &user, &credential).await;
    assert_eq!(mine.status, StatusCode::CREATED, "{mine:?}");
    assert!(!mine.text.contains("a-secret"), "{mine:?}");
    let theirs = daemon.post("/v1/credentials", &other, &credential).await.json();
    let (mine, theirs) = (mine.json()["id"].clone(), theirs["id"].clone());

    let past = "2020-01-01T00:00:00Z";
    for (body, status, code, pointer) in [
        (json!({"mcp_type": "nothing"}), 422, "unknown_type", "/mcp_type"),
        (json!({"mcp_type": "gone"}), 422, "script_not_found", "/mcp_type"),
        (json!({"mcp_type": "keyed"}), 422, "credential_required", "/credential_id"),
        (json!({"mcp_type": "keyed", "credential_id": theirs}), 422, "unknown_credential", "/credential_id"),
        (
            json!({"mcp_type": plain, "credential_id": mine}),
            422,
            "credential_type_mismatch",
            "/credential_id",
        ),
        (json!({"mcp_type": plain, "credential_id": "x"}), 422, "invalid_body", "/credential_id"),
        (json!({"mcp_type": plain, "expires_at": past}), 422, "lease_in_past", "/expires_at"),
        (
            json!({"mcp_type": plain, "expires_at": "9999-01-01T00:00:00Z"}),
            422,
            "lease_too_long",
            "/expires_at",
        ),
        (
            json!({"mcp_type": plain, "expiration_minutes": 5, "expires_at": past}),
            422,
            "lease_ambiguous",
            "/expires_at",
        ),
        (json!({"mcp_type": plain, "expiration_minutes": "5"}), 422, "invalid_body", "/expiration_minutes"),
        (json!({"mcp_type": plain, "env": {"NODE_OPTIONS": "x"}}), 422, "unknown_field", "/env"),
        (
            json!({"mcp_type": "keyed", "credential_id": mine, "config": {"other": 1}}),
            422,
            "invalid_config",
            "/config/other",
        ),
        (
            json!({"mcp_type": "keyed", "credential_id": mine, "config": {"size": "x"}}),
            422,
            "invalid_config",
            "/config/size",
        ),
        (
            json!({"mcp_type": "keyed", "credential_id": mine, "limits": {"max_memory_mb": 512}}),
            422,
            "invalid_limits",
            "/limits/max_memory_mb",
        ),
    ] {
        let answer = daemon.post("/v1/instances?wait=running", &user, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body} {answer:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{answer:?}");
        assert!(!answer.text.contains(daemon.settings.data_dir.to_str().unwrap()), "no path: {answer:?}");
    }
    for (fields, code) in [
        (json!({}), "credential_field_missing"),
        (json!({"api_key": "k", "x": "v4lue"}), "credential_field_unknown"),
        (json!({"api_key": "k", "size": "v4lue"}), "credential_field_invalid"),
    ] {
        let body = json!({"mcp_type": "keyed", "name": "another", "fields": fields});
        let answer = daemon.post("/v1/credentials", &user, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, code));
        assert!(!answer.text.contains("v4lue"));
    }
    assert_eq!(daemon.post("/v1/credentials", &user, &credential).await.code(), "exists");
    assert_eq!(daemon.get("/v1/instances/not-an-id", &user).await.code(), "invalid_id");
    assert_eq!(daemon.get("/v1/instances?limit=many", &user).await.code(), "invalid_query");
    assert_eq!(daemon.get("/v1/instances?page=2", &user).await.code(), "invalid_query");
    assert_eq!(daemon.get("/v1/instances", &user).await.json()["items"], json!([]), "nothing of it was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_start_leaves_nothing_but_the_reason() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let exits = daemon.faulty(&["exit", "7"]).await;
    daemon
        .add_type(&json!({
            "name": "mute", "display_name": "Mute", "server_script": "faulty/index.mjs", "args": ["mute"],
            "health_check": {"endpoint": "/health", "start_timeout_seconds": 1}
        }))
        .await;
    let answer = daemon.post("/v1/instances?wait=running", &user, &json!({"mcp_type": exits})).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_GATEWAY, "start_failed"),
        "{answer:?}"
    );
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("exit code 7") && detail.contains("faulty: exits as asked"), "{detail}");

    let answer = daemon.post("/v1/instances?wait=running", &user, &json!({"mcp_type": "mute"})).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_GATEWAY, "never_ready"),
        "{answer:?}"
    );
    assert_eq!(daemon.get("/v1/instances", &user).await.json()["items"], json!([]));
    assert!(daemon.supervision.registry().all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_range_of_ports_refuses_the_next_and_keeps_no_row() {
    let daemon = Daemon::with(&["ports=29990-29991"], minimcp::http::Bounds::default()).await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let first = daemon.running(&mcp_type, &user).await;
    daemon.running(&mcp_type, &user).await;
    let refused = daemon.post("/v1/instances", &user, &json!({"mcp_type": mcp_type})).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "ports_exhausted")
    );
    assert!(refused.headers.contains_key("retry-after"));
    let listed = daemon.get("/v1/instances", &user).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let gone = daemon.request(Method::DELETE, &format!("/v1/instances/{}", id(&first)), &user);
    assert_eq!(daemon.send(gone).await.status, StatusCode::NO_CONTENT);
    daemon.running(&mcp_type, &user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_get_the_first_answer_again() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let create = |key: &'static str, body: Value| {
        let request = daemon.request(Method::POST, "/v1/instances", &user).header("idempotency-key", key);
        daemon.send(request.json(&body))
    };
    let body = json!({"mcp_type": mcp_type, "name": "one"});
    // At the same time and one after the other: one instance, one token.
    let (one, two) = tokio::join!(create("k", body.clone()), create("k", body.clone()));
    let three = create("k", body.clone()).await;
    for answer in [&one, &two, &three] {
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert_eq!(answer.json()["id"], one.json()["id"]);
        assert_eq!(answer.json()["access_token"], one.json()["access_token"]);
    }
    let other = create("k", json!({"mcp_type": mcp_type, "name": "two"})).await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::CONFLICT, "idempotency_conflict"));
    assert_eq!(daemon.get("/v1/instances", &user).await.json()["items"].as_array().unwrap().len(), 1);

    let made = one.json();
    let delete = daemon.request(Method::DELETE, &format!("/v1/instances/{}", id(&made)), &user);
    assert_eq!(daemon.send(delete).await.status, StatusCode::NO_CONTENT);
    assert_eq!(create("k", body).await.code(), "idempotency_conflict", "what it made is gone");

    // What could not be started was taken back, so the same key may try again.
    let exits = daemon.faulty(&["exit", "3"]).await;
    for _ in 0..2 {
        let request =
            daemon.request(Method::POST, "/v1/instances?wait=running", &user).header("idempotency-key", "l");
        assert_eq!(daemon.send(request.json(&json!({"mcp_type": exits}))).await.code(), "start_failed");
    }
}
