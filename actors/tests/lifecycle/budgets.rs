//! What is a fault, how many restarts it gets and how long they wait.

use std::time::Duration;

use minimcp_actors::lifecycle::admit;
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{
    Admit, Beside, Cause, Command, Effect, Event, Fact, Outcome, Restarting, State, Timer,
};
use proptest::{prop_assert, prop_assert_eq};

use crate::ledger::{Fault, Ledger, has_successor, promoted, renews};
use crate::world::{Turn, World};
use crate::{accounted, always, changed, in_every_history};

#[test]
fn a_fault_and_nothing_else_leads_to_an_automatic_restart_or_to_giving_up() {
    accounted(|turn, _, fault| {
        let after = turn.world.life.state();
        let was_up = matches!(
            turn.before.state(),
            State::Starting { .. } | State::Running { .. } | State::Unhealthy { .. }
        );
        let took_its_place = has_successor(turn.before) && promoted(turn);
        let restarted = was_up && matches!(after, State::Restarting(_)) && !took_its_place;
        let gave_up = was_up
            && matches!(
                after,
                State::Ended(Outcome::Disconnected | Outcome::Failed)
                    | State::Stopping { then: Outcome::Disconnected | Outcome::Failed, .. }
            );
        if matches!(turn.event, Event::Fact(_)) {
            let unstartable = turn.world.life.cause() == Cause::LaunchFailed
                && matches!(
                    after,
                    State::Ended(Outcome::Failed) | State::Stopping { then: Outcome::Failed, .. }
                );
            prop_assert_eq!(fault.is_some(), restarted || gave_up && !(unstartable && fault.is_none()));
        }
        let Some(fault) = fault else { return Ok(()) };
        prop_assert_eq!(restarted, fault.nth.is_some(), "{:?}", fault);
        prop_assert_eq!(turn.world.life.cause(), fault.cause);
        Ok(())
    });
}

#[test]
fn automatic_restarts_never_exceed_the_intensity_of_their_budget_in_any_period() {
    accounted(|turn, ledger, _| {
        let (policy, now) = (&turn.world.policy, turn.world.now);
        let (crashes, failed_starts) = ledger.counted(policy, now);
        prop_assert!(crashes <= policy.crashes.intensity());
        prop_assert!(failed_starts <= policy.failed_starts.intensity());
        let said = turn.world.life.restarts_in_window(policy, now);
        prop_assert_eq!(said, (crashes + failed_starts) as usize);
        Ok(())
    });
}

#[test]
fn a_commanded_restart_spends_nothing_and_clears_the_windows() {
    always(|turn| {
        let (policy, now) = (&turn.world.policy, turn.world.now);
        let Event::Command(command) = turn.event else {
            return Ok(());
        };
        let left = turn.world.life.restarts_in_window(policy, now);
        if renews(command, policy) && admit(turn.before, command, now) == Ok(Admit::Act) {
            prop_assert_eq!(left, 0);
        } else {
            prop_assert_eq!(left, turn.before.restarts_in_window(policy, now));
        }
        Ok(())
    });
}

#[test]
fn a_commanded_restart_never_waits_for_a_back_off() {
    always(|turn| {
        if turn.event == Event::Command(Command::Restart)
            && admit(turn.before, Command::Restart, turn.world.now).is_ok()
        {
            let waits = match turn.world.life.state() {
                State::Restarting(Restarting::Draining { delay, .. }) => !delay.is_zero(),
                State::Restarting(Restarting::BackingOff { .. }) => true,
                _ => false,
            };
            prop_assert!(!waits, "{:?}", turn.world.life.state());
        }
        Ok(())
    });
}

#[test]
fn giving_up_is_failed_only_where_no_run_was_ever_ready() {
    accounted(|turn, ledger, fault| {
        if let Some(Fault { nth: None, .. }) = fault {
            let outcome = if ledger.ever_ready { Outcome::Disconnected } else { Outcome::Failed };
            let after = turn.world.life.state();
            let then = match after {
                State::Ended(then) | State::Stopping { then, .. } => Some(then),
                _ => None,
            };
            prop_assert_eq!(then, Some(outcome));
        }
        Ok(())
    });
}

