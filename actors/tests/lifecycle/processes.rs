//! The process behind an instance: never two but while one replaces the other, none where none should be, and
//! always something to wait for.

use minimcp_actors::state::{Beside, Command, Effect, Event, Fact, Restarting, Run, State, Timer};
use proptest::{prop_assert, prop_assert_eq};

use crate::world::{Stage, Turn, World};
use crate::{always, in_every_history};

#[test]
fn at_most_two_processes_live_at_any_time_and_two_only_while_one_replaces_the_other() {
    in_every_history(|plan| {
        let mut replacing = false;
        World::new(&plan).live(&plan, &mut |turn| {
            let lives = turn.world.processes.len();
            prop_assert!(lives <= 2);
            replacing |= turn.event == Event::Command(Command::Replace) && turn.world.policy.overlap;
            prop_assert!(lives < 2 || replacing);
            prop_assert_eq!(lives == 2, turn.world.life.live_runs().count() == 2);
            let staying =
                turn.world.processes.iter().filter(|process| !process.told && !process.retiring).count();
            let serves = matches!(turn.world.life.state(), State::Running { .. } | State::Unhealthy { .. });
            prop_assert!(staying < 2 || serves, "two that stay, and none serves");
            replacing &= lives > 0;
            Ok(())
        })
    });
}

#[test]
fn the_one_that_serves_goes_on_until_its_successor_is_ready_or_it_goes_wrong_itself() {
    always(|turn| {
        let (before, after) = (turn.before, &turn.world.life);
        let Some(beside) = before.beside() else {
            return Ok(());
        };
        let successor = matches!(beside, Beside::Queued { .. } | Beside::Starting { .. });
        let about_successor = matches!(turn.event, Event::Fact(fact) if fact.run() == Some(beside.run()));
        if successor && about_successor {
            if turn.event == Event::Fact(Fact::Ready(beside.run())) {
                prop_assert_eq!(after.state(), State::Running { run: beside.run() });
            } else {
                prop_assert_eq!(after.state(), before.state());
                let present = before.state().live_run().unwrap();
                let spared = |effect: &Effect| !matches!(effect, Effect::Terminate(run) | Effect::Kill(run) if *run == present);
                prop_assert!(turn.effects.iter().all(spared));
            }
        }
        Ok(())
    });
}

#[test]
fn a_replacement_costs_no_budget_whatever_becomes_of_it() {
    always(|turn| {
        let (policy, now) = (&turn.world.policy, turn.world.now);
        let about_beside = matches!((turn.event, turn.before.beside()),
            (Event::Fact(fact), Some(beside)) if fact.run() == Some(beside.run()));
        if about_beside {
            let left = turn.world.life.restarts_in_window(policy, now);
            prop_assert_eq!(left, turn.before.restarts_in_window(policy, now));
        }
        Ok(())
    });
}

#[test]
fn no_process_is_left_once_an_instance_has_ended_or_waits_for_a_start() {
    always(|turn| {
        let life = &turn.world.life;
        if life.live_runs().next().is_none() {
            prop_assert!(turn.world.processes.is_empty());
        }
        if matches!(life.state(), State::Ended(_) | State::Pending { .. }) {
            prop_assert_eq!(life.beside(), None);
        }
        Ok(())
    });
}

#[test]
fn the_state_agrees_with_the_world() {
    always(|turn| {
        let life = &turn.world.life;
        let mut real: Vec<Run> = turn.world.processes.iter().map(|process| process.run).collect();
        let mut said: Vec<Run> = life.live_runs().collect();
        real.sort_unstable();
        said.sort_unstable();
        prop_assert_eq!(real, said);
        let state = life.state();
        for process in &turn.world.processes {
            let starts = matches!(process.stage, Stage::Launching | Stage::Up) && !process.told;
            let agrees = if state.live_run() == Some(process.run) {
                match state {
                    State::Adopting { .. } => process.stage == Stage::Sought && !process.told,
                    State::Starting { .. } => starts,
                    State::Running { .. } | State::Unhealthy { .. } => {
                        process.stage == Stage::Ready && !process.told
                    }
                    State::Restarting(_) | State::Stopping { .. } => process.told,
                    State::Pending { .. } | State::Ended(_) => false,
                }
            } else {
                match life.beside().unwrap() {
                    Beside::Queued { .. } => false,
                    Beside::Starting { .. } => starts,
                    Beside::Retiring { .. } => process.stage == Stage::Ready && !process.told,
                    Beside::Leaving { .. } => process.told,
                }
            };
            prop_assert!(agrees, "{state:?} beside {:?} with {process:?}", life.beside());
        }
        Ok(())
    });
}

