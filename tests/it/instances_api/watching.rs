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

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_an_instance_is_told_newest_first_and_page_by_page() {
    let daemon = Daemon::start().await;
    let (una, ugo) = (daemon.user("una", Role::User).await, daemon.user("ugo", Role::User).await);
    let mcp_type = daemon.faulty(&["ok"]).await;
    let made = daemon.running(&mcp_type, &una).await;
    daemon.running(&mcp_type, &una).await;
    let id = id(&made);
    order(&daemon, &una, id, "stop").await;
    wait(&daemon, &una, id, "stopped").await;
    let path = format!("/v1/instances/{id}/transitions");
    // The journal writes in batches, behind what the answers tell.
    let written = async {
        loop {
            let page = daemon.get(&path, &una).await.json();
            if page["items"][0]["to"] == "stopped" {
                break page;
            }
        }
    };
    let whole = tokio::time::timeout(crate::ground::PATIENCE, written).await.unwrap();
    let all = whole["items"].as_array().unwrap();
    assert!(all.iter().all(|event| event["instance_id"] == made["id"]), "{all:?}");
    let seqs: Vec<i64> = all.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert!(seqs.len() > 3 && seqs.windows(2).all(|pair| pair[0] == pair[1] + 1), "{seqs:?}");
    assert_eq!(all.last().unwrap()["to"], "pending");

    let mut cursor = String::new();
    let mut paged = Vec::new();
    loop {
        let page = daemon.get(&format!("{path}?limit=2{cursor}"), &una).await.json();
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&paged, all);
    assert_eq!(daemon.get(&path, &ugo).await.code(), "instance_not_found");
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
