//! Facts and timers of runs that are over or never were.

use minimcp_actors::state::{Exit, Fact, Restarting, Run, State, Timer, Usage};

use crate::world::World;

/// A fact that the present run has no part in, or `None` if these numbers name the present run.
pub(crate) fn stale(world: &World, kind: u8, run: u8) -> Option<Fact> {
    let number = Run(u64::from(run) % (world.life.last_run().0 + 3));
    let lease = u64::from(run) % (world.lease_number + 3);
    let heavy = Usage { memory_bytes: u64::MAX, cpu_percent: 1e6, processes: 1 };
    let fact = match kind % 12 {
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
        _ => Fact::Fired(Timer::Lease(lease)),
    };
    let present = match fact {
        Fact::Fired(Timer::Lease(number)) => number == world.lease_number,
        _ => run_of(fact) == present_run(world.life.state()),
    };
    (!present).then_some(fact)
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

/// The run that a fact is about; a lease timer is about none.
pub(crate) fn run_of(fact: Fact) -> Option<Run> {
    match fact {
        Fact::Granted(run)
        | Fact::Adopted(run)
        | Fact::Ready(run)
        | Fact::Answered(run)
        | Fact::Missed(run)
        | Fact::Sampled(run, _)
        | Fact::Exited(run, _)
        | Fact::Fired(Timer::Start(run) | Timer::Backoff(run) | Timer::Grace(run)) => Some(run),
        Fact::Fired(Timer::Lease(_)) => None,
    }
}