#[test]
fn every_state_but_an_end_and_every_second_run_has_something_to_wait_for() {
    always(|turn| {
        let world = turn.world;
        let armed = |timer| world.timers.iter().any(|(_, armed)| *armed == timer);
        let lives = |run| world.processes.iter().any(|process| process.run == run);
        let killed = |run| world.processes.iter().any(|process| process.run == run && process.killed);
        let waits = match world.life.state() {
            State::Pending { run } | State::Restarting(Restarting::Queued { next: run }) => {
                world.slots.contains(&run)
            }
            State::Restarting(Restarting::BackingOff { next }) => armed(Timer::Backoff(next)),
            State::Adopting { run } | State::Running { run } | State::Unhealthy { run, .. } => lives(run),
            State::Starting { run } => armed(Timer::Start(run)),
            State::Restarting(Restarting::Draining { run, .. }) | State::Stopping { run, .. } => {
                armed(Timer::Grace(run)) || killed(run)
            }
            State::Ended(_) => true,
        };
        prop_assert!(waits, "{:?} waits for nothing", world.life.state());
        let waits = match world.life.beside() {
            Some(Beside::Queued { next }) => world.slots.contains(&next),
            Some(Beside::Starting { run }) => armed(Timer::Start(run)),
            Some(Beside::Retiring { run }) => armed(Timer::Retire(run)),
            Some(Beside::Leaving { run }) => armed(Timer::Grace(run)) || killed(run),
            None => true,
        };
        prop_assert!(waits, "{:?} waits for nothing", world.life.beside());
        Ok(())
    });
}

#[test]
fn run_numbers_only_grow_and_every_spawn_has_a_new_one() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        let mut newest = if world.life.state().live_run().is_some() { world.life.last_run() } else { Run(0) };
        let mut spawned_again = 0;
        let mut watch = |turn: &Turn<'_>| {
            prop_assert!(turn.world.life.last_run() >= turn.before.last_run());
            for effect in turn.effects {
                if let Effect::Spawn(run) = *effect {
                    prop_assert!(run > newest, "{run} after {newest}");
                    prop_assert_eq!(run, turn.world.life.last_run());
                    newest = run;
                    spawned_again += u64::from(!matches!(turn.before.state(), State::Pending { .. }));
                }
            }
            prop_assert_eq!(turn.world.life.restarts(), spawned_again);
            Ok(())
        };
        world.live(&plan, &mut watch)
    });
}

#[test]
fn signals_go_only_to_live_processes_and_sigkill_only_after_grace_or_by_command() {
    always(|turn| {
        let was_live = |run| turn.before.live_runs().any(|live| live == run);
        for effect in turn.effects {
            match *effect {
                Effect::Retire(run) | Effect::Terminate(run) => prop_assert!(was_live(run)),
                Effect::Kill(run) => {
                    prop_assert!(was_live(run));
                    let allowed =
                        [Event::Command(Command::Kill), Event::Fact(Fact::Fired(Timer::Grace(run)))];
                    prop_assert!(allowed.contains(&turn.event), "killed by {:?}", turn.event);
                }
                Effect::Queue(_) | Effect::Spawn(_) | Effect::Adopt(_) | Effect::Arm(..) => {}
            }
        }
        Ok(())
    });
}

#[test]
fn one_that_was_replaced_is_told_to_end_only_when_its_calls_are_answered_or_have_had_their_time() {
    always(|turn| {
        if let Some(Beside::Retiring { run }) = turn.before.beside()
            && turn.effects.contains(&Effect::Terminate(run))
            && let Event::Fact(fact) = turn.event
            && fact.run() == Some(run)
        {
            prop_assert!(matches!(fact, Fact::Quiet(_) | Fact::Fired(Timer::Retire(_))), "{fact:?}");
        }
        Ok(())
    });
}
