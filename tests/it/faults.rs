//! Servers that misbehave.

use std::time::Duration;

use minimcp_actors::launch::Probe;
use minimcp_actors::policy::{Limits, RestartPolicy};
use minimcp_actors::state::{Cause, Exit, Run, Status};

use crate::ground::{Ground, is_alive, signal};

#[tokio::test]
async fn a_server_that_exits_at_once_fails_with_its_last_words() {
    let ground = Ground::new().await;
    let spec = ground.faulty(&["exit"]);
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let failed = ground.status(id, Status::Failed).await;
    let last = failed.last_exit.as_ref().unwrap();
    assert_eq!((last.exit, last.run), (Exit::Code(3), Run(4)), "one start and three more tries");
    assert_eq!(last.stderr_tail.lines().count(), 1, "only this run's words: {:?}", last.stderr_tail);
    assert_eq!(failed.port, None);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_fails_at_once_with_words_that_name_it() {
    let ground = Ground::new().await;
    let spec = ground.spec("/nonexistent/server".into(), Vec::new(), Probe::Process);
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let failed = ground.status(id, Status::Failed).await;
    assert_eq!(failed.run, Run(1));
    assert!(failed.reason.contains("/nonexistent/server"), "{}", failed.reason);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_server_that_never_gets_ready_is_ended_after_its_start_time_out() {
    let ground = Ground::new().await;
    let mut spec = ground.faulty(&["mute"]);
    spec.policy.timing.start_timeout = Duration::from_millis(300);
    spec.policy.restart = RestartPolicy::Temporary;
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let pid = ground.until(id, |now| now.pid.is_some()).await.pid.unwrap();
    let failed = ground.status(id, Status::Failed).await;
    assert_eq!(failed.cause, Cause::StartTimeout);
    assert!(!is_alive(pid));
    ground.leave(false).await;
}

#[tokio::test]
async fn a_stranger_on_the_port_is_never_taken_for_the_server() {
    let ground = Ground::new().await;
    let mut spec = ground.faulty(&["wrong-identity"]);
    spec.policy.timing.start_timeout = Duration::from_millis(500);
    spec.policy.restart = RestartPolicy::Temporary;
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    assert_eq!(ground.status(id, Status::Failed).await.cause, Cause::StartTimeout);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_frozen_child_is_found_and_replaced() {
    let ground = Ground::new().await;
    let mut spec = ground.faulty(&["ok"]);
    spec.policy.timing.probe_timeout = Duration::from_millis(500);
    let child = ground.running(spec).await;
    signal(child.pid.unwrap(), "STOP");
    let replaced = ground.until(child.id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_eq!(replaced.last_exit.as_ref().map(|last| last.cause), Some(Cause::ProbesFailed));
    assert!(!is_alive(child.pid.unwrap()));
    ground.leave(false).await;
}

#[tokio::test]
async fn a_server_that_calls_itself_unhealthy_is_shown_so_with_its_reason_and_replaced() {
    let ground = Ground::new().await;
    let child = ground.running(ground.faulty(&["unhealthy-after", "100"])).await;
    let ill = ground.status(child.id, Status::Unhealthy).await;
    assert!(ill.reason.contains("health answered 503"), "{}", ill.reason);
    ground.until(child.id, |now| now.run == Run(2)).await;
    ground.leave(false).await;
}

#[tokio::test]
async fn a_tree_over_its_memory_limit_is_killed_with_that_cause() {
    // Where the kernel keeps the limit, nothing is ever over it.
    let ground = Ground::without_cgroups().await;
    let mut spec = ground.faulty(&["hog", "300"]);
    spec.policy.limits = Limits { memory_bytes: Some(150 * 1024 * 1024), cpu_percent: None, tasks: None };
    let child = ground.running(spec).await;
    let killed = ground.until(child.id, |now| now.last_exit.is_some()).await;
    assert_eq!(killed.last_exit.as_ref().map(|last| last.cause), Some(Cause::HighMemory));
    assert!(killed.reason.starts_with("High memory usage"), "{}", killed.reason);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_tree_over_its_cpu_limit_is_killed_with_that_cause() {
    let ground = Ground::new().await;
    let mut spec = ground.faulty(&["spin"]);
    spec.policy.limits = Limits { memory_bytes: None, cpu_percent: Some(20), tasks: None };
    let child = ground.running(spec).await;
    let killed = ground.until(child.id, |now| now.last_exit.is_some()).await;
    assert_eq!(killed.last_exit.as_ref().map(|last| last.cause), Some(Cause::HighCpu));
    ground.leave(false).await;
}

#[tokio::test]
async fn a_plain_tcp_server_is_ready_once_it_listens() {
    let ground = Ground::new().await;
    let mut spec = ground.faulty(&["late", "200"]);
    spec.probe = Probe::Tcp;
    let child = ground.running(spec).await;
    assert!(child.health.as_ref().is_some_and(|health| health.problem.is_none()));
    ground.leave(false).await;
}
