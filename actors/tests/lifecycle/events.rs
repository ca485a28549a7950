//! Which events may change a life at all.

use minimcp_actors::lifecycle::{admit, next};
use minimcp_actors::state::{Admit, Beside, Command, Event, Fact, Outcome, Restarting, State, Timer};
use proptest::{prop_assert, prop_assert_eq};

use crate::stale::is_present;
use crate::{always, changed};

#[test]
fn an_end_is_left_only_by_a_command_that_was_admitted() {
    always(|turn| {
        let State::Ended(was) = turn.before.state() else {
            return Ok(());
        };
        let now = turn.world.life.state();
        if now == State::Ended(was) {
            return Ok(());
        }
        if let State::Ended(outcome) = now {
            let asleep = matches!(was, Outcome::Hibernated | Outcome::Disconnected);
            prop_assert!(
                asleep && matches!(outcome, Outcome::Stopped | Outcome::Expired),
                "{was:?} to {outcome:?}"
            );
            return Ok(());
        }
        let Event::Command(command @ (Command::Restart | Command::Restore | Command::Wake)) = turn.event
        else {
            prop_assert!(false, "{was:?} left by {:?}", turn.event);
            return Ok(());
        };
        prop_assert_eq!(admit(turn.before, command, turn.world.now), Ok(Admit::Act));
        Ok(())
    });
}

#[test]
fn what_a_stale_run_or_timer_reports_changes_nothing() {
    always(|turn| {
        let Event::Fact(fact) = turn.event else {
            return Ok(());
        };
        let present = match fact {
            Fact::Fired(Timer::Lease(number)) => number == turn.world.lease_number,
            _ => is_present(turn.before, fact),
        };
        prop_assert!(present || !changed(turn));
        Ok(())
    });
}

#[test]
fn a_fact_out_of_place_changes_nothing() {
    always(|turn| {
        let Event::Fact(fact) = turn.event else {
            return Ok(());
        };
        let state = turn.before.state();
        let beside = turn.before.beside().filter(|beside| fact.run() == Some(beside.run()));
        let serving = matches!(state, State::Running { .. } | State::Unhealthy { .. });
        let starting = matches!(state, State::Starting { .. });
        let leaving =
            matches!(state, State::Stopping { .. } | State::Restarting(Restarting::Draining { .. }));
        if let Some(beside) = beside {
            prop_assert!(in_place_beside(fact, beside) || !changed(turn));
            return Ok(());
        }
        let in_place = match fact {
            Fact::Granted(_) => {
                matches!(state, State::Pending { .. } | State::Restarting(Restarting::Queued { .. }))
            }
            Fact::Adopted(_) => matches!(state, State::Adopting { .. }),
            Fact::Ready(_) | Fact::Fired(Timer::Start(_)) => starting,
            Fact::Answered(_) => matches!(state, State::Unhealthy { .. }),
            Fact::Missed(_) => serving,
            Fact::Sampled(..) => starting || serving,
            Fact::Fired(Timer::Backoff(_)) => {
                matches!(state, State::Restarting(Restarting::BackingOff { .. }))
            }
            Fact::Fired(Timer::Grace(_)) => leaving,
            Fact::Quiet(_) | Fact::Fired(Timer::Retire(_)) => false,
            Fact::Exited(..) | Fact::Fired(Timer::Lease(_)) => true,
        };
        prop_assert!(in_place || !changed(turn));
        Ok(())
    });
}

fn in_place_beside(fact: Fact, beside: Beside) -> bool {
    match beside {
        Beside::Queued { .. } => matches!(fact, Fact::Granted(_)),
        Beside::Starting { .. } => {
            matches!(
                fact,
                Fact::Ready(_) | Fact::Sampled(..) | Fact::Exited(..) | Fact::Fired(Timer::Start(_))
            )
        }
        Beside::Retiring { .. } => {
            matches!(fact, Fact::Quiet(_) | Fact::Exited(..) | Fact::Fired(Timer::Retire(_)))
        }
        Beside::Leaving { .. } => matches!(fact, Fact::Exited(..) | Fact::Fired(Timer::Grace(_))),
    }
}

#[test]
fn next_obeys_admit() {
    always(|turn| {
        let Event::Command(command) = turn.event else {
            return Ok(());
        };
        let acts = admit(turn.before, command, turn.world.now) == Ok(Admit::Act);
        prop_assert_eq!(acts, changed(turn), "what is admitted does something, and nothing else does");
        Ok(())
    });
}

#[test]
fn the_same_event_in_the_same_life_has_the_same_consequences() {
    always(|turn| {
        let again = next(&turn.world.policy, turn.before.clone(), turn.event, turn.world.now);
        prop_assert_eq!(&again.life, &turn.world.life);
        prop_assert_eq!(&again.effects[..], turn.effects);
        Ok(())
    });
}
