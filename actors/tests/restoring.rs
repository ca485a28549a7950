//! Many instances that come back at once, on scripted processes in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use minimcp_actors::fake::{self, FakeLauncher, Script};
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Run, Status};
use minimcp_actors::{Config, start};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(100_000);
const INSTANCES: usize = 200;
const AT_ONCE: u32 = 4;
/// What a start takes, times the starts that share the machine with it. All 200 at once would take 100 s each, which
/// is beyond the time that a start may take.
const START: Duration = Duration::from_millis(500);

fn spec() -> Spec {
    Spec::new("fake", Policy::default(), Probe::Process, Arc::new(fake::plan()))
}

/// Counts the starts under way, each of which is the slower the more there are.
fn sharing() -> (FakeLauncher, Arc<AtomicU32>) {
    let (under_way, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let noted = Arc::clone(&most);
    let launcher = FakeLauncher::new(move |_| {
        let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
        noted.fetch_max(now, Ordering::Relaxed);
        let takes = START * now;
        let over = Arc::clone(&under_way);
        tokio::spawn(async move {
            // Just before it is seen to be ready, upon which the next one starts.
            tokio::time::sleep(takes - Duration::from_millis(1)).await;
            over.fetch_sub(1, Ordering::Relaxed);
        });
        Script { ready_after: Some(takes), ..Script::default() }
    });
    (launcher, most)
}

#[actix::test]
async fn two_hundred_come_back_a_few_at_a_time_in_the_order_given_and_none_for_want_of_time() {
    tokio::time::pause();
    let (launcher, most) = sharing();
    // Nothing is measured: the scripted process ids belong to strangers.
    let config = Config {
        sample_interval: LONG,
        corner: false,
        concurrent_starts: usize::try_from(AT_ONCE).unwrap(),
        ..Config::default()
    };
    let actors = start(config, Arc::new(launcher.clone()));
    let past = Past { last_run: Run(7), restarts: 3, rests_since: None };
    let specs: Vec<Spec> = (0..INSTANCES).map(|_| spec()).collect();
    for spec in &specs {
        actors.recover(spec.clone(), past, Fate::Start).await.unwrap();
    }
    for spec in &specs {
        let (now, in_time) =
            actors.wait_until(spec.id, LONG, |now| now.status == Status::Running).await.unwrap();
        assert!(in_time, "not reached; it is {now:#?}");
    }
    let wanted: Vec<(Uuid, Run)> = specs.iter().map(|spec| (spec.id, Run(8))).collect();
    assert_eq!(launcher.launches(), wanted, "each is started once, in the order given");
    assert_eq!(most.load(Ordering::Relaxed), AT_ONCE, "so many start at once");
}
