//! New credentials for servers that are in use: real processes replaced under real calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use minimcp_actors::state::{Cause, Command, Status};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::daemon::{Answer, Daemon};
use crate::ground::{PATIENCE, ended, eventually, is_alive, signal};

/// A daemon with a user, a credential set of a type and running instances that use it.
struct Scene {
    daemon: Daemon,
    user: String,
    credential: String,
    instances: Vec<Value>,
}

impl Scene {
    /// The key decides how a server behaves: `line` is what the shell does with it before it serves.
    async fn new(stateful: bool, line: &str, instances: usize) -> Self {
        let daemon = Daemon::with(&["grace=5s"], Bounds::default()).await;
        let user = daemon.user("una", Role::User).await;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/faulty/index.mjs");
        daemon
            .add_type(&json!({
                "name": "keyed", "display_name": "Keyed", "command": "/bin/sh", "stateful": stateful,
                "args": ["-c", format!("{line}; exec node {script} ${{MODE:-slow}} 100")],
                "credential_fields": {"required": ["api_key"]}, "env_map": {"api_key": "API_KEY"},
                "health_check": {"kind": "http", "endpoint": "/health", "interval_seconds": 1}
            }))
            .await;
        let body = json!({"mcp_type": "keyed", "name": "mine", "fields": {"api_key": "first"}});
        let credential = daemon.post("/v1/credentials", &user, &body).await.json();
        let credential = credential["id"].as_str().unwrap().to_owned();
        let mut scene = Self { daemon, user, credential, instances: Vec::new() };
        for _ in 0..instances {
            let body = json!({"mcp_type": "keyed", "credential_id": scene.credential});
            let made = scene.daemon.post("/v1/instances?wait=running", &scene.user, &body).await;
            assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
            scene.instances.push(made.json());
        }
        scene
    }

    async fn new_key(&self, key: &str, query: &str) -> Answer {
        let path = format!("/v1/credentials/{}{query}", self.credential);
        let body = json!({"fields": {"api_key": key}});
        self.daemon.send(self.daemon.request(Method::PUT, &path, &self.user).json(&body)).await
    }

    async fn shown(&self, instance: &Value) -> Value {
        let path = format!("/v1/instances/{}", instance["id"].as_str().unwrap());
        self.daemon.get(&path, &self.user).await.json()
    }
}

fn id(instance: &Value) -> uuid::Uuid {
    instance["id"].as_str().unwrap().parse().unwrap()
}

fn pid(instance: &Value) -> u32 {
    instance["process_id"].as_u64().unwrap().try_into().unwrap()
}

/// Calls that go on one every 20 ms, whatever becomes of those before, until they are stopped.
struct Calls {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    all: tokio::task::JoinHandle<Vec<(StatusCode, Value)>>,
}

