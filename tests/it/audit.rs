//! Who did what: over the API and at the gateway of a daemon in this process.

use std::fs;
use std::path::PathBuf;

use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::{PATIENCE, ended, signal};
use crate::shell::Shell;

const NOBODYS: &str = "0190b2a0-7c3e-7000-8000-000000000000";

/// Records that fit a query, the oldest first.
async fn records(daemon: &Daemon, query: &str) -> Vec<Value> {
    let answer = daemon.get(&format!("/v1/audit?limit=500&{query}"), &daemon.admin).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let page = answer.json();
    assert_eq!(page["chain"]["verified"], true, "{page:#}");
    page["items"].as_array().unwrap().iter().rev().cloned().collect()
}

/// The records of the operation that was answered so.
async fn records_of(daemon: &Daemon, answer: &Answer) -> Vec<Value> {
    let id = answer.headers["x-request-id"].to_str().unwrap();
    records(daemon, "").await.into_iter().filter(|record| record["request_id"] == id).collect()
}

/// What the trail of this daemon holds, as text.
fn text(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.settings.data_dir.join("audit/audit.jsonl")).unwrap()
}

/// The answer to an MCP request with this token.
async fn call(daemon: &Daemon, instance: &Value, token: &str) -> Answer {
    let path = format!("/i/{}/mcp", instance["id"].as_str().unwrap());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    daemon.send(daemon.request(Method::POST, &path, token).json(&body)).await
}

/// Registers a type whose servers need a secret.
async fn secretive(daemon: &Daemon) {
    daemon
        .add_type(&json!({
            "name": "secretive", "display_name": "Secretive", "server_script": "faulty/index.mjs", "args": ["ok"],
            "credential_fields": {"required": ["token"]}, "env_map": {"token": "TOKEN"},
            "health_check": {"endpoint": "/health", "interval_seconds": 1, "start_timeout_seconds": 30}
        }))
        .await;
}

async fn store_secret(daemon: &Daemon, name: &str, secret: &str) -> Answer {
    let body = json!({"mcp_type": "secretive", "name": name, "fields": {"token": secret}});
    daemon.post("/v1/credentials", &daemon.admin, &body).await
}

/// A file in the place of the directory.
struct InTheWay(PathBuf);

impl InTheWay {
    fn of(daemon: &Daemon) -> Self {
        let audit = daemon.settings.data_dir.join("audit");
        fs::rename(&audit, audit.with_extension("elsewhere")).unwrap();
        fs::write(&audit, "in the way").unwrap();
        Self(audit)
    }

    fn clear(self) {
        fs::remove_file(&self.0).unwrap();
        fs::rename(self.0.with_extension("elsewhere"), &self.0).unwrap();
    }
}

