//! The protocol's official conformance suite through the gateway, on both lanes and in both eras.

use std::process::{Output, Stdio};
use std::time::Duration;

use minimcp::http::Bounds;
use minimcp::store::Role;
use serde_json::json;

use super::Scene;
use crate::daemon::Daemon;
use crate::ground::node;

/// The longest that a run took on a busy machine, several times over.
const LONG: Duration = Duration::from_secs(600);

/// An instance of the server that the suite asks for, on this lane.
async fn fixture(lane: &str, sessions: &str) -> Scene {
    // Clients of the suite end no sessions.
    let set = ["gateway.max-sessions=200", "gateway.max-rate=0"];
    let daemon = Daemon::with(&set, Bounds::default()).await;
    let args = if lane == "stdio" { json!(["--stdio"]) } else { json!([]) };
    let check =
        if lane == "stdio" { json!({"kind": "mcp"}) } else { json!({"kind": "http", "endpoint": "/health"}) };
    let definition = json!({
        "name": "fixture", "display_name": "Fixture", "lane": lane, "sessions": sessions, "args": args,
        "server_script": "dist/conformance-fixture.cjs", "health_check": check
    });
    daemon.add_type(&definition).await;
    let user = daemon.user("una", Role::User).await;
    Scene::of(daemon, user, "fixture").await
}

/// Runs the suite against an instance.
async fn suite(scene: &Scene) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/conformance/through.mjs");
    let mut command = tokio::process::Command::new(node());
    command.arg(script).arg(scene.daemon.url(&format!("/i/{}/mcp", scene.id)));
    command.env("MINIMCP_INSTANCE_TOKEN", &scene.token).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(LONG, command.output()).await.expect("the suite ends").unwrap()
}

/// Every scenario that both revisions require has passed, and there were some.
fn passed(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}\n{out}");
    assert!(out.contains("| scenarios passed | 30 of 30 | 37 of 37 |"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_on_the_http_lane() {
    passed(&suite(&fixture("http", "per_session").await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_on_the_stdio_lane_for_two_clients_at_once() {
    let scene = fixture("stdio", "per_session").await;
    let (one, other) = tokio::join!(suite(&scene), suite(&scene));
    passed(&one);
    passed(&other);
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_a_process_costs_what_needs_a_client_of_its_own_and_nothing_else() {
    let output = suite(&fixture("stdio", "shared").await).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("| scenarios passed | 25 of 30 | 37 of 37 |"), "{err}\n{out}");
    let mut failed: Vec<&str> = err
        .lines()
        .filter_map(|line| line.strip_prefix("2025-11-25 ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    failed.sort_unstable();
    let asks = ["elicitation-sep1034-defaults", "elicitation-sep1330-enums", "tools-call-elicitation"];
    assert_eq!(failed, [&asks[..], &["tools-call-sampling", "tools-call-with-logging"]].concat());
}
