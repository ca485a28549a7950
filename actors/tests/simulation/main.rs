//! Whole stories of daemons from one seed each, in virtual time: the real supervisor, its timers and its runs, and
//! the real decision of what a new daemon does with what an old one left. Simulated are the machine (processes that
//! start late, crash, hang and ignore SIGTERM, clocks that are set, sleep) and the store (away, stalled, answers
//! lost). Daemons die at any moment and others come after them.
//!
//! `checks` holds every step against what callers were told; `settled` is what a story has to lead to once nothing
//! goes wrong any more. The same seed tells the same story, line for line.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod checks;
mod daemon;
mod machine;
mod rules;
mod settled;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use fastrand::Rng;
use minimcp_actors::state::Run;
use uuid::Uuid;

use crate::checks::Checks;
use crate::daemon::Daemon;
use crate::machine::Machine;
use crate::store::{Mode, Store};

/// Stories of a test run; a soak sets more.
const ROUNDS: &str = "MINIMCP_TEST_ROUNDS";
/// The only seed to be told.
const SEED: &str = "MINIMCP_TEST_SEED";
const USUAL: u64 = 2_000;

#[derive(Debug)]
struct Told {
    digest: u64,
    steps: u64,
    wrong: Option<(String, String)>,
}

/// Runs one life of a daemon in a runtime of its own, which takes everything along when it ends.
fn life<F: Future<Output = ()>>(machine: &Machine, living: impl FnOnce() -> F) {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let system = actix_rt::System::with_tokio_rt(runtime);
    system.block_on(async {
        machine.at().begin();
        actix::spawn(machine.clone().drive());
        living().await;
        machine.at().end();
    });
    // Dropped actors are polled once more, and would like to set timers for which there is no runtime any more.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(system)));
}

fn tell(seed: u64) -> Told {
    // The actors draw their jitter from the thread's own generator.
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let lives = rng.u32(1..=4);
    let instances = rng.u64(1..=5);
    let ids: Vec<Uuid> = (1..=instances).map(|n| Uuid::from_u128(u128::from(n))).collect();
    let machine = Machine::new(rng, Checks::default());
    let store = Store::new(machine.clone());
    for number in 1..=lives {
        restarted(&machine, &store);
        store.set(Mode::Well);
        life(&machine, || async {
            let daemon = Daemon::begin(machine.clone(), store.clone());
            for id in &ids {
                actix::spawn(daemon.clone().owner(*id));
            }
            actix::spawn(daemon.clone().trouble());
            let restoring = daemon.clone();
            let replace = machine.at().rng.u32(0..4) == 0;
            actix::spawn(async move { restoring.restore(replace).await });
            let last = number == lives;
            let long = {
                let mut machine = machine.at();
                // Some die before they have restored anything.
                let most = if !last && machine.rng.u32(0..4) == 0 { 40 } else { 40_000 };
                machine.ms(most)
            };
            tokio::time::sleep(long).await;
            if last {
                settled::settle(&daemon, &ids).await;
            }
        });
        let mut machine = machine.at();
        let now = machine.now();
        machine.checks.daemon_is_gone(now);
        let away = machine.ms(10_000);
        machine.pass(away);
    }
    let machine = machine.at();
    let checks = &machine.checks;
    let wrong = checks.wrong.clone().map(|why| (why, checks.story()));
    Told { digest: checks.digest(), steps: checks.steps, wrong }
}

/// A daemon begins: of leases only what the store holds is known.
fn restarted(machine: &Machine, store: &Store) {
    let mut machine = machine.at();
    let (now, wall) = (machine.now(), machine.wall());
    let live = machine.live();
    machine.checks.restarted(|id| {
        let row = store.peek(id)?;
        let left: TimeDelta = row.expires_at - wall;
        let runs = live.iter().filter(|(other, _)| *other == id).map(|(_, run)| *run);
        Some((now + left.to_std().unwrap_or_default(), runs.fold(row.known.run, Run::max)))
    });
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn assert_well(seed: u64, told: &Told) {
    if let Some((why, story)) = &told.wrong {
        panic!(
            "{story}{why}\nTell it again with\n  {SEED}={seed} cargo test -p minimcp-actors --features fake \
             --test simulation -- every_story"
        );
    }
}

#[test]
fn in_every_story_promises_hold_at_each_step_and_all_settles_once_nothing_goes_wrong() {
    if let Some(seed) = number(SEED) {
        assert_well(seed, &tell(seed));
        return;
    }
    let first = fastrand::u64(..);
    let count = number(ROUNDS).map_or(USUAL, |rounds| rounds * 1_000);
    let (next, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let telling = || {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= count {
                    return;
                }
                let seed = first.wrapping_add(nth);
                let told = tell(seed);
                assert_well(seed, &told);
                steps.fetch_add(told.steps, Ordering::Relaxed);
            }
        };
        let tellers: Vec<_> = (0..threads).map(|_| scope.spawn(telling)).collect();
        for teller in tellers {
            if let Err(panic) = teller.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let steps = steps.into_inner();
    assert!(steps > count * 20, "something happened in the stories: {steps} steps in {count}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let (once, again) = (tell(seed), tell(seed));
        assert_eq!((once.digest, once.steps), (again.digest, again.steps), "seed {seed}");
    }
    assert_ne!(tell(1).digest, tell(2).digest);
}
