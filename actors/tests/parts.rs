//! Parts of an instance: supervised as it is, seen nowhere, and gone with it. On scripted processes, in virtual time.
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use minimcp_actors::fake::{self, FakeLauncher, Script};
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::message::Refused;
use minimcp_actors::policy::{Policy, RestartPolicy};
use minimcp_actors::routes::Lane;
use minimcp_actors::state::{Command, Exit, Run, Status};
use minimcp_actors::{Config, Supervision, start};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(100_000);

fn spec(part_of: Option<Uuid>) -> Spec {
    let policy = match part_of {
        Some(_) => Policy { restart: RestartPolicy::Temporary, ..Policy::default() },
        None => Policy::default(),
    };
    let probe = Probe::Pipes { note: String::new() };
    Spec { part_of, ..Spec::new("fake", policy, probe, Arc::new(fake::plan())) }
}

/// An instance that runs, and the id of a part of it that runs too.
async fn whole_and_part() -> (Supervision, FakeLauncher, Uuid, Uuid) {
    whole_and_part_that_does(Script::default()).await
}

async fn whole_and_part_that_does(script: Script) -> (Supervision, FakeLauncher, Uuid, Uuid) {
    let is_part = AtomicBool::new(false);
    let launcher = FakeLauncher::new(move |_| match is_part.swap(true, Ordering::Relaxed) {
        false => Script::default(),
        true => script.clone(),
    });
    let config = Config { sample_interval: LONG, corner: false, ..Config::default() };
    let actors = start(config, Arc::new(launcher.clone()));
    let whole = spec(None);
    let id = whole.id;
    actors.create(whole).await.unwrap();
    let (_, runs) = actors.wait_until(id, LONG, |now| now.status == Status::Running).await.unwrap();
    assert!(runs);
    let part = spec(Some(id));
    let part_id = part.id;
    actors.create(part).await.unwrap();
    let serves = |lane| matches!(lane, Lane::Pipes { .. });
    let mut watch = actors.routes().get(part_id).unwrap().watch();
    watch.wait_for(|way| serves(way.lane())).await.unwrap();
    (actors, launcher, id, part_id)
}

async fn gone(actors: &Supervision, id: Uuid) {
    if let Some(route) = actors.routes().get(id) {
        let mut watch = route.watch();
        drop(route);
        // The way ends with the entry.
        while watch.changed().await.is_ok() {}
    }
    assert!(actors.registry().get(id).is_none());
}

#[actix::test]
async fn a_part_is_in_no_list_and_no_stream_and_ends_with_its_whole() {
    tokio::time::pause();
    let (actors, launcher, id, part) = whole_and_part().await;
    assert_eq!(actors.routes().get(id).unwrap().lane(), Lane::Pipes { run: Run(1) });
    let listed: Vec<Uuid> = actors.registry().all().iter().map(|one| one.id).collect();
    assert_eq!(listed, [id]);
    let mut stream = actors.registry().subscribe();
    assert_eq!(launcher.live().len(), 2);
    actors.order(id, Command::Stop).await.unwrap();
    gone(&actors, part).await;
    assert_eq!(launcher.live(), []);
    while let Ok(transition) = stream.try_recv() {
        assert_eq!(transition.snapshot.id, id, "of parts nobody hears");
    }
}

#[actix::test]
async fn an_instance_is_removed_only_once_its_parts_are_gone() {
    tokio::time::pause();
    let slow = Script { ends_within: Some(Duration::from_secs(5)), ..Script::default() };
    let (actors, launcher, id, part) = whole_and_part_that_does(slow).await;
    actors.remove(id).await.unwrap();
    assert_eq!(launcher.live(), []);
    assert!(actors.registry().get(id).is_none() && actors.registry().get(part).is_none());
}

#[actix::test]
async fn a_part_that_exits_is_forgotten_and_its_whole_lives_on() {
    tokio::time::pause();
    let (actors, launcher, id, part) = whole_and_part().await;
    launcher.exit(part, Run(1), Exit::Code(0));
    gone(&actors, part).await;
    assert_eq!(actors.registry().get(id).unwrap().status, Status::Running);
    assert_eq!(launcher.live(), [(id, Run(1))]);

    let another = spec(Some(id));
    let another_id = another.id;
    actors.create(another).await.unwrap();
    actors.remove(another_id).await.unwrap();
    assert_eq!(launcher.live(), [(id, Run(1))]);
}

#[actix::test]
async fn nothing_without_a_process_has_parts() {
    tokio::time::pause();
    let (actors, _, id, _) = whole_and_part().await;
    actors.order(id, Command::Stop).await.unwrap();
    actors.wait_until(id, LONG, |now| now.status == Status::Stopped).await.unwrap();
    assert_eq!(actors.create(spec(Some(id))).await.unwrap_err(), Refused::Unknown(id));
    let stranger = Uuid::now_v7();
    assert_eq!(actors.create(spec(Some(stranger))).await.unwrap_err(), Refused::Unknown(stranger));
}

#[actix::test]
async fn an_instance_in_use_beyond_its_calls_is_not_put_to_sleep() {
    tokio::time::pause();
    let launcher = FakeLauncher::new(|_| Script::default());
    let config = Config { sample_interval: LONG, corner: false, ..Config::default() };
    let actors = start(config, Arc::new(launcher));
    let spec = Spec { idle_after: Some(Duration::from_secs(60)), ..spec(None) };
    let id = spec.id;
    actors.create(spec).await.unwrap();
    actors.wait_until(id, LONG, |now| now.status == Status::Running).await.unwrap();
    // The wall clock stands still while time is paused, so the use has not ended however often it is looked at.
    let until = Utc::now().timestamp_millis() + 30_000_000;
    actors.routes().get(id).unwrap().keep_awake_until(until);
    let (_, slept) = actors
        .wait_until(id, Duration::from_secs(3_600), |now| now.status == Status::Hibernated)
        .await
        .unwrap();
    assert!(!slept);
}
