//! The types for servers on standard streams that a daemon brings along, with the packages that people get.

use std::path::Path;
use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Scene, code_of, text_of};
use crate::daemon::Daemon;

/// A registry may be far away and the machine busy.
const INSTALLS: Duration = Duration::from_secs(280);

/// An instance of a type of ours, once its package is installed.
async fn seeded(name: &str) -> Scene {
    // As a daemon measures that was told nothing: a start takes all of a core for longer than tests leave it.
    let daemon = Daemon::with(&["sample-interval=5s"], Bounds::default()).await;
    let seed = minimcp::catalog::seeds().into_iter().find(|seed| seed.name == name).unwrap();
    daemon.add_type(&serde_json::to_value(&seed).unwrap()).await;
    let path = format!("/v1/types/{name}");
    let begun = daemon.post(&format!("{path}/install"), &daemon.admin, &json!({})).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let installed = async {
        loop {
            let installation = daemon.get(&path, &daemon.admin).await.json()["installation"].clone();
            match installation["status"].as_str() {
                Some("installed") => return,
                Some("failed") => panic!("{installation}"),
                _ => looks.tick().await,
            };
        }
    };
    tokio::time::timeout(INSTALLS, installed).await.expect("it is installed in time");
    let user = daemon.user("una", Role::User).await;
    Scene::of(daemon, user, name).await
}

impl Scene {
    /// The result of a tool that is called in a session.
    async fn called(&self, session: &str, name: &str, arguments: &Value) -> Value {
        let params = json!({"name": name, "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
        let answer = self.daemon.send(self.legacy(session, &message)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Whoever begins with the newer era hears that this server speaks the older one.
    async fn speaks_the_older_era_only(&self) {
        let answer = self.daemon.send(self.modern(&json!(1), "server/discover", &json!({}))).await;
        assert_eq!(code_of(&answer), (400, -32_600), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_filesystem_reads_and_writes_in_the_directory_of_its_instance_and_nowhere_else() {
    let scene = seeded("filesystem").await;
    scene.speaks_the_older_era_only().await;
    let session = scene.session().await;
    let allowed = text_of(&scene.called(&session, "list_allowed_directories", &json!({})).await);
    let own = Path::new(allowed.lines().last().unwrap());
    assert!(own.to_string_lossy().contains(&scene.id), "a directory of its own: {allowed}");
    let file = json!({"path": own.join("note.txt"), "content": "as it was written\n"});
    let written = scene.called(&session, "write_file", &file).await;
    assert_ne!(written["result"]["isError"], true, "{written}");
    // Another session is another process of the same instance.
    let other = scene.session().await;
    let read = scene.called(&other, "read_text_file", &json!({"path": own.join("note.txt")})).await;
    assert_eq!(text_of(&read), "as it was written\n");
    assert_eq!(std::fs::read_to_string(own.join("note.txt")).unwrap(), "as it was written\n");
    let outside = scene.called(&session, "read_text_file", &json!({"path": "/etc/passwd"})).await;
    assert_eq!(outside["result"]["isError"], true, "{outside}");
    assert!(!outside.to_string().contains("root:"), "{outside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_memory_remembers_over_sessions_and_restarts() {
    let scene = seeded("memory").await;
    scene.speaks_the_older_era_only().await;
    let session = scene.session().await;
    let entity = json!({"name": "Una", "entityType": "person", "observations": ["likes short sentences"]});
    let made = scene.called(&session, "create_entities", &json!({"entities": [entity]})).await;
    assert_ne!(made["result"]["isError"], true, "{made}");
    let other = scene.session().await;
    let known = text_of(&scene.called(&other, "read_graph", &json!({})).await);
    assert!(known.contains("likes short sentences"), "{known}");

    let before = scene.shown().await["process_id"].clone();
    let restart = format!("/v1/instances/{}/restart", scene.id);
    let restarted = scene.daemon.post(&restart, &scene.user, &json!({})).await;
    assert!(restarted.status.is_success(), "{restarted:?}");
    // The gateway waits for the next run.
    let after = scene.session().await;
    let found = text_of(&scene.called(&after, "search_nodes", &json!({"query": "Una"})).await);
    assert!(found.contains("likes short sentences"), "{found}");
    assert_ne!(scene.shown().await["process_id"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_type_time_tells_the_time_in_both_eras_and_takes_the_time_zone_of_its_configuration() {
    let scene = seeded("time").await;
    let noon = json!({"source_timezone": "Asia/Kolkata", "time": "12:00", "target_timezone": "Asia/Tokyo"});
    let modern = scene.says("convert_time", &noon).await;
    assert!(modern.contains("15:30:00+09:00"), "{modern}");
    let session = scene.session().await;
    let legacy = text_of(&scene.called(&session, "convert_time", &noon).await);
    assert!(legacy.contains("15:30:00+09:00"), "{legacy}");

    let body = json!({"mcp_type": "time", "config": {"timezone": "Asia/Tokyo"}});
    let made = scene.daemon.post("/v1/instances?wait=running", &scene.user, &body).await.json();
    let word = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let there = Scene { id: word("id"), token: word("access_token"), ..scene };
    let tools = there.daemon.send(there.modern(&json!(1), "tools/list", &json!({}))).await;
    assert!(tools.text.contains("'Asia/Tokyo' as local timezone"), "{tools:?}");
}
