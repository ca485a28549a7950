//! Instances over the API, from creation to deletion, on real processes.

mod creating;
mod watching;

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
        stats limits last_exit credential_id credentials_exposure isolation \
        config debug";
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
