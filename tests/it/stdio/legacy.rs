//! The older era: sessions, with a process each or one for all.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;

use futures::future::join_all;
use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Events, Scene, code_of, text_of};
use crate::ground::{PATIENCE, ended};

fn pid(state: &Value) -> u32 {
    state["pid"].as_u64().unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_session_has_a_process_of_its_own_that_ends_with_it() {
    let scene = Scene::new("legacy").await;
    let (one, other) = (scene.session().await, scene.session().await);
    assert_ne!(one, other);
    let (first, second) = (scene.legacy_state(&one).await, scene.legacy_state(&other).await);
    assert_eq!((&first["initialized"], &second["initialized"]), (&json!(1), &json!(1)));
    assert_eq!(first["mcpId"], scene.id, "it is the same instance");
    let primary: u32 = scene.shown().await["process_id"].as_u64().unwrap().try_into().unwrap();
    assert!(pid(&first) != pid(&second) && pid(&first) != primary && pid(&second) != primary);
    assert_eq!(first["discovered"], 0, "the question for the era went to another process");
    let begun = tokio::time::Instant::now();
    while scene.shown().await["stats"]["processes"] != 3 {
        assert!(begun.elapsed() < PATIENCE, "they are counted: {}", scene.shown().await);
    }
    let page = scene.daemon.get("/v1/instances", &scene.user).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "and are in no list");

    let gone = scene.daemon.send(scene.request(Method::DELETE).header("mcp-session-id", &one)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    ended(pid(&first)).await;
    let answer = scene.daemon.send(scene.legacy_tool(&one, "state", &json!({}))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "session_not_found"));
    assert_eq!(pid(&scene.legacy_state(&other).await), pid(&second), "the other lives on");

    let stopped =
        scene.daemon.post(&format!("/v1/instances/{}/stop", scene.id), &scene.user, &json!({})).await;
    assert!(stopped.status.is_success(), "{stopped:?}");
    ended(pid(&second)).await;
    ended(primary).await;
}

