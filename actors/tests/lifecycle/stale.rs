//! Facts and timers of runs that are over or never were.

use minimcp_actors::lifecycle::Life;
use minimcp_actors::state::{Beside, Exit, Fact, Restarting, Run, State, Timer, Usage};

use crate::world::World;

/// A fact that the present run has no part in, or `None` if these numbers name the present run.
pub(crate) fn stale(world: &World, kind: u8, run: u8) -> Option<Fact> {
    let number = Run(u64::from(run) % (world.life.last_run().0 + 3));
    let lease = u64::from(run) % (world.lease_number + 3);
    let heavy = Usage { memory_bytes: u64::MAX, cpu_percent: 1e6, processes: 1, ..Usage::default() };
    let fact = match kind % 14 {
        0 => Fact::Granted(number),
        1 => Fact::Adopted(number),
        2 => Fact::Ready(number),
        3 => Fact::Answered(number),
        4 => Fact::Missed(number),
        5 => Fact::Sampled(number, heavy),
        6 => Fact::Exited(number, Exit::Unspawned),
        7 => Fact::Exited(number, Exit::Code(0)),
        8 => Fact::Fired(Timer::Start(number)),
        9 => Fact::Fired(Timer::Backoff(number)),
        10 => Fact::Fired(Timer::Grace(number)),
        11 => Fact::Fired(Timer::Retire(number)),
        12 => Fact::Quiet(number),
        _ => Fact::Fired(Timer::Lease(lease)),
    };
    let present = match fact {
        Fact::Fired(Timer::Lease(number)) => number == world.lease_number,
        _ => is_present(&world.life, fact),
    };
    (!present).then_some(fact)
}

/// Whether a fact is about the run of the state or the one beside it.
pub(crate) fn is_present(life: &Life, fact: Fact) -> bool {
    let beside = life.beside().map(Beside::run);
    fact.run() == present_run(life.state()) || beside.is_some() && fact.run() == beside
}

/// The run that a state is about, with a process or without.
pub(crate) fn present_run(state: State) -> Option<Run> {
    match state {
        State::Pending { run }
        | State::Restarting(Restarting::BackingOff { next: run } | Restarting::Queued { next: run }) => {
            Some(run)
        }
        other => other.live_run(),
    }
}
