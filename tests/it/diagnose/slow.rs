//! The guide's third point: servers that are slow, each for a reason of its own, and that reason is the one told.

use serde_json::{Value, json};

use super::{check, diagnosis, found, steps};
use crate::daemon::Daemon;

/// A running instance of a faulty mode with these limits.
async fn running(daemon: &Daemon, mode: &[&str], limits: Value) -> String {
    let name = mode[0];
    daemon
        .add_type(&json!({
            "name": name, "display_name": name, "server_script": "faulty/index.mjs", "args": mode,
            "resource_limits": limits,
            "health_check": {"kind": "http", "endpoint": "/health", "interval_seconds": 1, "start_timeout_seconds": 30}
        }))
        .await;
    daemon.running(name, &daemon.admin).await["id"].as_str().unwrap().to_owned()
}

async fn slow(daemon: &Daemon, id: &str) -> (Value, String) {
    let slow = |found: &Value| found["summary"].as_str().unwrap().contains("slow");
    let slow = found(daemon, id, slow).await;
    assert_eq!((&slow["status"], &slow["healthy"]), (&json!("running"), &json!(false)));
    let advice = steps(&slow);
    (slow, advice)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_computes_all_the_time_is_told_so() {
    let daemon = Daemon::start().await;
    // Where the kernel does not hold a server to its limit, one that is over it is ended instead.
    let machine = daemon.get("/v1/system/isolation", &daemon.admin).await.json();
    let is_held = machine["control_groups"]["cpu"] != "sampling";
    let (limits, advised) = if is_held {
        (json!({"max_cpu_percent": 20}), "have the type's CPU limit raised")
    } else {
        (json!({}), "it keeps a core busy")
    };
    let (found, advice) = slow(&daemon, &running(&daemon, &["spin"], limits).await).await;
    assert!(advice.contains(advised), "{found:#}");
    assert!(!advice.contains("waits for something") && !advice.contains("memory limit"), "{advice}");
    assert!(advice.contains("--debug") && advice.contains("minimcp logs"), "{advice}");
    assert_eq!((&check(&found, "cpu")["ok"], &check(&found, "memory")["ok"]), (&json!(false), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_near_its_memory_limit_is_told_so_before_it_is_ended() {
    let daemon = Daemon::start().await;
    let (found, advice) =
        slow(&daemon, &running(&daemon, &["hog", "250"], json!({"max_memory_mb": 340})).await).await;
    assert!(advice.contains("near its memory limit"), "{found:#}");
    assert!(!advice.contains("CPU limit") && !advice.contains("waits for something"), "{advice}");
    assert!(check(&found, "memory")["detail"].as_str().unwrap().ends_with("MiB, of 340 that it may"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_its_vendor_is_told_from_one_that_computes() {
    let daemon = Daemon::start().await;
    let (found, advice) = slow(&daemon, &running(&daemon, &["slow", "1200"], json!({})).await).await;
    assert!(advice.contains("it waits for something, most often its vendor"), "{found:#}");
    assert!(!advice.contains("core busy") && !advice.contains("memory limit"), "{advice}");
    assert_eq!(check(&found, "latency")["ok"], false);

    let quick = running(&daemon, &["ok"], json!({"max_cpu_percent": 50})).await;
    let measured = |found: &Value| check(found, "cpu")["ok"].is_boolean();
    super::found(&daemon, &quick, measured).await;
    let quick = diagnosis(&daemon, &quick).await;
    assert_eq!(
        (&quick["healthy"], steps(&quick).as_str()),
        (&json!(true), "nothing needs to be done"),
        "{quick:#}"
    );
}