impl Calls {
    fn begin(scene: &Scene, instance: &Value) -> Self {
        let (done, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let token = instance["access_token"].as_str().unwrap();
        let path = format!("/i/{}/mcp", id(instance));
        let request = scene.daemon.request(Method::POST, &path, token).body("{}");
        let (counted, stopped) = (Arc::clone(&done), Arc::clone(&stop));
        let all = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            let mut calls = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                ticks.tick().await;
                let (request, counted) = (request.try_clone().unwrap(), Arc::clone(&counted));
                calls.push(tokio::spawn(async move {
                    let response = request.send().await.unwrap();
                    let status = response.status();
                    let text = response.text().await.unwrap();
                    counted.fetch_add(1, Ordering::Relaxed);
                    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
                }));
            }
            let mut answers = Vec::new();
            for call in calls {
                answers.push(call.await.unwrap());
            }
            answers
        });
        Self { done, stop, all }
    }

    /// Waits until that many more calls were answered.
    async fn more(&self, count: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + count;
        eventually("calls go on", || self.done.load(Ordering::Relaxed) >= wanted).await;
    }

    async fn end(self) -> Vec<(StatusCode, Value)> {
        self.stop.store(true, Ordering::Relaxed);
        self.all.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_per_second_go_on_without_one_failure_while_credentials_are_replaced() {
    let scene = Scene::new(false, "true", 1).await;
    let made = &scene.instances[0];
    let calls = Calls::begin(&scene, made);
    calls.more(25).await;
    for (n, key) in ["second", "third"].into_iter().enumerate() {
        let before = scene.shown(made).await;
        let replaced = scene.new_key(key, "?wait=true").await;
        assert_eq!(replaced.status, StatusCode::OK, "{replaced:?}");
        let replaced = replaced.json();
        assert_eq!((&replaced["replacing"], &replaced["not_replaced"]), (&json!(1), &json!([])));
        let after = scene.shown(made).await;
        assert_eq!(after["status"], "running");
        assert_eq!(after["generation"], n + 2);
        assert_ne!(after["assigned_port"], before["assigned_port"]);
        calls.more(25).await;
        ended(pid(&before)).await;
    }
    let answers = calls.end().await;
    let failed: Vec<_> = answers.iter().filter(|(status, _)| *status != StatusCode::OK).collect();
    assert!(failed.is_empty(), "{} of {} failed, such as {:?}", failed.len(), answers.len(), failed[0]);
    let mut servers: Vec<&Value> = answers.iter().map(|(_, answer)| &answer["pid"]).collect();
    servers.dedup();
    assert!(servers.len() >= 3, "each of the three processes answered: {servers:?}");
    assert_eq!(scene.shown(made).await["restarts"]["in_window"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_refuses_leaves_the_old_process_serving_and_says_so() {
    let line = "test \"$API_KEY\" != bad || { echo key refused >&2; exit 3; }";
    let scene = Scene::new(false, line, 2).await;
    let replaced = scene.new_key("bad", "?wait=true").await.json();
    assert_eq!(replaced["replacing"], 2);
    assert_eq!(replaced["not_replaced"].as_array().unwrap().len(), 2);
    for made in &scene.instances {
        let now = scene.shown(made).await;
        assert_eq!(
            (&now["status"], &now["process_id"], &now["generation"]),
            (&json!("running"), &made["process_id"], &json!(1))
        );
        let reason = now["status_reason"].as_str().unwrap();
        assert!(
            reason.contains("credentials it was started with") && reason.ends_with("exit code 3"),
            "{reason}"
        );
        assert!(now["last_exit"]["stderr_tail"].as_str().unwrap().contains("key refused"), "{now}");
        assert_eq!(now["restarts"]["in_window"], 0);
        let token = made["access_token"].as_str().unwrap();
        let call = scene.daemon.request(Method::POST, &format!("/i/{}/mcp", id(made)), token).body("{}");
        assert_eq!(scene.daemon.send(call).await.json()["pid"], made["process_id"]);
    }
    // Mended, both go on with the new key, one after another.
    let mended = scene.new_key("good", "?wait=true").await.json();
    assert_eq!(mended["not_replaced"], json!([]));
    for made in &scene.instances {
        assert_ne!(scene.shown(made).await["process_id"], made["process_id"]);
        ended(pid(made)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_is_answered_by_the_old_process_after_the_new_one_took_over() {
    let scene = Scene::new(false, "true", 1).await;
    let made = &scene.instances[0];
    let snapshot = || scene.daemon.supervision.registry().get(id(made)).unwrap();
    let old = pid(made);
    signal(old, "STOP");
    let token = made["access_token"].as_str().unwrap().to_owned();
    let request = scene.daemon.request(Method::POST, &format!("/i/{}/mcp", id(made)), &token).body("{}");
    let held = tokio::spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap() });
    let route = scene.daemon.supervision.routes().get(id(made)).unwrap();
    eventually("the call is under way", || route.in_flight() == 1).await;

    assert_eq!(scene.new_key("second", "").await.json()["replacing"], 1);
    eventually("the new one took over", || snapshot().cause == Cause::Replaced).await;
    assert!(snapshot().beside.is_some() && is_alive(old), "it still owes an answer");
    signal(old, "CONT");
    assert_eq!(held.await.unwrap()["pid"], old);
    ended(old).await;
    assert_ne!(snapshot().pid, Some(old));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_keeps_state_is_restarted_and_never_has_two_processes() {
    let line = "test -e pid && kill -0 $(cat pid) 2>/dev/null && exit 9; echo $$ > pid";
    let scene = Scene::new(true, line, 1).await;
    let made = &scene.instances[0];
    let mut transitions = scene.daemon.supervision.registry().subscribe();
    let replaced = scene.new_key("second", "?wait=true").await.json();
    assert_eq!((&replaced["replacing"], &replaced["not_replaced"]), (&json!(1), &json!([])));
    let now = scene.shown(made).await;
    assert_eq!((&now["status"], &now["generation"]), (&json!("running"), &json!(2)));
    assert_eq!(now["assigned_port"], made["assigned_port"]);
    assert_ne!(now["last_exit"]["code"], 9, "the old one was gone when the new one began");
    let mut seen = Vec::new();
    while let Ok(moved) = transitions.try_recv() {
        seen.push(moved.snapshot.status);
    }
    assert_eq!(seen, [Status::Restarting, Status::Starting, Status::Running]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sleeps_or_is_stopped_uses_the_new_credentials_at_its_next_start() {
    let scene = Scene::new(false, "echo key=$API_KEY >&2", 2).await;
    let [sleeping, stopped] = &scene.instances[..] else { panic!("two instances") };
    scene.daemon.supervision.order(id(sleeping), Command::Hibernate).await.unwrap();
    let order = |what: &str| {
        let path = format!("/v1/instances/{}/{what}", id(stopped));
        scene.daemon.request(Method::POST, &path, &scene.user)
    };
    scene.daemon.send(order("stop")).await;
    let reached = |instance: &Value, status: Status| {
        let id = id(instance);
        let supervision = scene.daemon.supervision.clone();
        async move {
            let waited = supervision.wait_until(id, PATIENCE, |now| now.status == status).await.unwrap();
            assert!(waited.1, "{:#?}", waited.0);
        }
    };
    reached(sleeping, Status::Hibernated).await;
    reached(stopped, Status::Stopped).await;
    assert_eq!(scene.new_key("second", "").await.json()["replacing"], 0);

    let token = sleeping["access_token"].as_str().unwrap();
    let call = scene.daemon.request(Method::POST, &format!("/i/{}/mcp", id(sleeping)), token).body("{}");
    assert_eq!(scene.daemon.send(call).await.status, StatusCode::OK, "a call wakes it");
    assert_eq!(scene.daemon.send(order("restart")).await.status, StatusCode::OK);
    reached(stopped, Status::Running).await;
    for instance in &scene.instances {
        let path = format!("/v1/instances/{}/logs?stream=stderr&tail=1", id(instance));
        let line = scene.daemon.get(&path, &scene.user).await.text;
        assert!(line.contains("key=second"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_in_use_is_not_deleted_and_the_refusal_names_the_instances() {
    let scene = Scene::new(false, "true", 2).await;
    let path = format!("/v1/credentials/{}", scene.credential);
    let refused = scene.daemon.send(scene.daemon.request(Method::DELETE, &path, &scene.user)).await;
    assert_eq!(refused.code(), "credential_in_use");
    for made in &scene.instances {
        assert!(refused.text.contains(made["id"].as_str().unwrap()), "{refused:?}");
    }
}
