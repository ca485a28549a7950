//! The process behind an instance: never two, none where none should be, and always something to wait for.

use minimcp_actors::state::{Command, Effect, Event, Fact, Restarting, Run, State, Timer};
use proptest::{prop_assert, prop_assert_eq};

use crate::world::{Stage, Turn, World};
use crate::{always, in_every_history};

#[test]
fn at_most_one_process_lives_at_any_time() {
    always(|turn| {
        prop_assert!(turn.world.processes.len() <= 1);
        Ok(())
    });
}

#[test]
fn no_process_is_left_once_an_instance_has_ended_or_waits_for_a_start() {
    always(|turn| {
        if turn.world.life.state().live_run().is_none() {
            prop_assert!(turn.world.processes.is_empty());
        }
        Ok(())
    });
}

#[test]
fn the_state_agrees_with_the_world() {
    always(|turn| {
        let state = turn.world.life.state();
        let process = turn.world.processes.first();
        prop_assert_eq!(state.live_run(), process.map(|process| process.run));
        let Some(process) = process else { return Ok(()) };
        let agrees = match state {
            State::Adopting { .. } => process.stage == Stage::Sought && !process.told,
            State::Starting { .. } => matches!(process.stage, Stage::Launching | Stage::Up) && !process.told,
            State::Running { .. } | State::Unhealthy { .. } => process.stage == Stage::Ready && !process.told,
            State::Restarting(_) | State::Stopping { .. } => process.told,
            State::Pending { .. } | State::Ended(_) => false,
        };
        prop_assert!(agrees, "{state:?} with {process:?}");
        Ok(())
    });
}

#[test]
fn every_state_but_an_end_has_something_to_wait_for() {
    always(|turn| {
        let world = turn.world;
        let armed = |timer| world.timers.iter().any(|(_, armed)| *armed == timer);
        let waits = match world.life.state() {
            State::Pending { run } | State::Restarting(Restarting::Queued { next: run }) => {
                world.slots.contains(&run)
            }
            State::Restarting(Restarting::BackingOff { next }) => armed(Timer::Backoff(next)),
            State::Adopting { .. } | State::Running { .. } | State::Unhealthy { .. } => {
                !world.processes.is_empty()
            }
            State::Starting { run } => armed(Timer::Start(run)),
            State::Restarting(Restarting::Draining { run, .. }) | State::Stopping { run, .. } => {
                armed(Timer::Grace(run)) || world.processes.iter().any(|process| process.killed)
            }
            State::Ended(_) => true,
        };
        prop_assert!(waits, "{:?} waits for nothing", world.life.state());
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
fn signals_go_only_to_the_present_process_and_sigkill_only_after_grace_or_by_command() {
    always(|turn| {
        for effect in turn.effects {
            match *effect {
                Effect::Terminate(run) => prop_assert_eq!(turn.before.state().live_run(), Some(run)),
                Effect::Kill(run) => {
                    prop_assert_eq!(turn.before.state().live_run(), Some(run));
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
