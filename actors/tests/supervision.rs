//! The real actors on scripted processes, in virtual time.
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use minimcp_actors::fake::{self, FakeLauncher, Script};
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::message::Refused;
use minimcp_actors::policy::{Limits, Policy};
use minimcp_actors::routes::Lane;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Cause, Command, Denied, Exit, Run, Status};
use minimcp_actors::{Config, Supervision, start};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(100_000);

fn spec() -> Spec {
    Spec::new("fake", Policy::default(), Probe::Process, Arc::new(fake::plan()))
}

/// Nothing is measured: the scripted process ids belong to strangers.
fn config() -> Config {
    Config { sample_interval: LONG, corner: false, ..Config::default() }
}

fn actors(script: Script) -> (Supervision, FakeLauncher) {
    let launcher = FakeLauncher::new(move |_| script.clone());
    (start(config(), Arc::new(launcher.clone())), launcher)
}

async fn until(actors: &Supervision, id: Uuid, reached: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let (snapshot, in_time) = actors.wait_until(id, LONG, reached).await.expect("the instance is known");
    assert!(in_time, "not reached; it is {snapshot:#?}");
    snapshot
}

async fn status(actors: &Supervision, id: Uuid, status: Status) -> Arc<Snapshot> {
    until(actors, id, |snapshot| snapshot.status == status).await
}

#[actix::test]
async fn a_crash_brings_a_new_run_at_once_and_a_stop_ends_it() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let first = status(&actors, id, Status::Running).await;
    assert_eq!((first.run, first.restarts), (Run(1), 0));

    launcher.exit(id, Run(1), Exit::Signal(9));
    let second = until(&actors, id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_eq!(second.restarts, 1);
    assert_eq!(second.last_exit.as_ref().map(|last| (last.run, last.exit)), Some((Run(1), Exit::Signal(9))));

    actors.order(id, Command::Stop).await.unwrap();
    let stopped = status(&actors, id, Status::Stopped).await;
    assert_eq!((stopped.cause, stopped.pid), (Cause::Commanded, None));
    assert_eq!(launcher.live(), []);
    assert_eq!(launcher.most_at_once(), 1);
}

#[actix::test]
async fn a_crash_loop_ends_as_disconnected_and_a_restore_brings_it_back() {
    tokio::time::pause();
    let crash = Some((Duration::from_millis(50), Exit::Code(1)));
    let (actors, launcher) = actors(Script { exit_after: crash, ..Script::default() });
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let lost = status(&actors, id, Status::Disconnected).await;
    assert_eq!(launcher.launches().len(), 6, "one start and five restarts");
    assert_eq!(lost.reason, "The process ended by itself: exit code 1");
    actors.order(id, Command::Restore).await.unwrap();
    assert_eq!(status(&actors, id, Status::Running).await.run, Run(7));
    assert_eq!(
        actors.order(id, Command::Restore).await,
        Err(Refused::Denied(Denied::NotDisconnected(Status::Running)))
    );
}

#[actix::test]
async fn what_can_never_start_fails_and_is_not_tried_again() {
    tokio::time::pause();
    let fails = Some(("the script is missing".to_owned(), true));
    let (actors, launcher) = actors(Script { launch_fails: fails, ..Script::default() });
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let failed = status(&actors, id, Status::Failed).await;
    assert_eq!(failed.reason, "The process could not be launched: the script is missing");
    assert_eq!(launcher.launches().len(), 1);
}

#[actix::test]
async fn one_that_never_gets_ready_is_tried_within_its_budget_and_fails() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script { ready_after: None, ..Script::default() });
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let failed = status(&actors, id, Status::Failed).await;
    assert_eq!((failed.cause, launcher.launches().len()), (Cause::StartTimeout, 4));
    assert_eq!(launcher.live(), []);
}

async fn lease_ends_after(script: Script) -> u64 {
    tokio::time::pause();
    let (actors, launcher) = actors(script);
    let mut spec = spec();
    let id = spec.id;
    spec.lease_ends_at = Some(Utc::now() + Duration::from_secs(3_600));
    let begin = tokio::time::Instant::now();
    actors.create(spec).await.unwrap();
    let expired = status(&actors, id, Status::Expired).await;
    assert_eq!(expired.cause, Cause::LeaseEnded);
    assert_eq!(launcher.live(), []);
    begin.elapsed().as_secs()
}