/// Every route of the document that changes something, with a path that leads to nothing.
async fn changing_routes(daemon: &Daemon) -> Vec<(Method, String)> {
    let document = daemon.get("/openapi.json", "").await.json();
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|method| *method != "get") {
            assert!(item[method]["responses"]["503"].is_object(), "{method} {template} does not tell of 503");
            let path = template.replace("{id}", NOBODYS).replace("{name}", "nothing");
            assert!(!path.contains('{'), "{template} has a place that this test does not fill");
            routes.push((method.to_ascii_uppercase().parse().unwrap(), path));
        }
    }
    assert!(routes.len() >= 13, "{routes:?}");
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_changes_something_is_recorded_before_and_after() {
    let daemon = Daemon::start().await;
    let admin = daemon.get("/v1/me", &daemon.admin).await.json();
    for (method, path) in changing_routes(&daemon).await {
        let request = daemon.request(method.clone(), &path, &daemon.admin).json(&json!({}));
        let answer = daemon.send(request).await;
        let both = records_of(&daemon, &answer).await;
        let [begun, outcome] = both.as_slice() else { panic!("{method} {path}: {both:#?}") };
        assert_eq!(begun["result"], "begun", "{method} {path}");
        assert_eq!(begun["actor"]["user_id"], admin["id"]);
        assert_eq!(begun["actor"]["address"], "127.0.0.1");
        assert!(begun["actor"]["token_id"].is_string());
        assert!(
            !begun["action"].as_str().unwrap().starts_with("request."),
            "{method} {path} is unknown: {begun}"
        );
        // A token that is to be made for a user has no id yet.
        let id = [NOBODYS, "nothing"].into_iter().find(|id| path.contains(id) && !path.ends_with("/tokens"));
        assert_eq!(begun["object"]["id"], json!(id), "{method} {path}");
        assert_eq!(outcome["action"], begun["action"]);
        assert_eq!(outcome["detail"]["status"], answer.status.as_u16());
        if path == "/v1/keys/rotate" {
            // The only one that needs nothing to be done.
            assert_eq!(outcome["result"], "done", "{outcome}");
            continue;
        }
        assert_eq!(outcome["result"], "refused", "{method} {path}: {outcome}");
        assert_eq!(outcome["detail"]["code"], answer.code());
    }
    // What only reads is not recorded, and neither is what was never let in.
    let before = daemon.trail.standing().records;
    daemon.get("/v1/instances", &daemon.admin).await;
    daemon.send(daemon.request(Method::HEAD, "/v1/types", &daemon.admin)).await;
    assert_eq!(daemon.trail.standing().records, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_id_in_a_path_may_be_a_secret_and_is_known_by_its_mark_alone() {
    let daemon = Daemon::start().await;
    for path in
        ["/v1/credentials/sk-SECRET", "/v1/types/SECRET", "/v1/nothing/SECRET", "/v1/instances/%53ECRET/stop"]
    {
        let one = daemon.post(path, &daemon.admin, &json!({})).await;
        assert!(one.status.is_client_error(), "{one:?}");
    }
    let twice = daemon.send(daemon.request(Method::DELETE, "/v1/credentials/SECRET", &daemon.admin)).await;
    let both = records_of(&daemon, &twice).await;
    assert_eq!(both[0]["object"], json!({"kind": "credential", "id": null}));
    assert!(both[0]["detail"]["given_mark"].is_string());
    assert_eq!(both[0]["detail"]["given_mark"], both[1]["detail"]["given_mark"]);
    let again = daemon.send(daemon.request(Method::DELETE, "/v1/types/SECRET", &daemon.admin)).await;
    assert_eq!(records_of(&daemon, &again).await[0]["detail"]["given_mark"], both[0]["detail"]["given_mark"]);
    assert!(!text(&daemon).contains("ECRET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_read_the_trail() {
    let daemon = Daemon::start().await;
    for role in [Role::User, Role::Operator] {
        let token = daemon.user(&format!("{role:?}"), role).await;
        assert_eq!(daemon.get("/v1/audit", &token).await.code(), "forbidden");
    }
    assert_eq!(daemon.get("/v1/audit?since=yesterday", &daemon.admin).await.code(), "invalid_query");
    assert_eq!(daemon.get("/v1/audit?cursor=x", &daemon.admin).await.code(), "invalid_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_names_what_was_made_and_comes_in_pages() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    secretive(&daemon).await;
    let body = json!({"mcp_type": "secretive", "name": "mine", "fields": {"token": "s3cret"}});
    let made = daemon.post("/v1/credentials", &user, &body).await;
    let id = made.json()["id"].clone();
    let both = records_of(&daemon, &made).await;
    assert_eq!(both[0]["object"], json!({"kind": "credential", "id": null}));
    assert_eq!(both[1]["object"], json!({"kind": "credential", "id": id}));
    assert_eq!(both[1]["detail"]["mcp_type"], "secretive");
    let path = format!("/v1/credentials/{}", id.as_str().unwrap());
    assert_eq!(
        daemon.send(daemon.request(Method::DELETE, &path, &user)).await.status,
        StatusCode::NO_CONTENT
    );

    let me = daemon.get("/v1/me", &user).await.json();
    let mine = records(&daemon, &format!("user_id={}", me["id"].as_str().unwrap())).await;
    let actions: Vec<&str> = mine.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["credential.create", "credential.create", "credential.delete", "credential.delete"]);
    assert_eq!(records(&daemon, "action=credential.delete").await, mine[2..]);
    assert_eq!(records(&daemon, "since=2999-01-01T00:00:00Z").await, [] as [Value; 0]);

    let first = daemon.get("/v1/audit?limit=3", &daemon.admin).await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = daemon.get(&format!("/v1/audit?limit=3&cursor={cursor}"), &daemon.admin).await.json();
    let numbers = [&first, &second].map(|page| page["items"].as_array().unwrap().clone()).concat();
    let numbers: Vec<u64> = numbers.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_of_credentials_and_each_new_use_of_a_token_is_recorded_and_no_secret_with_it() {
    let daemon = Daemon::start().await;
    secretive(&daemon).await;
    let canary = "CANARY_8f3b5d1e\u{1b}[2J";
    let credential = store_secret(&daemon, "mine", canary).await.json();
    let body = json!({"mcp_type": "secretive", "credential_id": credential["id"], "name": "CANARY_NAME"});
    let made = daemon.post("/v1/instances?wait=running", &daemon.admin, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    let id: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
    let opened = records(&daemon, "action=credential.open").await;
    assert_eq!(opened.len(), 1, "{opened:#?}");
    assert_eq!(opened[0]["object"]["id"], credential["id"]);
    assert_eq!(opened[0]["detail"], json!({"instance_id": made["id"], "run": 1, "version": 1}));
    assert_eq!(opened[0]["actor"]["user_id"], credential["user_id"]);

    // It comes back by itself, and opens them once more.
    let pid = made["process_id"].as_u64().unwrap().try_into().unwrap();
    signal(pid, "KILL");
    ended(pid).await;
    let back = daemon.supervision.wait_until(id, PATIENCE, |snapshot| {
        snapshot.run.0 == 2 && snapshot.status == minimcp_actors::state::Status::Running
    });
    assert!(back.await.unwrap().1);
    assert_eq!(records(&daemon, "action=credential.open").await[1]["detail"]["run"], 2);

    let token = made["access_token"].as_str().unwrap();
    for _ in 0..3 {
        assert_eq!(call(&daemon, &made, token).await.status, StatusCode::OK);
    }
    let uses = records(&daemon, "action=instance.use").await;
    assert_eq!(uses.len(), 1, "{uses:#?}");
    assert_eq!(uses[0]["object"], json!({"kind": "instance", "id": made["id"]}));
    assert_eq!(
        (&uses[0]["actor"]["kind"], &uses[0]["actor"]["address"]),
        (&"instance_token".into(), &"127.0.0.1".into())
    );
    assert_eq!(uses[0]["actor"]["user_id"], made["user_id"]);

    let path = format!("/v1/instances/{id}/token");
    let new = daemon.post(&path, &daemon.admin, &json!({})).await.json();
    let new = new["access_token"].as_str().unwrap();
    assert_eq!(call(&daemon, &made, token).await.code(), "unauthorized");
    assert_eq!(call(&daemon, &made, new).await.status, StatusCode::OK);
    let uses = records(&daemon, "action=instance.use").await;
    assert!(uses.len() == 2 && uses[0]["detail"]["token"] != uses[1]["detail"]["token"], "{uses:#?}");
    daemon.get("/v1/me", "mmcp_api_nobody").await;
    let failed = records(&daemon, "action=authentication.fail").await;
    assert_eq!((&failed[0]["detail"]["at"], &failed[0]["object"]["id"]), (&"gateway".into(), &made["id"]));
    assert_eq!(failed[1]["detail"]["at"], "api");

    let text = text(&daemon);
    for secret in ["CANARY_8f3b", token, new, &daemon.admin] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_operations_at_once_are_one_chain() {
    let daemon = Daemon::with(
        &["quota.max-credentials=200", "http.max-rate=1000", "http.max-creations=1000"],
        minimcp::http::Bounds::default(),
    )
    .await;
    secretive(&daemon).await;
    let names: Vec<String> = (0..100).map(|n| format!("set-{n}")).collect();
    let all = futures::future::join_all(names.iter().map(|name| store_secret(&daemon, name, "s3cret"))).await;
    assert!(all.iter().all(|answer| answer.status == StatusCode::CREATED));
    let records = records(&daemon, "action=credential.create").await;
    assert_eq!(records.len(), 200);
    for answer in &all {
        let id = answer.headers["x-request-id"].to_str().unwrap();
        let mine: Vec<&Value> = records.iter().filter(|record| record["request_id"] == id).collect();
        assert_eq!((&mine[0]["result"], &mine[1]["result"]), (&"begun".into(), &"done".into()));
        assert_eq!(mine[1]["object"]["id"], answer.json()["id"]);
    }
    let standing = daemon.trail.standing();
    assert!(standing.syncs < standing.records, "{standing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_trail_nothing_is_changed_and_everything_else_goes_on() {
    let daemon = Daemon::start().await;
    secretive(&daemon).await;
    let credential = store_secret(&daemon, "mine", "s3cret").await.json();
    let create = async || {
        let body = json!({"mcp_type": "secretive", "credential_id": credential["id"]});
        daemon.post("/v1/instances?wait=running", &daemon.admin, &body).await.json()
    };
    let (used, unused) = (create().await, create().await);
    let token = |instance: &Value| instance["access_token"].as_str().unwrap().to_owned();
    assert_eq!(call(&daemon, &used, &token(&used)).await.status, StatusCode::OK);
    let state = async || {
        let mut state = String::new();
        for path in ["/v1/types", "/v1/credentials", "/v1/instances"] {
            let answer = daemon.get(path, &daemon.admin).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            for item in answer.json()["items"].as_array().unwrap() {
                let part = |name: &str| item[name].to_string();
                state +=
                    &["id", "name", "status", "generation", "process_id", "updated_at"].map(part).join(" ");
            }
        }
        state
    };
    let before = state().await;

    let in_the_way = InTheWay::of(&daemon);
    let id = used["id"].as_str().unwrap();
    let set = credential["id"].as_str().unwrap();
    let mut routes = changing_routes(&daemon).await;
    routes.extend(
        ["stop", "restart", "token", "extend"]
            .map(|order| (Method::POST, format!("/v1/instances/{id}/{order}"))),
    );
    routes.push((Method::DELETE, format!("/v1/instances/{id}")));
    routes.push((Method::DELETE, format!("/v1/credentials/{set}")));
    for (method, path) in routes {
        let answer = daemon.send(daemon.request(method.clone(), &path, &daemon.admin).json(&json!({}))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {answer:?}");
        assert_eq!(answer.code(), "audit_unavailable");
        assert_eq!(answer.headers["retry-after"], "5");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("nothing was changed") && detail.contains("data/audit"), "{detail}");
        assert!(!detail.contains(daemon.settings.data_dir.to_str().unwrap()), "{detail}");
    }
    assert_eq!(state().await, before);
    assert_eq!(daemon.get("/v1/audit", &daemon.admin).await.code(), "audit_unavailable");
    assert!(daemon.get("/metrics", &daemon.admin).await.text.contains("minimcp_audit_failing 1"));
    // A token that is in use is used on; one that is new is not.
    assert_eq!(call(&daemon, &used, &token(&used)).await.status, StatusCode::OK);
    assert_eq!(call(&daemon, &unused, &token(&unused)).await.code(), "audit_unavailable");
    // A run that ends cannot have its credentials opened; that is tried again.
    let pid: u32 = unused["process_id"].as_u64().unwrap().try_into().unwrap();
    signal(pid, "KILL");
    let unused_id = unused["id"].as_str().unwrap().parse().unwrap();
    let refused = daemon.supervision.wait_until(unused_id, PATIENCE, |snapshot| {
        snapshot.last_exit.as_ref().is_some_and(|exit| exit.detail.contains("audit trail cannot be written"))
    });
    let (snapshot, in_time) = refused.await.unwrap();
    assert!(in_time, "{snapshot:#?}");
    assert_ne!(snapshot.status, minimcp_actors::state::Status::Failed, "{snapshot:#?}");

    in_the_way.clear();
    let back = daemon.supervision.wait_until(unused_id, PATIENCE, |snapshot| {
        snapshot.status == minimcp_actors::state::Status::Running
    });
    assert!(back.await.unwrap().1, "it comes back by itself");
    assert_eq!(call(&daemon, &unused, &token(&unused)).await.status, StatusCode::OK);
    let rotated = daemon.post(&format!("/v1/instances/{id}/token"), &daemon.admin, &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    assert!(records(&daemon, "").await.len() > 10, "and the chain holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_the_trail_and_names_what_was_touched() {
    let daemon = Daemon::start().await;
    let shell = Shell::of(&daemon, &daemon.admin);
    for n in 0..4 {
        shell.run(&format!("types rm nothing-{n}")).await;
    }
    let list = shell.done("audit").await;
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!(rows.len(), 9, "{list}");
    assert!(
        rows[1].contains("type.delete  type nothing-3  refused  code=type_not_found status=404"),
        "{list}"
    );
    assert_eq!(shell.done("audit ls --limit 1 --action type.").await.lines().count(), 2);
    assert_eq!(shell.done("audit verify").await, "All 8 records are as they were written, 1 to 8.\n");

    let file = daemon.settings.data_dir.join("audit/audit.jsonl");
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, written.replacen("nothing-1", "nothing-9", 1)).unwrap();
    let said = shell.run("audit verify").await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), "record 3 was changed (audit.jsonl, line 3)\n"));
    assert!(
        said.err.contains("not as it was written: 1 finding") && said.err.contains("data/audit"),
        "{said:?}"
    );
    let json: Value = serde_json::from_str(&shell.run("audit verify --json").await.out).unwrap();
    assert_eq!((&json["verified"], &json["problems"][0]["seq"]), (&false.into(), &3.into()));
    let doctor: Value = serde_json::from_str(&shell.run("doctor --json").await.out).unwrap();
    assert!(doctor.to_string().contains("`minimcp audit verify` says what is wrong"), "{doctor}");
    let listed = shell.run("audit").await;
    assert!(listed.err.contains("`minimcp audit verify`"), "{listed:?}");
}
