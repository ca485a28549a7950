//! What the API tells of instances as they run.

use std::collections::HashSet;

use minimcp::store::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{id, order, wait};
use crate::daemon::Daemon;

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_where_a_reader_left_off_and_only_the_own_ones_are_told() {
    let daemon = Daemon::start().await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let mcp_type = daemon.faulty(&["ok"]).await;
    let mut live = daemon.request(Method::GET, "/v1/events", &una).send().await.unwrap();
    let made = daemon.running(&mcp_type, &una).await;
    daemon.running(&mcp_type, &ugo).await;

    let mut text = String::new();
    while !text.contains("\"to\":\"running\"") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, live.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let seen = events(&text);
    assert!(seen.iter().all(|(_, event)| event["instance_id"] == made["id"]), "{seen:?}");
    let statuses: Vec<&str> = seen.iter().filter_map(|(_, event)| event["to"].as_str()).collect();
    assert_eq!(statuses.last(), Some(&"running"));
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));

    order(&daemon, &una, id(&made), "stop").await;
    wait(&daemon, &una, id(&made), "stopped").await;
    let resume = daemon.request(Method::GET, "/v1/events", &una).header("last-event-id", seen[0].0);
    let mut resumed = resume.send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\"to\":\"stopped\"") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, resumed.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let resumed = events(&text);
    assert!(resumed[0].0 > seen[0].0, "the one that was seen does not come again");
    assert_eq!(resumed[0], seen[1], "and nothing is left out");

    let all = daemon.get("/v1/events?follow=false", &daemon.admin).await;
    let owners: HashSet<String> =
        events(&all.text).iter().map(|(_, event)| event["user_id"].to_string()).collect();
    assert_eq!(owners.len(), 2, "an administrator sees everybody's");
    let wrong =
        daemon.send(daemon.request(Method::GET, "/v1/events", &una).header("last-event-id", "x")).await;
    assert_eq!(wrong.code(), "invalid_header");
}

/// The events of a stream's text with their ids.
fn events(text: &str) -> Vec<(i64, Value)> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
            events.push((id.parse().unwrap(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_stats_diagnosis_actors_and_metrics_tell_what_goes_on() {
    let daemon = Daemon::start().await;
    let user = daemon.user("una", Role::User).await;
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &user).await;
    let path = format!("/v1/instances/{}", id(&made));

    let mut follow = daemon
        .request(Method::GET, &format!("{path}/logs?stream=stdout&follow=true"), &user)
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while !text.contains("faulty ok listening") {
        let chunk = tokio::time::timeout(crate::ground::PATIENCE, follow.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
    let logs = daemon.get(&format!("{path}/logs?stream=stdout&tail=5"), &user).await;
    assert!(logs.text.starts_with("faulty ok listening"), "{logs:?}");
    let both = daemon.get(&format!("{path}/logs"), &user).await;
    assert!(both.text.contains("stdout: faulty ok listening"), "{both:?}");
    assert_eq!(daemon.get(&format!("{path}/logs?stream=../x"), &user).await.code(), "invalid_query");

    let sampled = daemon.supervision.clone();
    let uuid = id(&made).parse().unwrap();
    crate::ground::eventually("it is measured", || !sampled.registry().trend(uuid, None).is_empty()).await;
    let stats = daemon.get(&format!("{path}/stats"), &user).await.json();
    assert!(stats["samples"][0]["memory_bytes"].as_u64().unwrap() > 1_000_000, "{stats}");
    let since = daemon.get(&format!("{path}/stats?since=2999-01-01T00:00:00Z"), &user).await.json();
    assert_eq!(since["samples"], json!([]));

    let diagnosis = daemon.get(&format!("{path}/diagnose"), &user).await.json();
    assert_eq!(diagnosis["healthy"], true, "{diagnosis}");
    assert!(diagnosis["checks"].as_array().unwrap().len() >= 5);
    order(&daemon, &user, id(&made), "stop").await;
    wait(&daemon, &user, id(&made), "stopped").await;
    let diagnosis = daemon.get(&format!("{path}/diagnose"), &user).await.json();
    assert_eq!(diagnosis["healthy"], false);
    assert!(diagnosis["next_steps"][0].as_str().unwrap().contains("restart"), "{diagnosis}");

    let actors = daemon.get("/v1/actors", &daemon.admin).await.json();
    let paths: HashSet<&str> =
        actors["items"].as_array().unwrap().iter().filter_map(|actor| actor["path"].as_str()).collect();
    assert!(paths.contains("/supervisor") && paths.contains("/journal"), "{paths:?}");
    let supervisor = daemon.get("/v1/actors/supervisor", &daemon.admin).await.json();
    assert!(supervisor["items"][0]["messages_handled"].as_u64().unwrap() > 0);
    assert_eq!(daemon.get("/v1/actors/nobody", &daemon.admin).await.code(), "actor_not_found");

    let metrics = daemon.get("/metrics", &daemon.admin).await.text;
    for line in [
        format!("minimcp_instances{{status=\"stopped\",mcp_type=\"{mcp_type}\"}} 1"),
        "minimcp_transitions_total{to=\"running\",".into(),
        "minimcp_start_seconds_count 1".into(),
        "minimcp_http_answers_total{class=\"2xx\"}".into(),
        "# EOF".into(),
    ] {
        assert!(metrics.contains(&line), "{line} is missing in {metrics}");
    }
    let ready = daemon.get("/readyz", "").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::OK, &json!(true)));
}