#[test]
fn the_first_restart_comes_at_once_and_later_ones_wait_twice_as_long_each() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        let mut ledger = Ledger::open(&plan);
        // The delay that is owed from the fault to the moment the old process is gone.
        let mut owed = Duration::ZERO;
        let mut watch = |turn: &Turn<'_>| {
            if let Some(nth) = ledger.book(turn).and_then(|fault| fault.nth) {
                owed = doubled(&turn.world.policy, nth);
            } else if matches!(turn.event, Event::Command(_))
                && turn.world.life.state() != turn.before.state()
            {
                owed = Duration::ZERO;
            }
            let gone =
                turn.before.state().live_run().is_some() && !(has_successor(turn.before) && promoted(turn));
            match turn.world.life.state() {
                State::Restarting(Restarting::Draining { delay, .. }) => prop_assert_eq!(delay, owed),
                State::Restarting(Restarting::BackingOff { next }) if gone => {
                    prop_assert!(!owed.is_zero());
                    prop_assert_eq!(turn.effects, [Effect::Arm(Timer::Backoff(next), owed)]);
                }
                State::Restarting(Restarting::Queued { next }) if gone => {
                    prop_assert!(owed.is_zero());
                    prop_assert_eq!(turn.effects, [Effect::Queue(next)]);
                }
                _ => {}
            }
            Ok(())
        };
        world.live(&plan, &mut watch)
    });
}

fn doubled(policy: &Policy, nth: u32) -> Duration {
    let mut delay = policy.backoff.delay(2);
    for _ in 2..nth {
        delay = (delay * 2).min(policy.backoff.delay(u32::MAX));
    }
    if nth == 1 { Duration::ZERO } else { delay }
}

#[test]
fn the_strikes_of_an_unhealthy_instance_are_its_misses_in_a_row_and_fewer_than_a_fault_takes() {
    accounted(|turn, ledger, fault| {
        if let State::Unhealthy { strikes, .. } = turn.world.life.state() {
            prop_assert_eq!(strikes, ledger.misses);
            prop_assert!(strikes < turn.world.policy.strikes);
        }
        let missed = matches!(turn.event, Event::Fact(Fact::Missed(_)))
            && changed(turn)
            && !(has_successor(turn.before) && promoted(turn));
        if missed {
            let struck_out = ledger.misses >= turn.world.policy.strikes;
            prop_assert_eq!(fault.is_some(), struck_out);
            prop_assert_eq!(matches!(turn.world.life.state(), State::Unhealthy { .. }), !struck_out);
        }
        Ok(())
    });
}

#[test]
fn more_samples_in_a_row_over_a_limit_than_allowed_are_a_fault_and_fewer_never() {
    accounted(|turn, _, fault| {
        let beside = turn.before.beside().map(Beside::run);
        if let Event::Fact(Fact::Sampled(run, _)) = turn.event
            && beside != Some(run)
            && !(has_successor(turn.before) && promoted(turn))
        {
            let left = turn.world.life.state() != turn.before.state();
            prop_assert_eq!(fault.is_some(), left);
            if let Some(fault) = fault {
                prop_assert_eq!(turn.world.life.cause(), fault.cause);
            }
            prop_assert_eq!(turn.effects.is_empty(), !left);
        }
        Ok(())
    });
}

#[test]
fn a_successor_is_given_up_by_as_many_samples_over_a_limit_as_are_a_fault() {
    accounted(|turn, ledger, _| {
        if let Event::Fact(Fact::Sampled(run, _)) = turn.event
            && turn.before.beside() == Some(Beside::Starting { run })
        {
            let most = ledger.successor_over.into_iter().max();
            let over = most > Some(turn.world.policy.samples_over);
            let given_up = turn.world.life.beside() == Some(Beside::Leaving { run });
            prop_assert_eq!(over, given_up);
            prop_assert!(!given_up || turn.world.life.cause() == Cause::ReplacementFailed);
        }
        Ok(())
    });
}
