//! Instances over the API, from creation to deletion, on real processes.

use std::collections::HashSet;

use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::{ended, is_alive, signal};

async fn wait(daemon: &Daemon, token: &str, id: &str, status: &str) -> Value {
    let answer =
        daemon.get(&format!("/v1/instances/{id}/wait?status={status}&timeout_seconds=60"), token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

fn pid(instance: &Value) -> u32 {
    instance["process_id"].as_u64().expect("it has a process").try_into().unwrap()
}

fn id(instance: &Value) -> &str {
    instance["id"].as_str().unwrap()
}

async fn order(daemon: &Daemon, token: &str, id: &str, what: &str) -> Answer {
    daemon.send(daemon.request(Method::POST, &format!("/v1/instances/{id}/{what}"), token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_from_creation_to_deletion() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &user).await;
    let id = id(&made);
    assert!(made["access_token"].as_str().unwrap().starts_with("mmcp_inst_"));
    assert_eq!(made["access_url"], daemon.url(&format!("/i/{id}/mcp")));
    assert_eq!(made["generation"], 1);
    let first = pid(&made);
    assert!(is_alive(first));

    // The JSON holds exactly the fields of the contract.
    let shown = daemon.get(&format!("/v1/instances/{id}"), &user).await.json();
    let fields: HashSet<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let contract = "id name user_id mcp_type status status_reason generation process_id assigned_port access_url \
        direct_url created_at started_at expires_at stopped_at restored_at last_checked_at last_accessed_at restarts \
        stats limits last_exit credential_id credentials_exposure config debug";
    assert_eq!(fields, contract.split_whitespace().collect());
    let listed = daemon.get("/v1/instances?status=running", &user).await.json();
    assert_eq!(listed["items"][0]["id"], made["id"]);

    // Killed, it comes back by itself as the next generation.
    signal(first, "KILL");
    ended(first).await;
    let back = daemon.supervision.wait_until(id.parse().unwrap(), crate::ground::PATIENCE, |snapshot| {
        snapshot.run.0 == 2 && snapshot.status == minimcp_actors::state::Status::Running
    });
    assert!(back.await.unwrap().1);
    let back = daemon.get(&format!("/v1/instances/{id}"), &user).await.json();
    assert_eq!(back["last_exit"]["signal"], 9);
    assert_eq!(back["restarts"]["total"], 1);

    // A commanded restart spends nothing.
    assert_eq!(order(&daemon, &user, id, "restart").await.status, StatusCode::OK);
    let again = daemon.supervision.wait_until(id.parse().unwrap(), crate::ground::PATIENCE, |snapshot| {
        snapshot.run.0 == 3 && snapshot.status == minimcp_actors::state::Status::Running
    });
    assert!(again.await.unwrap().1);

    assert_eq!(order(&daemon, &user, id, "restore").await.code(), "not_disconnected");
    let stopping = order(&daemon, &user, id, "stop").await;
    assert_eq!(stopping.status, StatusCode::OK);
    let stopped = wait(&daemon, &user, id, "stopped").await;
    assert!(stopped["stopped_at"].is_string() && stopped["process_id"].is_null());
    assert_eq!(order(&daemon, &user, id, "stop").await.status, StatusCode::OK, "it is stopped already");

    assert_eq!(order(&daemon, &user, id, "restart").await.status, StatusCode::OK);
    let running = wait(&daemon, &user, id, "running").await;
    let last = pid(&running);
    let deleted = daemon.send(daemon.request(Method::DELETE, &format!("/v1/instances/{id}"), &user)).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert!(!is_alive(last), "deletion waits for the end");
    assert_eq!(daemon.get(&format!("/v1/instances/{id}"), &user).await.code(), "instance_not_found");
    let logs = daemon.settings.data_dir.join("logs/users");
    let left: Vec<_> = walk(&logs).into_iter().filter(|path| path.contains(id)).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn walk(directory: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        found.push(path.display().to_string());
        found.extend(walk(&path));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_others_is_not_there() {
    let daemon = Daemon::start().await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let operator = daemon.user("otto", Role::Operator).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &una).await;
    let id = id(&made);
    for path in ["", "/wait", "/logs", "/stats", "/diagnose"] {
        let answer = daemon.get(&format!("/v1/instances/{id}{path}"), &ugo).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::NOT_FOUND, "instance_not_found"),
            "{path}"
        );
        assert_eq!(
            daemon.get(&format!("/v1/instances/{id}{path}"), &operator).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    for what in ["stop", "restart", "token"] {
        assert_eq!(order(&daemon, &ugo, id, what).await.code(), "instance_not_found", "{what}");
        assert_eq!(order(&daemon, &operator, id, what).await.code(), "forbidden", "{what}");
    }
    assert_eq!(order(&daemon, &ugo, id, "restore").await.code(), "forbidden", "the guide asks for 403 here");
    let extend = json!({"expiration_minutes": 5});
    assert_eq!(
        daemon.post(&format!("/v1/instances/{id}/extend"), &ugo, &extend).await.code(),
        "instance_not_found"
    );
    let delete = daemon.request(Method::DELETE, &format!("/v1/instances/{id}"), &ugo);
    assert_eq!(daemon.send(delete).await.code(), "instance_not_found");
    assert_eq!(daemon.get("/v1/instances", &ugo).await.json()["items"], json!([]));
    assert_eq!(daemon.get("/v1/instances", &operator).await.json()["items"].as_array().unwrap().len(), 1);
    let owner = made["user_id"].as_str().unwrap();
    assert_eq!(daemon.get(&format!("/v1/instances?user_id={owner}"), &ugo).await.json()["items"], json!([]));
}

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

#[tokio::test(flavor = "multi_thread")]
async fn leases_move_and_tokens_are_replaced() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &user).await;
    let path = format!("/v1/instances/{}", id(&made));
    let extend = |body: Value| {
        let (daemon, path, user) = (&daemon, format!("{path}/extend"), &user);
        async move { daemon.post(&path, user, &body).await }
    };
    let later = extend(json!({"expires_at": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(later.code(), "lease_in_past");
    assert_eq!(extend(json!({})).await.code(), "lease_missing");
    let later = extend(json!({"expiration_minutes": 600})).await;
    assert_eq!(later.status, StatusCode::OK, "{later:?}");
    assert!(later.json()["expires_at"].as_str() > made["expires_at"].as_str());

    let soon = chrono::Utc::now() + std::time::Duration::from_secs(1);
    assert_eq!(extend(json!({"expires_at": soon})).await.status, StatusCode::OK);
    let expired = wait(&daemon, &user, id(&made), "expired").await;
    assert!(expired["stopped_at"].is_string());
    assert_eq!(extend(json!({"expiration_minutes": 5})).await.code(), "lease_ended");
    assert_eq!(order(&daemon, &user, id(&made), "restart").await.code(), "lease_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_credentials_reach_the_servers_that_use_them() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    daemon
        .add_type(&json!({
            "name": "keyed", "display_name": "Keyed", "server_script": "faulty/index.mjs", "args": ["env"],
            "credential_fields": {"required": ["api_key"]}, "env_map": {"api_key": "API_KEY"},
            "credential_handover": "environment"
        }))
        .await;
    let body = json!({"mcp_type": "keyed", "name": "mine", "fields": {"api_key": "the-first-secret"}});
    let credential = daemon.post("/v1/credentials", &user, &body).await.json();
    let path = format!("/v1/credentials/{}", credential["id"].as_str().unwrap());
    let body = json!({"mcp_type": "keyed", "credential_id": credential["id"]});
    let made = daemon.post("/v1/instances?wait=running", &user, &body).await.json();
    let environment = |instance: &Value| {
        let port = instance["assigned_port"].as_u64().unwrap().try_into().unwrap();
        async move { crate::ground::get(port, "/env").await["env"].clone() }
    };
    assert_eq!(environment(&made).await["API_KEY"], "the-first-secret");

    let replaced = daemon
        .send(
            daemon
                .request(Method::PUT, &path, &user)
                .json(&json!({"fields": {"api_key": "the-second-secret"}})),
        )
        .await;
    assert_eq!(replaced.status, StatusCode::OK, "{replaced:?}");
    let renewed =
        daemon.supervision.wait_until(id(&made).parse().unwrap(), crate::ground::PATIENCE, |snapshot| {
            snapshot.run.0 == 2 && snapshot.status == minimcp_actors::state::Status::Running
        });
    assert!(renewed.await.unwrap().1);
    let renewed = daemon.get(&format!("/v1/instances/{}", id(&made)), &user).await;
    assert!(!renewed.text.contains("secret"), "{renewed:?}");
    let environment = environment(&renewed.json()).await;
    assert_eq!(environment["API_KEY"], "the-second-secret");
    assert!(environment.as_object().unwrap().keys().all(|name| !name.starts_with("MINIMCP_")));

    let delete = |path: String| daemon.send(daemon.request(Method::DELETE, &path, &user));
    assert_eq!(delete(path.clone()).await.code(), "credential_in_use");
    let with = format!("/v1/instances/{}?delete_credential=true", id(&made));
    assert_eq!(delete(with).await.status, StatusCode::NO_CONTENT);
    assert_eq!(daemon.get(&path, &user).await.code(), "credential_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_where_a_reader_left_off_and_only_the_own_ones_are_told() {
    let daemon = Daemon::start().await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let mcp_type = daemon.faulty(&["ok"]).await;
    let mut live = daemon.request(Method::GET, "/v1/events", &una).send().await.unwrap();
    let made = daemon.running(&mcp_type, &una).await;
    daemon.running(&mcp_type, &ugo).await;

    let mut text = String::new();
    while !text.contains("\"to\":\"running\"") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, live.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let seen = events(&text);
    assert!(seen.iter().all(|(_, event)| event["instance_id"] == made["id"]), "{seen:?}");
    let statuses: Vec<&str> = seen.iter().filter_map(|(_, event)| event["to"].as_str()).collect();
    assert_eq!(statuses.last(), Some(&"running"));
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));

    order(&daemon, &una, id(&made), "stop").await;
    wait(&daemon, &una, id(&made), "stopped").await;
    let resume = daemon.request(Method::GET, "/v1/events", &una).header("last-event-id", seen[0].0);
    let mut resumed = resume.send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\"to\":\"stopped\"") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, resumed.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let resumed = events(&text);
    assert!(resumed[0].0 > seen[0].0, "the one that was seen does not come again");
    assert_eq!(resumed[0], seen[1], "and nothing is left out");

    let all = daemon.get("/v1/events?follow=false", &daemon.admin).await;
    let owners: HashSet<String> =
        events(&all.text).iter().map(|(_, event)| event["user_id"].to_string()).collect();
    assert_eq!(owners.len(), 2, "an administrator sees everybody's");
    let wrong =
        daemon.send(daemon.request(Method::GET, "/v1/events", &una).header("last-event-id", "x")).await;
    assert_eq!(wrong.code(), "invalid_header");
}

/// The events of a stream's text with their ids.
fn events(text: &str) -> Vec<(i64, Value)> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
            events.push((id.parse().unwrap(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_stats_diagnosis_actors_and_metrics_tell_what_goes_on() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &user).await;
    let path = format!("/v1/instances/{}", id(&made));

    let mut follow = daemon
        .request(Method::GET, &format!("{path}/logs?stream=stdout&follow=true"), &user)
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("faulty ok listening") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, follow.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let logs = daemon.get(&format!("{path}/logs?stream=stdout&tail=5"), &user).await;
    assert!(logs.text.starts_with("faulty ok listening"), "{logs:?}");
    let both = daemon.get(&format!("{path}/logs"), &user).await;
    assert!(both.text.contains("stdout: faulty ok listening"), "{both:?}");
    assert_eq!(daemon.get(&format!("{path}/logs?stream=../x"), &user).await.code(), "invalid_query");

    let sampled = daemon.supervision.clone();
    let uuid = id(&made).parse().unwrap();
    crate::ground::eventually("it is measured", || !sampled.registry().trend(uuid, None).is_empty()).await;
    let stats = daemon.get(&format!("{path}/stats"), &user).await.json();
    assert!(stats["samples"][0]["memory_bytes"].as_u64().unwrap() > 1_000_000, "{stats}");
    let since = daemon.get(&format!("{path}/stats?since=2999-01-01T00:00:00Z"), &user).await.json();
    assert_eq!(since["samples"], json!([]));

    let diagnosis = daemon.get(&format!("{path}/diagnose"), &user).await.json();
    assert_eq!(diagnosis["healthy"], true, "{diagnosis}");
    assert!(diagnosis["checks"].as_array().unwrap().len() >= 5);
    order(&daemon, &user, id(&made), "stop").await;
    wait(&daemon, &user, id(&made), "stopped").await;
    let diagnosis = daemon.get(&format!("{path}/diagnose"), &user).await.json();
    assert_eq!(diagnosis["healthy"], false);
    assert!(diagnosis["next_steps"][0].as_str().unwrap().contains("restart"), "{diagnosis}");

    let actors = daemon.get("/v1/actors", &daemon.admin).await.json();
    let paths: HashSet<&str> =
        actors["items"].as_array().unwrap().iter().filter_map(|actor| actor["path"].as_str()).collect();
    assert!(paths.contains("/supervisor") && paths.contains("/journal"), "{paths:?}");
    let supervisor = daemon.get("/v1/actors/supervisor", &daemon.admin).await.json();
    assert!(supervisor["items"][0]["messages_handled"].as_u64().unwrap() > 0);
    assert_eq!(daemon.get("/v1/actors/nobody", &daemon.admin).await.code(), "actor_not_found");

    let metrics = daemon.get("/metrics", &daemon.admin).await.text;
    for line in [
        format!("minimcp_instances{{status=\"stopped\",mcp_type=\"{mcp_type}\"}} 1"),
        "minimcp_transitions_total{to=\"running\",".into(),
        "minimcp_start_seconds_count 1".into(),
        "minimcp_http_answers_total{class=\"2xx\"}".into(),
        "# EOF".into(),
    ] {
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
    let ready = daemon.get("/readyz", "").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::OK, &json!(true)));
}
