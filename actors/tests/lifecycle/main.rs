//! Promises of the pure lifecycle core, held against random histories in a model of the world.
//!
//! `plan` draws a history, `world` plays it with processes, timers and a clock of its own, `stale` adds what
//! old runs report too late, `ledger` keeps the accounts that the core has to agree with. The promises are in `processes`, `events`, `leases` and
//! `budgets`, true after every event, and in `endings`, where a history leads to. `reach` makes sure that
//! random histories go everywhere, `stories` tells what somebody once got wrong.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod budgets;
mod endings;
mod events;
mod leases;
mod ledger;
mod plan;
mod processes;
mod reach;
mod stale;
mod stories;
mod world;

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

use crate::ledger::{Fault, Ledger};
use crate::plan::{Plan, plans};
use crate::world::{Turn, Verdict, World};

/// The seeds of histories that failed once; every promise plays them first.
const SEEDS: FileFailurePersistence = FileFailurePersistence::Direct("tests/lifecycle/proptest-regressions");

/// Plays each of 10,000 random plans, or of as many as `PROPTEST_CASES` says. A failing one is made smaller
/// and its seed kept.
fn in_every_history(play: impl Fn(Plan) -> Verdict) {
    let usual = Config::default();
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(10_000, |cases| cases.parse().unwrap()),
        failure_persistence: usual.failure_persistence.as_ref().map(|_| Box::new(SEEDS) as Box<_>),
        ..usual
    };
    if let Err(failure) = TestRunner::new(config).run(&plans(60), play) {
        panic!("{failure}");
    }
}

/// Holds `promise` against every event of every history.
fn always(promise: impl Fn(&Turn<'_>) -> Verdict) {
    in_every_history(|plan| World::new(&plan).live(&plan, &mut |turn| promise(turn)));
}

/// The same for promises about accounts, with what the ledger says of each event.
fn accounted(promise: impl Fn(&Turn<'_>, &Ledger, Option<Fault>) -> Verdict) {
    in_every_history(|plan| {
        let mut ledger = Ledger::open(&plan);
        World::new(&plan).live(&plan, &mut |turn| {
            let fault = ledger.book(turn);
            promise(turn, &ledger, fault)
        })
    });
}

fn changed(turn: &Turn<'_>) -> bool {
    turn.world.life != *turn.before || !turn.effects.is_empty()
}
