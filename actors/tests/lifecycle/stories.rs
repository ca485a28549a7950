//! Histories that a core once got wrong or easily could, told one by one.

use std::time::Duration;

use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Cause, Command, Exit, Fact, Outcome, Restarting, Run, State, Timer};

use crate::plan::{Move, Origin, Plan};
use crate::world::{World, unwatched};

const FIRST: Run = Run(1);

/// The world after these moves in the life of a new instance with the default rules.
fn after(moves: &[Move]) -> World {
    let plan =
        Plan { policy: Policy::default(), origin: Origin::Created, lease: Some(240), moves: Vec::new() };
    let mut world = World::new(&plan);
    moves.iter().for_each(|one| world.play(*one, &mut unwatched).unwrap());
    world
}

const RUNNING: [Move; 2] = [Move::GoOn(0), Move::GoOn(0)];

#[test]
fn an_instance_that_its_lease_is_ending_is_expired_although_it_is_killed_meanwhile() {
    let mut world = after(&RUNNING);
    let lease_over = world.timers.iter().position(|(_, timer)| matches!(timer, Timer::Lease(_))).unwrap();
    world.now += Duration::from_secs(60);
    let (_, timer) = world.timers.remove(lease_over);
    world.see(Fact::Fired(timer), &mut unwatched).unwrap();
    world.ask(Command::Kill, &mut unwatched).unwrap();
    assert!(world.processes[0].killed, "SIGKILL goes out all the same");
    world.exit(Exit::Signal(9), &mut unwatched).unwrap();
    assert_eq!(world.life.state(), State::Ended(Outcome::Expired));
    assert_eq!(world.life.cause(), Cause::LeaseEnded);
}

#[test]
fn a_spawn_that_fails_after_a_restart_was_asked_for_leads_to_the_next_run() {
    let world = after(&[Move::GoOn(0), Move::Ask(Command::Restart), Move::Exit(Exit::Unspawned)]);
    assert_eq!(world.life.state(), State::Restarting(Restarting::Queued { next: FIRST.next() }));
}

#[test]
fn a_spawn_that_fails_after_a_stop_was_asked_for_is_the_end() {
    let world = after(&[Move::GoOn(0), Move::Ask(Command::Stop), Move::Exit(Exit::Unspawned)]);
    assert_eq!(world.life.state(), State::Ended(Outcome::Stopped));
}

#[test]
fn a_slot_granted_after_a_stop_and_a_restart_starts_nothing_but_the_new_run() {
    let mut world = after(&[Move::Ask(Command::Stop), Move::Ask(Command::Restart)]);
    assert_eq!(world.slots, [FIRST, FIRST.next()]);
    world.play(Move::GoOn(0), &mut unwatched).unwrap();
    assert!(world.processes.is_empty(), "the slot of the run that was stopped");
    world.play(Move::GoOn(0), &mut unwatched).unwrap();
    assert_eq!(world.life.state(), State::Starting { run: FIRST.next() });
}

#[test]
fn a_request_that_comes_while_an_instance_falls_asleep_wakes_it_without_an_end_between() {
    let mut world = after(&RUNNING);
    world.ask(Command::Hibernate, &mut unwatched).unwrap();
    world.ask(Command::Wake, &mut unwatched).unwrap();
    let next = FIRST.next();
    assert_eq!(
        world.life.state(),
        State::Restarting(Restarting::Draining { run: FIRST, delay: Duration::ZERO })
    );
    world.exit(Exit::Signal(15), &mut unwatched).unwrap();
    assert_eq!(world.life.state(), State::Restarting(Restarting::Queued { next }));
    assert_eq!(world.life.cause(), Cause::Woken);
}
