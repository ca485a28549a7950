//! The guide's debug mode, for one instance and not for its neighbours.

use serde_json::{Value, json};

use super::{found, steps};
use crate::daemon::Daemon;
use crate::ground::get;

async fn made(daemon: &Daemon, mcp_type: &str, debug: bool) -> Value {
    let body = json!({"mcp_type": mcp_type, "debug": debug});
    let made = daemon.post("/v1/instances?wait=running", &daemon.admin, &body).await.json();
    assert_eq!((&made["status"], &made["debug"]), (&json!("running"), &json!(debug)), "{made:#}");
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_output_is_on_in_the_process_of_the_instance_that_has_it_and_in_no_other() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["env"]).await;
    let (loud, quiet) = (made(&daemon, &mcp_type, true).await, made(&daemon, &mcp_type, false).await);
    let mut said = Vec::new();
    for instance in [&loud, &quiet] {
        let port = u16::try_from(instance["assigned_port"].as_u64().unwrap()).unwrap();
        let env = get(port, "/env").await["env"].clone();
        let variables = ["LOG_LEVEL", "DEBUG", "NODE_DEBUG"].map(|name| env[name].clone());
        let id = instance["id"].as_str().unwrap();
        let log = daemon.get(&format!("/v1/instances/{id}/logs?stream=stderr"), &daemon.admin).await;
        said.push((variables, log.text.contains("HTTP ") && log.text.contains("NET ")));
    }
    let of_the_guide = [json!("debug"), json!("mcp:*"), json!("http,net,stream")];
    assert_eq!(said, [(of_the_guide, true), ([json!("info"), Value::Null, Value::Null], false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_output_is_advised_where_it_is_off_and_something_is_wrong() {
    let daemon = Daemon::start().await;
    let mcp_type = daemon.faulty(&["exit"]).await;
    for debug in [false, true] {
        let body = json!({"mcp_type": mcp_type, "debug": debug, "restart": {"policy": "temporary"}});
        let made = daemon.post("/v1/instances", &daemon.admin, &body).await.json();
        let failed = found(&daemon, made["id"].as_str().unwrap(), |found| found["status"] == "failed").await;
        let advised = format!("`minimcp create {mcp_type} --debug`");
        assert_eq!(steps(&failed).contains(&advised), !debug, "{failed:#}");
    }
}
