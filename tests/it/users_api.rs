//! Users and tokens over the API: what administrators do with them, what a token is worth and for how long.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::{PATIENCE, ended, eventually, is_alive};

async fn delete(daemon: &Daemon, path: &str, token: &str) -> Answer {
    daemon.send(daemon.request(Method::DELETE, path, token)).await
}

async fn patch(daemon: &Daemon, path: &str, token: &str, body: &Value) -> Answer {
    daemon.send(daemon.request(Method::PATCH, path, token).json(body)).await
}

/// A new user over the API, with a token: their path and the token.
async fn made(daemon: &Daemon, body: &Value) -> (String, String) {
    let user = daemon.post("/v1/users", &daemon.admin, body).await;
    assert_eq!(user.status, StatusCode::CREATED, "{user:?}");
    let path = user.headers["location"].to_str().unwrap().to_owned();
    let token = daemon.post(&format!("{path}/tokens"), &daemon.admin, &json!({"name": "first"})).await;
    assert_eq!(token.status, StatusCode::CREATED, "{token:?}");
    (path, token.json()["token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_changed_listed_and_deleted() {
    let daemon = Daemon::start().await;
    let admin = &daemon.admin;
    let (path, token) = made(&daemon, &json!({"name": "una", "limits": {"max_instances": 3}})).await;
    let una = daemon.get(&path, admin).await.json();
    assert_eq!((&una["name"], &una["role"]), (&json!("una"), &json!("user")));
    assert_eq!(una["limits"], json!({"max_instances": 3, "max_running": null, "max_credentials": null}));
    assert_eq!(
        una["effective_limits"],
        json!({"max_instances": 3, "max_running": 20, "max_credentials": 100})
    );
    assert_eq!(una["usage"], json!({"instances": 0, "running": 0, "credentials": 0}));
    let me = daemon.get("/v1/me", &token).await.json();
    assert_eq!((&me["id"], &me["limits"]), (&una["id"], &una["effective_limits"]));

    let again = daemon.post("/v1/users", admin, &json!({"name": "una"})).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "exists"));
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "a\nb"}), "/name"),
        (json!({"name": "a\u{0}b"}), "/name"),
        (json!({"name": "x", "role": "king"}), "/role"),
        (json!({"name": "x", "limits": {"max_instances": -1}}), "/limits/max_instances"),
        (json!({"name": "x", "limits": {"max_instances": 4_294_967_296_u64}}), "/limits/max_instances"),
    ] {
        let refused = daemon.post("/v1/users", admin, &body).await;
        assert_eq!(refused.code(), "invalid_body", "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }

    let change =
        json!({"name": "una b", "role": "operator", "limits": {"max_instances": null, "max_running": 0}});
    let changed = patch(&daemon, &path, admin, &change).await.json();
    assert_eq!((&changed["name"], &changed["role"]), (&json!("una b"), &json!("operator")));
    assert_eq!(changed["limits"], json!({"max_instances": null, "max_running": 0, "max_credentials": null}));
    assert_eq!(patch(&daemon, &path, admin, &json!({})).await.json(), changed, "silence changes nothing");
    let back = patch(&daemon, &path, admin, &json!({"limits": null})).await.json();
    assert_eq!(
        back["effective_limits"],
        json!({"max_instances": 50, "max_running": 20, "max_credentials": 100})
    );

    let first = daemon.get("/v1/users?limit=1", admin).await.json();
    assert_eq!(first["items"][0]["name"], "una b", "newest first");
    let next = format!("/v1/users?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = daemon.get(&next, admin).await.json();
    assert_eq!((&second["items"][0]["name"], &second["next_cursor"]), (&json!("root"), &Value::Null));

    assert_eq!(delete(&daemon, &path, admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete(&daemon, &path, admin).await.code(), "user_not_found");
    assert_eq!(daemon.get("/v1/me", &token).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_makes_one_user_and_one_token() {
    let daemon = Daemon::start().await;
    let post = |path: String, body: Value| {
        let request = daemon.request(Method::POST, &path, &daemon.admin).header("idempotency-key", "k");
        daemon.send(request.json(&body))
    };
    let una = json!({"name": "una"});
    let (one, two) =
        tokio::join!(post("/v1/users".into(), una.clone()), post("/v1/users".into(), una.clone()));
    let three = post("/v1/users".into(), una).await;
    assert!(
        one.status == StatusCode::CREATED && one.text == two.text && one.text == three.text,
        "{one:?} {two:?}"
    );
    assert_eq!(post("/v1/users".into(), json!({"name": "ugo"})).await.code(), "idempotency_conflict");

    let (first, second) =
        (made(&daemon, &json!({"name": "a"})).await.0, made(&daemon, &json!({"name": "b"})).await.0);
    let named = json!({"name": "ci"});
    let post = |path: &str, key: &'static str| {
        let request = daemon.request(Method::POST, &format!("{path}/tokens"), &daemon.admin);
        daemon.send(request.header("idempotency-key", key).json(&named))
    };
    let (one, two) = tokio::join!(post(&first, "t"), post(&first, "t"));
    assert!(one.status == StatusCode::CREATED && one.text == two.text, "{one:?} {two:?}");
    let tokens = daemon.get(&format!("{first}/tokens"), &daemon.admin).await.json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 2, "the first and one more");
    assert_eq!(
        post(&second, "t").await.code(),
        "idempotency_conflict",
        "the key was for another user's token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_works_until_it_expires_or_is_revoked() {
    let daemon = Daemon::start().await;
    let (path, own) = made(&daemon, &json!({"name": "una"})).await;
    let (_, other) = made(&daemon, &json!({"name": "ugo"})).await;
    let tokens = format!("{path}/tokens");
    let past = daemon.post(&tokens, &own, &json!({"name": "x", "expires_at": Utc::now()})).await;
    assert_eq!(past.json()["errors"][0]["pointer"], "/expires_at");
    let end = Utc::now() + TimeDelta::days(90);
    let ci = daemon.post(&tokens, &own, &json!({"name": "ci", "expires_at": end})).await;
    assert_eq!(ci.status, StatusCode::CREATED, "a user makes tokens of their own: {ci:?}");
    let ci = ci.json();
    let text = ci["token"].as_str().unwrap();
    assert!(text.starts_with("mmcp_api_") && text.ends_with(ci["hint"].as_str().unwrap()));

    let listed = daemon.get(&tokens, &own).await;
    assert!(!listed.text.contains("mmcp_"), "{listed:?}");
    let names: Vec<Value> =
        listed.json()["items"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    assert_eq!(names, ["ci", "first"]);
    for refused in
        [daemon.get(&tokens, &other).await, daemon.post(&tokens, &other, &json!({"name": "mine"})).await]
    {
        assert_eq!(refused.code(), "user_not_found");
    }
    let ci_path = format!("/v1/tokens/{}", ci["id"].as_str().unwrap());
    assert_eq!(delete(&daemon, &ci_path, &other).await.code(), "token_not_found");

    assert_eq!(daemon.get("/v1/me", text).await.status, StatusCode::OK);
    assert_eq!(delete(&daemon, &ci_path, &own).await.status, StatusCode::NO_CONTENT);
    assert_eq!(daemon.get("/v1/me", text).await.code(), "unauthorized", "at once");
    assert_eq!(delete(&daemon, &ci_path, &own).await.status, StatusCode::NO_CONTENT, "it is revoked already");
    let listed = daemon.get(&tokens, &own).await.json();
    assert!(
        listed["items"][0]["revoked_at"].is_string() && listed["items"][1]["revoked_at"].is_null(),
        "{listed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_tokens_without_end() {
    let daemon = Daemon::start().await;
    let una = daemon.owner(&daemon.user("una", Role::User).await).await;
    for _ in 1..100 {
        daemon.token(una, None).await;
    }
    let tokens = format!("/v1/users/{una}/tokens");
    let refused = daemon.post(&tokens, &daemon.admin, &json!({"name": "x"})).await;
    assert_eq!(refused.code(), "quota_exceeded");
    let newest =
        daemon.get(&tokens, &daemon.admin).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    delete(&daemon, &format!("/v1/tokens/{newest}"), &daemon.admin).await;
    assert_eq!(daemon.post(&tokens, &daemon.admin, &json!({"name": "x"})).await.status, StatusCode::CREATED);
}

/// Reads a stream to its end, which has to come.
async fn to_the_end(mut stream: Response) {
    let reading = async { while stream.chunk().await.unwrap().is_some() {} };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "the stream went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_end_with_what_they_were_opened_by() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let (path, token) = made(&daemon, &json!({"name": "una"})).await;
    let instance = daemon.running(&mcp_type, &token).await;
    let logs = format!("/v1/instances/{}/logs?follow=true", instance["id"].as_str().unwrap());
    let una = daemon.owner(&token).await;
    let open = async |path: &str, token: &str| {
        let stream = daemon.request(Method::GET, path, token).send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        stream
    };

    let (id, spare) = daemon.token(una, None).await;
    let (events, followed) = (open("/v1/events", &spare).await, open(&logs, &spare).await);
    assert_eq!(delete(&daemon, &format!("/v1/tokens/{id}"), &token).await.status, StatusCode::NO_CONTENT);
    to_the_end(events).await;
    to_the_end(followed).await;

    let soon = Utc::now() + TimeDelta::milliseconds(700);
    let events = open("/v1/events", &daemon.token(una, Some(soon)).await.1).await;
    to_the_end(events).await;
    assert!(Utc::now() >= soon, "not before its time");

    let events = open("/v1/events", &token).await;
    patch(&daemon, &path, &daemon.admin, &json!({"role": "operator"})).await;
    to_the_end(events).await;
    let events = open("/v1/events", &token).await;
    delete(&daemon, &format!("{path}?delete_instances=true"), &daemon.admin).await;
    to_the_end(events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_cannot_lock_themselves_out() {
    let daemon = Daemon::start().await;
    let root = format!("/v1/users/{}", daemon.owner(&daemon.admin).await);
    let admin = &daemon.admin;
    let demote = json!({"role": "user"});
    assert_eq!(patch(&daemon, &root, admin, &demote).await.code(), "own_account");
    assert_eq!(delete(&daemon, &root, admin).await.code(), "own_account");
    assert_eq!(patch(&daemon, &root, admin, &json!({"role": "admin"})).await.status, StatusCode::OK);
    let tokens = daemon.get(&format!("{root}/tokens"), admin).await.json();
    let last = format!("/v1/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    let refused = delete(&daemon, &last, admin).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "last_administrator"));

    let (second, token) = made(&daemon, &json!({"name": "ada", "role": "admin"})).await;
    assert_eq!(delete(&daemon, &last, admin).await.status, StatusCode::NO_CONTENT, "another one has a token");
    assert_eq!(daemon.get("/v1/me", admin).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(patch(&daemon, &root, &token, &demote).await.status, StatusCode::OK);
    assert_eq!(delete(&daemon, &root, &token).await.status, StatusCode::NO_CONTENT);
    assert_eq!(patch(&daemon, &second, &token, &demote).await.code(), "own_account");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_instances_is_deleted_only_with_them() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["stubborn"]).await;
    let (path, token) = made(&daemon, &json!({"name": "una"})).await;
    let instances = [daemon.running(&mcp_type, &token).await, daemon.running(&mcp_type, &token).await];
    let refused = delete(&daemon, &path, &daemon.admin).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "user_in_use"));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("2 instances") && detail.contains("delete_instances=true"), "{detail}");
    assert_eq!(daemon.get("/v1/me", &token).await.status, StatusCode::OK, "nothing was changed");

    let access = instances[0]["access_token"].as_str().unwrap();
    let mcp = format!("/i/{}/mcp", instances[0]["id"].as_str().unwrap());
    let deleted = delete(&daemon, &format!("{path}?delete_instances=true"), &daemon.admin).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    for instance in &instances {
        let pid = instance["process_id"].as_u64().unwrap().try_into().unwrap();
        assert!(!is_alive(pid), "the answer waits for the end");
    }
    assert_eq!(daemon.get("/v1/instances", &daemon.admin).await.json()["items"], json!([]));
    assert_eq!(daemon.get("/v1/me", &token).await.code(), "unauthorized");
    assert_eq!(daemon.post(&mcp, access, &json!({})).await.code(), "unauthorized");
    let logs = daemon.settings.data_dir.join("logs/users");
    assert_eq!(std::fs::read_dir(logs).unwrap().count(), 0, "nor is anything left of the files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_deleted_while_they_make_instances_leaves_none() {
    let daemon = Daemon::with(&["http.max-creations=0", "http.max-rate=0"], Bounds::default()).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let (path, token) = made(&daemon, &json!({"name": "una"})).await;
    let create = json!({"mcp_type": mcp_type});
    let making = async {
        let mut made = 0;
        loop {
            match daemon.post("/v1/instances", &token, &create).await.status.as_u16() {
                201 => made += 1,
                401 | 429 => break made,
                // It was under way when its owner went.
                404 | 409 | 503 => {}
                status => panic!("{status}"),
            }
        }
    };
    let deleting = async {
        let listed = async || {
            daemon.get("/v1/instances", &daemon.admin).await.json()["items"].as_array().unwrap().len()
        };
        while listed().await < 3 {
            tokio::task::yield_now().await;
        }
        delete(&daemon, &format!("{path}?delete_instances=true"), &daemon.admin).await
    };
    let (made, deleted) = tokio::join!(making, deleting);
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert!(made >= 3);
    assert_eq!(daemon.get(&path, &daemon.admin).await.code(), "user_not_found");
    let supervision = &daemon.supervision;
    eventually("every process has ended", || supervision.registry().all().is_empty()).await;
    assert_eq!(daemon.get("/v1/instances", &daemon.admin).await.json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_requests_at_the_same_time() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let limits = json!({"max_instances": 3, "max_running": 2, "max_credentials": 2});
    let (_, token) = made(&daemon, &json!({"name": "una", "limits": limits})).await;
    let create = json!({"mcp_type": mcp_type});
    let answers =
        futures::future::join_all((0..10).map(|_| daemon.post("/v1/instances", &token, &create))).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(made.len(), 2);
    assert!(refused.iter().all(|answer| answer.code() == "quota_exceeded"), "{refused:?}");
    assert!(refused.iter().all(|answer| answer.headers.contains_key("retry-after")));
    let usage = daemon.get("/v1/me", &token).await.json()["usage"].clone();
    assert_eq!(usage, json!({"instances": 2, "running": 2, "credentials": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_an_instance_lives_exactly_as_long_as_the_instance() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let una = daemon.user("una", Role::User).await;
    let instance = daemon.running(&mcp_type, &una).await;
    let (id, access) = (instance["id"].as_str().unwrap(), instance["access_token"].as_str().unwrap());
    let call = async || daemon.post(&format!("/i/{id}/mcp"), access, &json!({})).await;
    let let_in =
        |answer: &Answer| answer.status != StatusCode::UNAUTHORIZED && answer.status != StatusCode::GONE;
    let answer = call().await;
    assert!(let_in(&answer), "{answer:?}");

    // Stopped, it is still theirs, and the answer says what became of it.
    daemon.send(daemon.request(Method::POST, &format!("/v1/instances/{id}/stop"), &una)).await;
    daemon.get(&format!("/v1/instances/{id}/wait?status=stopped&timeout_seconds=60"), &una).await;
    assert_eq!(call().await.code(), "instance_not_serving");
    daemon.send(daemon.request(Method::POST, &format!("/v1/instances/{id}/restart"), &una)).await;
    daemon.get(&format!("/v1/instances/{id}/wait?timeout_seconds=60"), &una).await;
    let answer = call().await;
    assert!(let_in(&answer), "{answer:?}");

    let pid = daemon.get(&format!("/v1/instances/{id}"), &una).await.json()["process_id"].as_u64().unwrap();
    delete(&daemon, &format!("/v1/instances/{id}"), &una).await;
    ended(pid.try_into().unwrap()).await;
    assert_eq!(call().await.code(), "unauthorized");
    // What it is refused with is what any wrong token of any instance is refused with.
    let nowhere = daemon.post(&format!("/i/{}/mcp", uuid::Uuid::now_v7()), access, &json!({})).await;
    assert_eq!(call().await.text, nowhere.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_asks_too_often_and_a_user_who_makes_too_much_are_slowed_down() {
    let daemon = Daemon::with(&["http.max-rate=5", "http.max-creations=2"], Bounds::default()).await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let mut answers = Vec::new();
    while answers.last().is_none_or(|answer: &Answer| answer.status == StatusCode::OK) {
        assert!(answers.len() < 1_000, "never slowed down");
        answers.push(daemon.get("/v1/me", &una).await);
    }
    let last = answers.last().unwrap();
    assert_eq!((last.status, last.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    assert_eq!(last.headers["retry-after"], "1");
    assert!(answers.len() > 10, "twice as many as a second at once: {}", answers.len());
    assert_eq!(daemon.get("/v1/me", &ugo).await.status, StatusCode::OK, "another token");

    // Refused before the body, which never comes.
    let head = format!(
        "POST /v1/instances HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ugo}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\nConnection: close\r\n\r\n",
        daemon.settings.listen
    );
    for _ in 0..2 {
        assert_eq!(
            daemon.post("/v1/instances", &ugo, &json!({})).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    let answer = tokio::time::timeout(Duration::from_secs(10), daemon.raw(head.as_bytes())).await;
    let answer = answer.expect("it is not waited for");
    assert!(
        answer.starts_with("HTTP/1.1 429") && answer.to_lowercase().contains("retry-after: "),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_at_the_gateway_are_slowed_down_too() {
    let daemon = Daemon::start().await;
    let nowhere = format!("/i/{}/mcp", uuid::Uuid::now_v7());
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(daemon.post(&nowhere, "mmcp_inst_wrong", &json!({})).await);
    }
    assert_eq!(answers[9].status, StatusCode::UNAUTHORIZED);
    assert_eq!(answers[11].code(), "too_many_requests");
    assert!(answers[11].headers.contains_key("retry-after"));
    assert_eq!(daemon.get("/v1/me", &daemon.admin).await.status, StatusCode::OK);
}
