//! The lease: never early, at its time for certain, and then for good.

use minimcp_actors::state::{Cause, Effect, Event, Fact, Outcome, State, Timer};
use proptest::{prop_assert, prop_assert_eq};

use crate::world::{Turn, World};
use crate::{always, in_every_history};

#[test]
fn a_lease_never_ends_an_instance_before_its_time() {
    always(|turn| {
        let expires = |state| {
            matches!(state, State::Ended(Outcome::Expired) | State::Stopping { then: Outcome::Expired, .. })
        };
        if expires(turn.world.life.state()) && !expires(turn.before.state()) {
            prop_assert!(turn.world.lease.is_some_and(|ends_at| turn.world.now >= ends_at));
            prop_assert_eq!(turn.world.life.cause(), Cause::LeaseEnded);
        }
        Ok(())
    });
}

#[test]
fn an_early_lease_timer_is_armed_again_for_the_rest() {
    always(|turn| {
        let number = turn.world.lease_number;
        if turn.event == Event::Fact(Fact::Fired(Timer::Lease(number)))
            && let Some(ends_at) = turn.world.lease
            && let Some(rest) = ends_at.checked_sub(turn.world.now)
            && !rest.is_zero()
        {
            prop_assert_eq!(turn.effects, [Effect::Arm(Timer::Lease(number), rest)]);
            prop_assert_eq!(&turn.world.life, turn.before);
        }
        Ok(())
    });
}

#[test]
fn what_the_lease_has_ended_stays_ended_whatever_is_asked() {
    always(|turn| {
        match (turn.before.state(), turn.world.life.state()) {
            (State::Ended(Outcome::Expired), after) => prop_assert_eq!(after, turn.before.state()),
            (State::Stopping { then: Outcome::Expired, .. }, after) => prop_assert!(
                matches!(
                    after,
                    State::Stopping { then: Outcome::Expired, .. } | State::Ended(Outcome::Expired)
                ),
                "{after:?} by {:?}",
                turn.event
            ),
            _ => {}
        }
        Ok(())
    });
}

#[test]
fn the_lease_takes_hold_at_once_unless_the_instance_had_ended_for_good() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        let mut watch = |turn: &Turn<'_>| {
            let number = turn.world.lease_number;
            let over = turn.world.lease.is_some_and(|ends_at| turn.world.now >= ends_at);
            if !over || turn.event != Event::Fact(Fact::Fired(Timer::Lease(number))) {
                return Ok(());
            }
            let after = turn.world.life.state();
            match turn.before.state() {
                before @ State::Ended(Outcome::Stopped | Outcome::Failed | Outcome::Expired) => {
                    prop_assert_eq!(after, before);
                }
                before => match before.live_run().or(turn.before.live_runs().next()) {
                    Some(run) => prop_assert_eq!(after, State::Stopping { run, then: Outcome::Expired }),
                    None => prop_assert_eq!(after, State::Ended(Outcome::Expired)),
                },
            }
            Ok(())
        };
        world.live(&plan, &mut watch)
    });
}