#[actix::test]
async fn the_lease_ends_an_instance_to_the_second() {
    let took = lease_ends_after(Script::default()).await;
    assert!((3_599..=3_600).contains(&took), "{took} s");
}

#[actix::test]
async fn the_lease_ends_a_stubborn_instance_after_its_grace() {
    let took = lease_ends_after(Script { ends_within: None, ..Script::default() }).await;
    assert!((3_609..=3_610).contains(&took), "{took} s");
}

#[actix::test]
async fn three_missed_probes_replace_a_process_and_an_answer_in_between_forgives() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    launcher.answer(id, Run(1), false);
    status(&actors, id, Status::Unhealthy).await;
    launcher.answer(id, Run(1), true);
    status(&actors, id, Status::Running).await;
    launcher.answer(id, Run(1), false);
    let replaced = until(&actors, id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_eq!(replaced.last_exit.as_ref().map(|last| last.cause), Some(Cause::ProbesFailed));
    assert_eq!(launcher.most_at_once(), 1);
}

#[actix::test]
async fn a_panic_in_an_instances_actor_kills_its_process_and_is_an_exit_like_another() {
    tokio::time::pause();
    let launcher = FakeLauncher::new(|launch| Script {
        probe_panics: launch.run == Run(1),
        ends_within: None,
        ..Script::default()
    });
    let actors = start(config(), Arc::new(launcher.clone()));
    let (one, other) = (spec(), spec());
    let ids = (one.id, other.id);
    actors.create(one).await.unwrap();
    actors.create(other).await.unwrap();
    for id in [ids.0, ids.1] {
        let again = until(&actors, id, |now| now.run == Run(2) && now.status == Status::Running).await;
        assert_eq!(again.last_exit.as_ref().map(|last| last.exit), Some(Exit::ActorDied));
    }
    assert_eq!(launcher.most_at_once(), 1);
    assert_eq!(launcher.live().len(), 2);
    assert_eq!(actors.actors().iter().filter(|actor| actor.kind == "instance").count(), 2);
}

#[actix::test]
async fn starts_are_bounded_and_one_that_hangs_does_not_hold_up_the_others() {
    tokio::time::pause();
    let hangs = spec();
    let hanging = hangs.id;
    let launcher = FakeLauncher::new(move |launch| Script {
        ready_after: (launch.id != hanging).then_some(Duration::from_millis(500)),
        ..Script::default()
    });
    let config = Config { concurrent_starts: 1, ..config() };
    let actors = start(config, Arc::new(launcher.clone()));
    let begin = tokio::time::Instant::now();
    actors.create(hangs).await.unwrap();
    let others: Vec<Spec> = (0..3).map(|_| spec()).collect();
    let last = others[2].id;
    for other in others {
        actors.create(other).await.unwrap();
    }
    assert_eq!(launcher.launches().len(), 1, "one slot, one start");
    status(&actors, last, Status::Running).await;
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(4_500), "3 s for the one that hangs, then one by one: {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[actix::test]
async fn a_sleeping_instance_is_woken_by_a_request_and_removing_waits_for_the_end() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    actors.order(id, Command::Hibernate).await.unwrap();
    status(&actors, id, Status::Hibernated).await;
    assert_eq!(launcher.live(), []);
    actors.order(id, Command::Wake).await.unwrap();
    assert_eq!(status(&actors, id, Status::Running).await.cause, Cause::Woken);
    actors.remove(id).await.unwrap();
    assert_eq!(launcher.live(), []);
    assert!(actors.registry().get(id).is_none());
    assert_eq!(actors.order(id, Command::Stop).await, Err(Refused::Unknown(id)));
}

