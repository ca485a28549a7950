//! Captured output: whole, rotated, and no danger to the child.

use std::path::Path;
use std::time::Duration;

use minimcp_actors::launch::logs;
use minimcp_actors::state::Status;

use crate::ground::{Ground, eventually};

/// Numbers of the lines `line 000000001 …` that were kept of a log, in order, and how many bytes were not.
pub(crate) fn numbers(log: &Path) -> (Vec<u64>, u64) {
    let mut numbers = Vec::new();
    let mut dropped = 0;
    for part in logs::parts(log) {
        let text = std::fs::read_to_string(part).unwrap();
        for line in text.trim_start_matches('\0').lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("line"), Some(number)) => numbers.push(number.parse().unwrap()),
                (Some("[minimcp]"), Some(bytes)) => dropped += bytes.parse::<u64>().unwrap(),
                _ => {}
            }
        }
    }
    (numbers, dropped)
}

#[tokio::test]
async fn a_flood_of_output_neither_blocks_the_child_nor_loses_a_line_unnoticed() {
    let ground = Ground::new().await;
    // 30 MB: more than one file holds, less than all five do.
    let lines = 300_000;
    let mut spec = ground.faulty(&["chatty", &lines.to_string()]);
    spec.policy.timing.start_timeout = Duration::from_secs(60);
    let child = ground.running(spec).await;
    eventually("two parts are rotated away", || logs::parts(&ground.path("logs/stdout.log")).len() >= 3)
        .await;
    // For a moment a part is in its new file and not cut from the live one yet.
    eventually("each line stands once", || numbers(&ground.path("logs").join("stdout.log")).0.len() == lines)
        .await;
    let (kept, dropped) = numbers(&ground.path("logs").join("stdout.log"));
    assert_eq!(dropped, 0);
    assert!(kept.iter().copied().eq(1..=lines as u64), "every line, in order");
    assert_eq!(ground.actors.registry().get(child.id).unwrap().status, Status::Running);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_server_finds_its_own_log_going_on_after_a_restart() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["noisy", "10"])).await;
    ground.actors.order(child.id, minimcp_actors::state::Command::Restart).await.unwrap();
    ground.until(child.id, |now| now.run.0 == 2 && now.status == Status::Running).await;
    let (kept, _) = numbers(&ground.path("logs").join("stderr.log"));
    assert_eq!(kept, (1..=10).chain(1..=10).collect::<Vec<_>>());
    ground.leave(false).await;
}
