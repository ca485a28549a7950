//! Runs that wait for something before they may start, in virtual time.
#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use minimcp_actors::fake::{self, FakeLauncher, Script};
use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Probe, Spec, Wait};
use minimcp_actors::policy::Policy;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Command, Exit, Run, Status};
use minimcp_actors::{Config, Supervision, start};
use tokio::sync::watch;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(100_000);

/// Waits until it is told that what it waits for is there, and counts how often it was asked.
#[derive(Debug)]
struct Waits {
    there: watch::Receiver<bool>,
    asked: AtomicUsize,
}

impl Waits {
    fn new() -> (Arc<Self>, watch::Sender<bool>) {
        let (tell, there) = watch::channel(false);
        (Arc::new(Self { there, asked: AtomicUsize::new(0) }), tell)
    }
}

impl Planner for Waits {
    fn plan(&self, _: &Launch) -> Result<Plan, NoPlan> {
        Ok(fake::plan())
    }

    fn wait(&self) -> Option<Wait> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut there = self.there.clone();
        if *there.borrow() {
            return None;
        }
        let over = async move { drop(there.wait_for(|there| *there).await) };
        Some(Wait { words: "installing x".into(), over: over.boxed() })
    }
}

fn spec(planner: Arc<dyn Planner>) -> Spec {
    Spec::new("fake", Policy::default(), Probe::Process, planner)
}

/// With room for one start at a time. Nothing is measured: the scripted process ids belong to strangers.
fn actors() -> (Supervision, FakeLauncher) {
    let launcher = FakeLauncher::new(|_| Script::default());
    let config = Config {
        sample_interval: LONG,
        corner: false,
        concurrent_starts: 1,
        start_slot: LONG,
        ..Config::default()
    };
    (start(config, Arc::new(launcher.clone())), launcher)
}

async fn status(actors: &Supervision, id: Uuid, status: Status) -> Arc<Snapshot> {
    let (snapshot, in_time) = actors.wait_until(id, LONG, |now| now.status == status).await.unwrap();
    assert!(in_time, "not reached; it is {snapshot:#?}");
    snapshot
}

#[actix::test]
async fn a_run_that_waits_says_for_what_and_keeps_no_other_from_starting() {
    tokio::time::pause();
    let (actors, launcher) = actors();
    let (planner, tell) = Waits::new();
    let (ready, there) = Waits::new();
    there.send_replace(true);
    let (slow, quick) = (spec(planner), spec(ready));
    let (waiting, other) = (slow.id, quick.id);
    let mut transitions = actors.registry().subscribe();
    let shown = actors.create(slow).await.unwrap();
    assert_eq!((shown.status, shown.reason.as_str()), (Status::Pending, "installing x"));
    let told: Vec<String> =
        std::iter::from_fn(|| transitions.try_recv().ok()).map(|told| told.snapshot.reason.clone()).collect();
    assert_eq!(told.last().map(String::as_str), Some("installing x"), "{told:?}");

    actors.create(quick).await.unwrap();
    status(&actors, other, Status::Running).await;
    // Far longer than any start may take: waiting is no part of it.
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(actors.registry().get(waiting).unwrap().status, Status::Pending);
    assert_eq!(launcher.launches().len(), 1);

    tell.send_replace(true);
    let running = status(&actors, waiting, Status::Running).await;
    assert_eq!((running.run, running.restarts, running.restarts_in_window), (Run(1), 0, 0));
    assert_ne!(running.reason, "installing x");
}

#[actix::test]
async fn a_run_that_is_stopped_while_it_waits_never_starts_and_a_restart_waits_again() {
    tokio::time::pause();
    let (actors, launcher) = actors();
    let (planner, tell) = Waits::new();
    let spec = spec(Arc::<Waits>::clone(&planner));
    let id = spec.id;
    actors.create(spec).await.unwrap();
    actors.order(id, Command::Stop).await.unwrap();
    assert_ne!(status(&actors, id, Status::Stopped).await.reason, "installing x");
    actors.order(id, Command::Restart).await.unwrap();
    assert_eq!(status(&actors, id, Status::Restarting).await.reason, "installing x");
    tell.send_replace(true);
    assert_eq!(status(&actors, id, Status::Running).await.run, Run(2));
    assert_eq!(launcher.launches().len(), 1);
    assert_eq!(planner.asked.load(Ordering::Relaxed), 2);
}

#[actix::test]
async fn a_crash_of_one_whose_program_went_missing_waits_for_it_at_no_cost() {
    tokio::time::pause();
    let (actors, launcher) = actors();
    let (planner, tell) = Waits::new();
    tell.send_replace(true);
    let spec = spec(planner);
    let id = spec.id;
    actors.create(spec).await.unwrap();
    status(&actors, id, Status::Running).await;
    tell.send_replace(false);
    launcher.exit(id, Run(1), Exit::Code(1));
    let waiting = status(&actors, id, Status::Restarting).await;
    assert_eq!((waiting.reason.as_str(), waiting.restarts_in_window), ("installing x", 1));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    tell.send_replace(true);
    assert_eq!(status(&actors, id, Status::Running).await.run, Run(2));
}

#[actix::test]
async fn a_recipe_that_came_meanwhile_is_asked_too() {
    tokio::time::pause();
    let (actors, _) = actors();
    let (old, tell_old) = Waits::new();
    let (new, tell_new) = Waits::new();
    let spec_of = spec(old);
    let id = spec_of.id;
    actors.create(spec_of).await.unwrap();
    actors.amend(Spec { id, ..spec(Arc::<Waits>::clone(&new)) }).await.unwrap();
    tell_old.send_replace(true);
    while new.asked.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(actors.registry().get(id).unwrap().status, Status::Pending);
    tell_new.send_replace(true);
    status(&actors, id, Status::Running).await;
}
