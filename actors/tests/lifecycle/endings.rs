//! Where a history leads to when it is left to itself or told to end.

use minimcp_actors::state::{Command, Exit, Outcome, Restarting, State, Status, Timer};
use proptest::prop_assert;

use crate::in_every_history;
use crate::plan::Move;
use crate::world::{Verdict, World, unwatched};

/// More steps than any ending takes: each of the timers armed once, and a few processes killed.
const BOUND: usize = 200;

/// One step of the worst of worlds: no slot is granted, no process gets ready, and only SIGKILL ends one.
fn grudge(world: &mut World) -> Verdict {
    match world.processes.iter().position(|process| process.killed) {
        Some(at) => world.exit_of(at, Exit::Signal(9), &mut unwatched),
        None => world.fire(0, &mut unwatched),
    }
}

fn until(world: &mut World, step: fn(&mut World) -> Verdict, done: impl Fn(&World) -> bool) -> Verdict {
    for _ in 0..BOUND {
        if done(world) {
            return Ok(());
        }
        step(world)?;
    }
    prop_assert!(false, "no end in sight: {:?}", world.life);
    Ok(())
}

fn has_ended(world: &World) -> bool {
    world.life.state().status().is_ended()
}

#[test]
fn stop_always_ends_in_stopped_or_expired_once_kills_work() {
    in_every_history(|plan| {
        let (first, rest) = plan.moves.split_at(plan.moves.len() / 2);
        let mut world = World::new(&plan);
        first.iter().try_for_each(|one| world.play(*one, &mut unwatched))?;
        let failed = world.life.state() == State::Ended(Outcome::Failed);
        world.ask(Command::Stop, &mut unwatched)?;
        for one in rest {
            if !matches!(one, Move::Ask(_) | Move::Extend(_)) {
                world.play(*one, &mut unwatched)?;
            }
        }
        until(&mut world, grudge, has_ended)?;
        let status = world.life.state().status();
        prop_assert!(
            matches!(status, Status::Stopped | Status::Expired) || failed && status == Status::Failed,
            "ended {status}"
        );
        prop_assert!(world.processes.is_empty());
        Ok(())
    });
}

#[test]
fn kill_does_not_wait_for_any_timer() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        world.live(&plan, &mut unwatched)?;
        let failed = world.life.state() == State::Ended(Outcome::Failed);
        world.ask(Command::Kill, &mut unwatched)?;
        prop_assert!(world.processes.iter().all(|process| process.killed));
        while !world.processes.is_empty() {
            world.exit_of(0, Exit::Signal(9), &mut unwatched)?;
        }
        prop_assert!(has_ended(&world));
        let status = world.life.state().status();
        prop_assert!(
            matches!(status, Status::Stopped | Status::Expired) || failed && status == Status::Failed,
            "ended {status}"
        );
        Ok(())
    });
}

#[test]
fn the_lease_ends_every_instance_also_a_sleeping_or_a_disconnected_one() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        world.live(&plan, &mut unwatched)?;
        if world.lease.is_none() {
            world.ask(Command::Extend(world.now * 2), &mut unwatched)?;
        }
        let lease = Timer::Lease(world.lease_number);
        let armed = |world: &World| world.timers.iter().any(|(_, timer)| *timer == lease);
        until(&mut world, grudge, |world| !armed(world))?;
        until(&mut world, grudge, has_ended)?;
        let status = world.life.state().status();
        prop_assert!(matches!(status, Status::Expired | Status::Stopped | Status::Failed), "ended {status}");
        prop_assert!(status == Status::Expired || world.lease.is_some_and(|ends_at| world.now >= ends_at));
        prop_assert!(world.processes.is_empty());
        Ok(())
    });
}

/// One step of the best of worlds: slots are granted, processes get ready and end when told to.
fn favour(world: &mut World) -> Verdict {
    let waits = matches!(world.life.state(), State::Restarting(Restarting::BackingOff { .. }));
    if waits { world.fire(0, &mut unwatched) } else { world.play(Move::GoOn(0), &mut unwatched) }
}

#[test]
fn left_alone_in_a_good_world_every_instance_serves_again_alone_or_has_ended() {
    in_every_history(|plan| {
        let mut world = World::new(&plan);
        world.live(&plan, &mut unwatched)?;
        until(&mut world, favour, |world| {
            let status = world.life.state().status();
            let serves = matches!(status, Status::Running | Status::Unhealthy);
            status.is_ended() || serves && world.life.beside().is_none() && world.processes.len() == 1
        })
    });
}
