//! The guide's second point: is the process there, does its port answer, what does it use?

use serde_json::{Value, json};

use super::{check, found, steps};
use crate::daemon::Daemon;

/// An instance of a faulty type that is not started again.
async fn once(daemon: &Daemon, mode: &[&str]) -> String {
    let mcp_type = daemon.faulty(mode).await;
    let body = json!({"mcp_type": mcp_type, "restart": {"policy": "temporary"}});
    let made = daemon.post("/v1/instances?wait=running", &daemon.admin, &body).await.json();
    made["id"].as_str().unwrap_or_else(|| panic!("{made:#}")).to_owned()
}

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |found| found["status"] == status
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_process_is_gone_is_told_from_one_that_does_not_answer() {
    let daemon = Daemon::start().await;
    let gone = once(&daemon, &["crash-after", "300"]).await;
    let gone = found(&daemon, &gone, is("disconnected")).await;
    assert_eq!(check(&gone, "process")["ok"], false, "{gone:#}");
    assert!(check(&gone, "last_exit")["detail"].as_str().unwrap().contains("with exit code 3"));
    assert_eq!(check(&gone, "cpu")["detail"], "nothing is measured at present");
    let advice = steps(&gone);
    assert!(advice.contains("minimcp logs") && advice.contains("minimcp restore"), "{advice}");
    assert!(!advice.contains("health checks"), "{advice}");

    let silent = once(&daemon, &["blocked"]).await;
    let unwell = found(&daemon, &silent, |found| check(found, "health")["ok"] == false).await;
    assert_eq!(
        (&check(&unwell, "process")["ok"], &check(&unwell, "port")["ok"]),
        (&json!(true), &json!(true))
    );
    assert!(check(&unwell, "process")["detail"].as_str().unwrap().contains("is there since"), "{unwell:#}");
    assert_eq!(unwell["healthy"], false);
    let ended = found(&daemon, &silent, is("disconnected")).await;
    assert!(
        steps(&ended).starts_with("its process was there and did not answer its health checks"),
        "{ended:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_comes_back_by_the_step_that_is_advised() {
    let daemon = Daemon::start().await;
    let id = once(&daemon, &["crash-after", "300"]).await;
    found(&daemon, &id, is("disconnected")).await;
    let restored = daemon.post(&format!("/v1/instances/{id}/restore"), &daemon.admin, &json!({})).await;
    assert!(restored.status.is_success(), "{restored:?}");
    found(&daemon, &id, |found| check(found, "process")["ok"] == true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_that_ended_it_is_the_advice_and_no_word_of_its_output_is() {
    let daemon = Daemon::start().await;
    let grows = "console.error('EACCES: permission denied'); const held = []; \
                 require('http').createServer((_, answer) => answer.end()).listen(process.env.PORT, '127.0.0.1', () => \
                 setInterval(() => held.push(Buffer.alloc(8 << 20, 1)), 50))";
    daemon
        .add_type(&json!({
            "name": "grows", "display_name": "Grows", "command": "node", "args": ["-e", grows],
            "resource_limits": {"max_memory_mb": 200}, "health_check": {"kind": "process"}
        }))
        .await;
    let body = json!({"mcp_type": "grows", "restart": {"policy": "temporary"}});
    let made = daemon.post("/v1/instances", &daemon.admin, &body).await.json();
    let ended = found(&daemon, made["id"].as_str().unwrap(), |found| {
        found["status"] == "disconnected" || found["status"] == "failed"
    })
    .await;
    assert!(steps(&ended).starts_with("it used more memory than it may"), "{ended:#}");
    assert!(!steps(&ended).contains("may not read"), "{ended:#}");
}
