//! What an operator watches with speaks of what the daemon says.

use std::collections::BTreeSet;

use minimcp::http::Bounds;
use minimcp::store::Role;
use reqwest::StatusCode;
use serde_json::json;

use crate::daemon::Daemon;

const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/minimcp.json");

/// The words of a text that begin so.
fn words<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with(beginning))
        .collect()
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_nothing_that_the_daemon_does_not_count() {
    let daemon = Daemon::with(&[], Bounds::default()).await;
    let user = daemon.user("una", Role::User).await;
    daemon
        .add_type(&json!({
            "name": "faulty", "display_name": "Faulty", "server_script": "faulty/index.mjs", "args": ["ok"],
            "health_check": {"endpoint": "/health"}
        }))
        .await;
    let instance = daemon.running("faulty", &user).await;
    let path = format!("/i/{}/mcp", instance["id"].as_str().unwrap());
    let token = instance["access_token"].as_str().unwrap();
    assert_eq!(daemon.get(&path, token).await.status, StatusCode::OK);

    let said = daemon.get("/metrics", &daemon.admin).await.text;
    let said = words(&said, "");
    for (what, text) in [("alerts", ALERTS), ("dashboard", DASHBOARD)] {
        let asked = words(text, "minimcp_");
        assert!(asked.len() > 5, "{what}: {asked:?}");
        assert_eq!(asked.difference(&said).collect::<Vec<_>>(), Vec::<&&str>::new(), "{what}");
    }
    // Prometheus adds the first two by itself.
    let given = ["job", "instance", "le"];
    let lists = [ALERTS, DASHBOARD].into_iter().flat_map(|text| text.split("by (").skip(1));
    for label in lists.filter_map(|list| list.split(')').next()).flat_map(|list| list.split(", ")) {
        assert!(said.contains(label) || given.contains(&label), "no metric has {label}");
    }
}

#[tokio::test]
async fn what_alerts_count_is_there_before_it_happens() {
    let daemon = Daemon::with(&[], Bounds::default()).await;
    let said = daemon.get("/metrics", &daemon.admin).await.text;
    for sample in [
        r#"minimcp_transitions_total{to="disconnected",cause="exited"} 0"#,
        r#"minimcp_transitions_total{to="restarting",cause="high_memory"} 0"#,
        r#"minimcp_http_answers_total{class="5xx"} 0"#,
        r#"minimcp_traces_spans_dropped_total{reason="collector"} 0"#,
    ] {
        assert!(said.contains(sample), "{sample} in {said}");
    }
}
