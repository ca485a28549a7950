//! Servers that speak over their standard streams, and the death of the daemon.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Daemon, id, pid};
use crate::daemon::clients_can_be_built;
use crate::ground::ended;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

async fn send(daemon: &Daemon, made: &Value, message: &Value, session: Option<&str>) -> reqwest::Response {
    clients_can_be_built();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/i/{}/mcp", daemon.caller().base(), id(made));
    let mut request = client.post(url).bearer_auth(made["access_token"].as_str().unwrap());
    request = request.header("accept", "application/json, text/event-stream").json(message);
    if message["params"]["_meta"].is_object() {
        request = request.header("mcp-protocol-version", "2026-07-28");
        request = request.header("mcp-method", message["method"].as_str().unwrap());
        request = request.header("mcp-name", message["params"]["name"].as_str().unwrap_or_default());
    }
    request = session.into_iter().fold(request, |request, session| request.header("mcp-session-id", session));
    request.timeout(crate::ground::PATIENCE).send().await.unwrap()
}

fn tool(name: &str) -> Value {
    let meta = json!({VERSION: "2026-07-28", CAPABILITIES: {}});
    let params = json!({"name": name, "arguments": {}, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

async fn state(daemon: &Daemon, made: &Value) -> Value {
    let response = send(daemon, made, &tool("state"), None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = response.json().await.unwrap();
    serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_standard_streams_outlives_the_daemon_and_is_spoken_with_again() {
    let mut daemon = Daemon::start().await;
    let definition = "name = \"scripted\"\ndisplay_name = \"Scripted\"\nlane = \"stdio\"\n\
        server_script = \"faulty/stdio.mjs\"\nargs = [\"both\"]\n[health_check]\nkind = \"mcp\"\ninterval_seconds = 1\n";
    daemon.add_type(definition).await;
    let made = daemon.running("scripted", "mine").await;
    let before = state(&daemon, &made).await;
    assert_eq!(before["pid"], made["process_id"]);
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let begun = send(&daemon, &made, &initialize, None).await;
    let session = begun.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let legacy: Value = begun.json().await.unwrap();
    let companion: u32 = legacy["result"]["serverInfo"]["version"].as_str().unwrap().parse().unwrap();
    // It has begun a line that it never ends.
    let mumble = tool("mumble");
    let unanswered = send(&daemon, &made, &mumble, None);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), unanswered).await.is_err());

    daemon.kill();
    daemon.serve().await;
    let back = daemon.status(&id(&made), "running").await;
    assert_eq!(
        (pid(&back), &back["generation"]),
        (pid(&made), &json!(1)),
        "the same process in the same run"
    );
    assert!(back["restored_at"].is_string(), "{back}");
    ended(companion).await;
    let list = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"});
    assert_eq!(send(&daemon, &made, &list, Some(&session)).await.status(), StatusCode::NOT_FOUND);
    let after = state(&daemon, &made).await;
    assert_eq!(after["pid"], before["pid"]);
    assert!(send(&daemon, &made, &initialize, None).await.headers().contains_key("mcp-session-id"));

    let fifos = || {
        std::fs::read_dir(daemon.data().join("run"))
            .unwrap()
            .filter(|entry| {
                let path = entry.as_ref().unwrap().path();
                path.extension().is_some_and(|extension| extension == "stdin" || extension == "stdout")
            })
            .count()
    };
    assert_eq!(fifos(), 4, "of the instance and of its session");
    daemon.cli(&["rm", "mine", "--yes"]).await.done();
    assert_eq!(fifos(), 0);
    assert!(daemon.servers().is_empty());
}