#[actix::test]
async fn an_instance_without_calls_falls_asleep_and_one_with_a_call_under_way_does_not() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let (mut called, mut idle) = (spec(), spec());
    called.idle_after = Some(Duration::from_secs(600));
    idle.idle_after = called.idle_after;
    let ids = (called.id, idle.id);
    let begin = tokio::time::Instant::now();
    actors.create(called).await.unwrap();
    actors.create(idle).await.unwrap();
    status(&actors, ids.0, Status::Running).await;
    let call = actors.routes().get(ids.0).unwrap().enter(1);
    assert_eq!(status(&actors, ids.1, Status::Hibernated).await.cause, Cause::Idle);
    assert_eq!(begin.elapsed().as_secs(), 600);
    assert_eq!(actors.routes().get(ids.1).unwrap().lane(), Lane::Asleep);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(launcher.live(), [(ids.0, Run(1))]);
    drop(call);
    status(&actors, ids.0, Status::Hibernated).await;
}

#[actix::test]
async fn a_shutdown_ends_everything_and_nothing_starts_afterwards() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let specs: Vec<Spec> = (0..20).map(|_| spec()).collect();
    let ids: Vec<Uuid> = specs.iter().map(|spec| spec.id).collect();
    for spec in specs {
        actors.create(spec).await.unwrap();
    }
    actors.shutdown(false).await;
    assert_eq!(launcher.live(), []);
    for id in ids {
        let snapshot = actors.registry().get(id).unwrap();
        assert_eq!((snapshot.status, snapshot.cause), (Status::Disconnected, Cause::DaemonShutdown));
    }
    assert_eq!(actors.create(spec()).await, Err(Refused::ShuttingDown));
}

#[test]
fn a_limit_that_nothing_can_keep_is_refused() {
    let policy = Policy {
        limits: Limits { memory_bytes: Some(0), cpu_percent: None, tasks: None },
        ..Policy::default()
    };
    assert!(policy.checked().is_err());
}

/// A specification that allows two processes at once.
fn overlapping() -> Spec {
    let mut spec = spec();
    spec.policy.overlap = true;
    spec
}

#[actix::test]
async fn a_replacement_takes_over_when_it_is_ready_and_the_old_run_ends_after_its_last_call() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let mut spec = overlapping();
    spec.probe = Probe::Tcp;
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let first = status(&actors, id, Status::Running).await;
    let route = actors.routes().get(id).unwrap();
    let call = route.watch().borrow().call();

    let mut transitions = actors.registry().subscribe();
    actors.order(id, Command::Replace).await.unwrap();
    let second = until(&actors, id, |now| now.run == Run(2)).await;
    assert_eq!((second.status, second.cause, second.restarts), (Status::Running, Cause::Replaced, 1));
    assert_ne!(second.port, first.port);
    assert_eq!(second.beside.map(|(run, _)| run), Some(Run(1)));
    assert_eq!(launcher.live().len(), 2, "the old one still has a call");
    let told = transitions.recv().await.unwrap();
    assert_eq!((told.from, told.snapshot.run), (Some(Status::Running), Run(2)), "never anything but running");

    drop(call);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(launcher.live(), [(id, Run(2))]);
    let alone = actors.registry().get(id).unwrap();
    assert_eq!((alone.beside, alone.restarts_in_window), (None, 0));
    assert_eq!(launcher.most_at_once(), 2);
    assert_eq!(actors.actors().iter().filter(|actor| actor.kind == "instance").count(), 1);
}

#[actix::test]
async fn a_call_that_does_not_end_holds_up_the_end_of_the_old_run_for_its_grace_only() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script { ends_within: None, ..Script::default() });
    let mut spec = overlapping();
    spec.probe = Probe::Tcp;
    let (id, grace) = (spec.id, spec.policy.timing.grace);
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    let _call = actors.routes().get(id).unwrap().watch().borrow().call();
    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.run == Run(2)).await;
    tokio::time::sleep(2 * grace - Duration::from_secs(1)).await;
    assert_eq!(launcher.live().len(), 2, "one grace for the call, one from SIGTERM to SIGKILL");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(launcher.live(), [(id, Run(2))]);
}

