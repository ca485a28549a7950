//! Processes that outlive the actors that started them.

use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Probe, Record};
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::state::{Cause, Command, Exit, Run, Status};

use crate::ground::{Ground, is_alive, signal};

const PAST: Past = Past { last_run: Run(1), restarts: 0, rests_since: None };

fn records(ground: &Ground) -> Vec<Record> {
    RunDir::open(ground.path("run")).unwrap().records().unwrap().0
}

#[tokio::test]
async fn a_process_that_outlived_its_actors_is_adopted_in_place() {
    let first = Ground::new().await;
    let spec = first.faulty(&["ok"]);
    let before = first.running(spec.clone()).await;
    let dir = first.leave(true).await;
    assert!(is_alive(before.pid.unwrap()));

    let second = Ground::in_dir(dir, |_| {}).await;
    let record = records(&second).pop().unwrap();
    let fate = Fate::Adopt { record: Box::new(record), restore: true };
    second.actors.recover(spec.clone(), PAST, fate).await.unwrap();
    let after = second.status(spec.id, Status::Running).await;
    assert_eq!((after.pid, after.run, after.port), (before.pid, before.run, before.port));
    assert_eq!(after.cause, Cause::Adopted);
    assert!(after.restored_at.is_some());

    // Its end is seen at once, though it is no child of ours, and it is replaced.
    signal(after.pid.unwrap(), "KILL");
    let replaced = second.until(spec.id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_eq!(replaced.last_exit.as_ref().map(|last| last.exit), Some(Exit::Signal(9)));
    second.leave(false).await;
}

#[tokio::test]
async fn what_died_meanwhile_is_disconnected_and_restored() {
    let first = Ground::new().await;
    let spec = first.faulty(&["ok"]);
    let before = first.running(spec.clone()).await;
    let dir = first.leave(true).await;
    signal(before.pid.unwrap(), "KILL");
    crate::ground::ended(before.pid.unwrap()).await;

    let second = Ground::in_dir(dir, |_| {}).await;
    let mut transitions = second.actors.registry().subscribe();
    let fate = Fate::Adopt { record: Box::new(records(&second).pop().unwrap()), restore: true };
    second.actors.recover(spec.clone(), PAST, fate).await.unwrap();
    let after = second.status(spec.id, Status::Running).await;
    assert_eq!(after.run, Run(2));
    let mut seen = Vec::new();
    while let Ok(moved) = transitions.try_recv() {
        seen.push(moved.snapshot.status);
    }
    assert!(seen.contains(&Status::Disconnected), "{seen:?}");
    second.leave(false).await;
}

#[tokio::test]
async fn a_recycled_process_id_is_never_signalled() {
    let ground = Ground::new().await;
    let bystander =
        ground.running(ground.spec("/bin/sleep".into(), vec!["1000".into()], Probe::Process)).await;
    let mut record = records(&ground).pop().unwrap();
    // The same process id, as a process of another time and of another boot.
    for forge in [
        |record: &mut Record| record.identity.start_ticks -= 1,
        |record: &mut Record| "another".clone_into(&mut record.identity.boot_id),
    ] {
        let spec = ground.faulty(&["ok"]);
        record.id = spec.id;
        // The word of the run that had the id before.
        "another".clone_into(&mut record.nonce);
        let mut forged = record.clone();
        forge(&mut forged);
        let fate = Fate::Adopt { record: Box::new(forged), restore: false };
        ground.actors.recover(spec.clone(), PAST, fate).await.unwrap();
        assert_eq!(ground.status(spec.id, Status::Disconnected).await.cause, Cause::Lost);
        ground.actors.order(spec.id, Command::Stop).await.unwrap();
        ground.status(spec.id, Status::Stopped).await;
        ground.actors.remove(spec.id).await.unwrap();
        assert!(is_alive(bystander.pid.unwrap()));
    }
    ground.leave(false).await;
}

#[tokio::test]
async fn an_adopted_process_can_be_stopped_with_its_tree() {
    let first = Ground::new().await;
    let spec = first.faulty(&["stubborn"]);
    let before = first.running(spec.clone()).await;
    let dir = first.leave(true).await;
    let second = Ground::in_dir(dir, |_| {}).await;
    let fate = Fate::Adopt { record: Box::new(records(&second).pop().unwrap()), restore: true };
    second.actors.recover(spec.clone(), PAST, fate).await.unwrap();
    second.status(spec.id, Status::Running).await;
    second.actors.order(spec.id, Command::Stop).await.unwrap();
    second.status(spec.id, Status::Stopped).await;
    assert!(!is_alive(before.pid.unwrap()));
    second.leave(false).await;
}

#[test]
fn a_process_whose_gate_was_not_opened_runs_nothing() {
    use std::process::{Command, Stdio};
    let gate = Command::new(env!("CARGO_BIN_EXE_minimcp"))
        .arg("__minimcp-gate")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(gate.status.code(), Some(75));
    assert!(gate.stdout.is_empty());
}