/// More sessions than the tasks of one server would do for, begun at once. Each Node process has about eleven threads.
#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_all_sessions_have_the_user_and_the_home_of_their_instance() {
    const SESSIONS: usize = 8;
    assert!(rustix::process::geteuid().is_root(), "run as root, or there are no users to give");
    let scene = Scene::new("legacy").await;
    let sessions = join_all((0..SESSIONS).map(|_| scene.session())).await;
    let mut pids = vec![scene.shown().await["process_id"].as_u64().unwrap().try_into().unwrap()];
    for session in &sessions {
        pids.push(pid(&scene.legacy_state(session).await));
    }
    assert_eq!(pids.iter().collect::<HashSet<_>>().len(), SESSIONS + 1, "{pids:?}");
    let home = scene.daemon.settings.data_dir.join("run").join(&scene.id);
    let owner = std::fs::metadata(home).unwrap().uid();
    assert_ne!(owner, 0);
    for pid in pids {
        // The directory in `/proc` is root's for whom nobody may look into.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        assert_eq!(ids.split_ascii_whitespace().next().unwrap(), owner.to_string(), "{pid}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_missing_unknown_or_anothers_is_refused() {
    let scene = Scene::with("legacy", "per_session", &["gateway.max-sessions=1"]).await;
    let list = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/list"});
    let answer = scene.daemon.send(scene.post(&list.to_string())).await;
    assert_eq!(code_of(&answer), (400, -32_600), "{answer:?}");
    let answer = scene.daemon.send(scene.legacy("made-up", &list)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let session = scene.session().await;
    let answer = scene.initialize().await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "instance_busy"));
    let unknown = scene.legacy(&session, &list).header("mcp-protocol-version", "1999-01-01");
    assert_eq!(scene.daemon.send(unknown).await.status, StatusCode::BAD_REQUEST);
    // Any version of the era will do, not only the one that was agreed on.
    let known = scene.legacy(&session, &list).header("mcp-protocol-version", "2025-11-25");
    assert_eq!(scene.daemon.send(known).await.status, StatusCode::OK);
    let gone = scene.daemon.send(scene.request(Method::DELETE).header("mcp-session-id", &session)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    scene.session().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_asks_its_client_and_gets_the_answer() {
    let scene = Scene::new("legacy").await;
    let session = scene.session().await;
    let ask = scene.legacy_tool(&session, "ask", &json!({"method": "sampling/createMessage"}));
    let mut stream = Events::of(ask).await;
    let asked = stream.next().await.unwrap();
    assert_eq!((&asked["id"], &asked["method"]), (&json!("ask-1"), &json!("sampling/createMessage")));
    let response = json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"content": "a model's words"}});
    let taken = scene.daemon.send(scene.legacy(&session, &response)).await;
    assert_eq!((taken.status, taken.text.as_str()), (StatusCode::ACCEPTED, ""));
    let answer = stream.next().await.unwrap();
    assert!(text_of(&answer).contains("a model's words"));
    assert_eq!(stream.next().await, None);

    // Without a request under way it waits for the listening stream.
    let quiet = scene.legacy_tool(
        &session,
        "print",
        &json!({"lines": [
            r#"{"jsonrpc":"2.0","id":$ID,"result":{}}"#, r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#
        ]}),
    );
    assert_eq!(scene.daemon.send(quiet).await.status, StatusCode::OK);
    let mut listening = Events::of(scene.request(Method::GET).header("mcp-session-id", &session)).await;
    assert_eq!(listening.next().await.unwrap()["method"], "roots/list");
    let second = scene.daemon.send(scene.request(Method::GET).header("mcp-session-id", &session)).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_names_the_request_as_the_server_knows_it() {
    let scene = Scene::new("legacy").await;
    let session = scene.session().await;
    let mut stream = Events::of(scene.legacy_tool(&session, "print", &json!({"lines": [
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$TOKEN,"progress":1}}"#
    ]})))
    .await;
    assert_eq!(stream.next().await.unwrap()["params"]["progressToken"], "t");
    let cancel = |id: &Value| {
        let params = json!({"requestId": id});
        scene.legacy(
            &session,
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
        )
    };
    assert_eq!(scene.daemon.send(cancel(&json!(1))).await.status, StatusCode::ACCEPTED);
    assert_eq!(scene.daemon.send(cancel(&json!(99))).await.status, StatusCode::ACCEPTED);
    // Going away is no cancellation in this era.
    drop(stream);
    let state = scene.legacy_state(&session).await;
    let cancelled = state["cancelled"].as_array().unwrap();
    assert_eq!(cancelled.len(), 1, "{state}");
    assert!(cancelled[0].as_u64().unwrap() > 1, "our id of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_share_a_process_hear_nothing_of_each_other() {
    let scene = Scene::with("legacy", "shared", &[]).await;
    let (one, other) = (scene.session().await, scene.session().await);
    assert_ne!(one, other);
    let (first, second) = (scene.legacy_state(&one).await, scene.legacy_state(&other).await);
    assert_eq!(pid(&first), pid(&second));
    assert_eq!(first["pid"], scene.shown().await["process_id"]);
    assert_eq!(second["initialized"], 1, "once, by us");

    let subscribe = |session: &str, method: &str| {
        scene.legacy(
            session,
            &json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": {"uri": "file:///x"}}),
        )
    };
    assert_eq!(scene.daemon.send(subscribe(&one, "resources/subscribe")).await.status, StatusCode::OK);
    let update = scene.legacy_tool(&other, "update", &json!({"uri": "file:///x"}));
    let answer = scene.daemon.send(update).await;
    assert_eq!(answer.headers["content-type"], "application/json", "no log of whoever caused it: {answer:?}");
    let mut listening = Events::of(scene.request(Method::GET).header("mcp-session-id", &one)).await;
    assert_eq!(listening.next().await.unwrap()["method"], "notifications/resources/updated");
    let ask = scene.daemon.send(scene.legacy_tool(&other, "ask", &json!({"method": "roots/list"}))).await;
    assert!(text_of(&ask.json()).contains("-32601"), "nobody is asked: {ask:?}");
    for (session, count) in [(&one, 1), (&other, 1)] {
        assert_eq!(scene.daemon.send(subscribe(session, "resources/subscribe")).await.status, StatusCode::OK);
        let state = scene.legacy_state(session).await;
        let heard =
            state["methods"].as_array().unwrap().iter().filter(|method| *method == "resources/subscribe");
        assert_eq!(heard.count(), count, "the server hears it once: {state}");
    }
    for session in [&one, &other] {
        let gone = scene.daemon.send(scene.request(Method::DELETE).header("mcp-session-id", session)).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    let third = scene.session().await;
    let begun = tokio::time::Instant::now();
    while !scene.legacy_state(&third).await["methods"].to_string().contains("resources/unsubscribe") {
        assert!(begun.elapsed() < PATIENCE, "nobody subscribes any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_both_eras_serves_both_from_processes_that_never_meet() {
    for eras in ["both", "pins"] {
        let scene = Scene::new(eras).await;
        let session = scene.session().await;
        let (newer, older) = (scene.state().await, scene.legacy_state(&session).await);
        assert_ne!(pid(&newer), pid(&older), "{eras}");
        assert_eq!((&newer["initialized"], &older["discovered"]), (&json!(0), &json!(0)), "{eras}");
        let answer = scene.daemon.send(scene.request(Method::GET)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{eras}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_era_of_a_type_is_found_out_once() {
    let scene = Scene::new("legacy").await;
    let known = scene.daemon.store.server_era("scripted-legacy").await.unwrap().unwrap();
    assert!(known.ends_with(":legacy"), "{known}");
    let another = scene.daemon.user("ute", Role::User).await;
    let instance = scene.daemon.running("scripted-legacy", &another).await;
    assert_eq!(instance["status"], "running");
    assert_eq!(scene.daemon.store.server_era("scripted-legacy").await.unwrap().unwrap(), known);
}