#[actix::test]
async fn a_replacement_that_cannot_start_is_given_up_with_its_reason_and_the_old_run_goes_on() {
    tokio::time::pause();
    let launcher = FakeLauncher::new(|launch| Script {
        launch_fails: (launch.run == Run(2)).then(|| ("the key was refused".to_owned(), true)),
        ready_after: (launch.run != Run(3)).then_some(Duration::from_millis(10)),
        ..Script::default()
    });
    let actors = start(config(), Arc::new(launcher.clone()));
    let spec = overlapping();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    let first = status(&actors, id, Status::Running).await;
    let given_up = |words: &'static str| {
        move |now: &Snapshot| now.cause == Cause::ReplacementFailed && now.reason.ends_with(words)
    };

    actors.order(id, Command::Replace).await.unwrap();
    let kept = until(&actors, id, given_up("the key was refused")).await;
    assert_eq!((kept.status, kept.run, kept.pid), (Status::Running, Run(1), first.pid));
    assert_eq!((kept.restarts_in_window, kept.seq), (0, first.seq + 1), "told, at no cost");

    actors.order(id, Command::Replace).await.unwrap();
    let kept = until(&actors, id, given_up("it was not ready in time")).await;
    assert_eq!((kept.status, kept.run, kept.pid), (Status::Running, Run(1), first.pid));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(launcher.live(), [(id, Run(1))]);

    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.run == Run(4) && now.cause == Cause::Replaced).await;
}

#[actix::test]
async fn a_type_that_allows_one_process_is_replaced_by_a_restart_in_order() {
    tokio::time::pause();
    let (actors, launcher) = actors(Script::default());
    let spec = spec();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.run == Run(2) && now.status == Status::Running).await;
    assert_eq!(launcher.most_at_once(), 1);
}

#[actix::test]
async fn what_ends_an_instance_in_the_middle_of_a_replacement_ends_both_its_processes() {
    tokio::time::pause();
    let launcher = FakeLauncher::new(|launch| Script {
        ready_after: (launch.run == Run(1)).then_some(Duration::from_millis(10)),
        ends_within: None,
        ..Script::default()
    });
    let actors = start(config(), Arc::new(launcher.clone()));
    for ending in
        [Command::Stop, Command::Kill, Command::Hibernate, Command::StopFor(Cause::CredentialExpired)]
    {
        let spec = overlapping();
        let id = spec.id;
        actors.create(spec).await.unwrap();
        status(&actors, id, Status::Running).await;
        actors.order(id, Command::Replace).await.unwrap();
        until(&actors, id, |now| now.beside.is_some()).await;
        assert_eq!(launcher.live().len(), 2);
        actors.order(id, ending).await.unwrap();
        until(&actors, id, |now| now.status.is_ended()).await;
        assert_eq!(launcher.live(), [], "{ending:?}");
    }
    let spec = overlapping();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.beside.is_some()).await;
    actors.remove(id).await.unwrap();
    assert_eq!(launcher.live(), []);

    let spec = overlapping();
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.beside.is_some()).await;
    actors.shutdown(false).await;
    assert_eq!(launcher.live(), []);
}

#[actix::test]
async fn a_crash_in_the_middle_of_a_replacement_leaves_the_way_to_the_successor() {
    tokio::time::pause();
    let launcher = FakeLauncher::new(|launch| Script {
        ready_after: Some(Duration::from_secs(u64::from(launch.run == Run(2)))),
        ..Script::default()
    });
    let actors = start(config(), Arc::new(launcher.clone()));
    let mut spec = overlapping();
    spec.probe = Probe::Tcp;
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    actors.order(id, Command::Replace).await.unwrap();
    until(&actors, id, |now| now.beside.is_some()).await;
    launcher.exit(id, Run(1), Exit::Signal(9));
    status(&actors, id, Status::Starting).await;
    let second = status(&actors, id, Status::Running).await;
    assert_eq!((second.run, second.restarts_in_window), (Run(2), 0));
    assert_eq!(launcher.launches().len(), 2, "nothing was started for the crash");
    let lane = actors.routes().get(id).unwrap().lane();
    assert!(matches!(lane, Lane::Http { run: Run(2), addr, uid: None } if Some(addr.port()) == second.port));
}
