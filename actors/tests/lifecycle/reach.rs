//! A promise kept in every history is worth as much as the histories: these have to go everywhere.

use std::collections::BTreeSet;

use minimcp_actors::state::{Beside, Cause, Command, Event, Fact, Restarting, State};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::plan::plans;
use crate::world::{Turn, World};

/// Each state without its numbers; those with a process come first.
const LIVE: [&str; 10] = [
    "adopting",
    "starting",
    "running",
    "unhealthy",
    "draining",
    "stopping, then stopped",
    "stopping, then expired",
    "stopping, then hibernated",
    "stopping, then disconnected",
    "stopping, then failed",
];
const WITHOUT_PROCESS: [&str; 8] =
    ["pending", "backing off", "queued", "stopped", "expired", "hibernated", "disconnected", "failed"];
/// Each second run without its number.
const BESIDE: [&str; 4] = ["queued successor", "starting successor", "retiring", "leaving"];
const COMMANDS: [&str; 10] =
    ["stop", "stopfor", "kill", "restart", "replace", "restore", "wake", "hibernate", "shutdown", "extend"];
const EXITS: [&str; 6] = ["code(0)", "code(1)", "signal(9)", "oomkilled", "unknown", "actordied"];

fn name(state: State) -> String {
    match state {
        State::Adopting { .. } => "adopting".into(),
        State::Restarting(Restarting::Draining { .. }) => "draining".into(),
        State::Restarting(Restarting::BackingOff { .. }) => "backing off".into(),
        State::Restarting(Restarting::Queued { .. }) => "queued".into(),
        State::Stopping { then, .. } => format!("stopping, then {then:?}").to_lowercase(),
        State::Ended(outcome) => format!("{outcome:?}").to_lowercase(),
        other => other.status().to_string(),
    }
}

fn name_beside(beside: Beside) -> &'static str {
    match beside {
        Beside::Queued { .. } => "queued successor",
        Beside::Starting { .. } => "starting successor",
        Beside::Retiring { .. } => "retiring",
        Beside::Leaving { .. } => "leaving",
    }
}

fn note(seen: &mut BTreeSet<(String, String)>, turn: &Turn<'_>) {
    let what = match turn.event {
        Event::Command(Command::Extend(_)) => Some("extend".into()),
        Event::Command(Command::StopFor(_)) => Some("stopfor".into()),
        Event::Command(command) => Some(format!("{command:?}")),
        Event::Fact(Fact::Exited(_, exit)) => Some(format!("{exit:?}")),
        Event::Fact(_) => None,
    };
    let about = match turn.event {
        Event::Command(_) => None,
        Event::Fact(fact) => fact.run(),
    };
    let mut meet = |who: String| seen.extend(what.clone().map(|what| (who, what.to_lowercase())));
    if about.is_none() || about == turn.before.state().live_run() {
        meet(name(turn.before.state()));
    }
    if let Some(beside) = turn.before.beside()
        && about.is_none_or(|run| run == beside.run())
    {
        meet(name_beside(beside).into());
    }
    seen.insert(("because".into(), turn.world.life.cause().as_str().into()));
}

#[test]
fn random_histories_meet_every_command_in_every_state_every_exit_and_every_cause() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..10_000 {
        let plan = plans(60).new_tree(&mut runner).unwrap().current();
        let mut world = World::new(&plan);
        for one in &plan.moves {
            world
                .play(*one, &mut |turn| {
                    note(&mut seen, turn);
                    Ok(())
                })
                .unwrap();
        }
    }
    let pairs = |states: &[&str], events: &[&str]| -> Vec<(String, String)> {
        states
            .iter()
            .flat_map(|state| events.iter().map(|event| ((*state).into(), (*event).into())))
            .collect()
    };
    let wanted = [
        pairs(&LIVE, &COMMANDS),
        pairs(&WITHOUT_PROCESS, &COMMANDS),
        pairs(&LIVE, &EXITS),
        pairs(&BESIDE, &COMMANDS),
        pairs(&BESIDE[1..], &EXITS),
        pairs(&["starting", "draining", "stopping, then stopped"], &["unspawned", "unstartable"]),
        pairs(&["because"], &Cause::ALL.map(Cause::as_str)),
    ];
    let missing: Vec<_> = wanted.iter().flatten().filter(|pair| !seen.contains(pair)).collect();
    assert!(missing.is_empty(), "never met: {missing:?}");
}
