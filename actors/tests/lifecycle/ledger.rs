//! The accounts of one history, kept beside the core and in plainer ways: misses and samples in a row, what
//! was a fault, and how many restarts the budgets still allow.

use std::time::Duration;

use minimcp_actors::lifecycle::{Life, admit};
use minimcp_actors::policy::{Budget, Policy, RestartPolicy};
use minimcp_actors::state::{
    Admit, Beside, Cause, Command, Effect, Event, Exit, Fact, Outcome, State, Timer, Usage,
};

use crate::plan::{Origin, Plan};
use crate::stale::present_run;
use crate::world::Turn;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ready_since: Option<Duration>,
    pub(crate) ever_ready: bool,
    /// When each restart was granted that a command or a stable run has not wiped out since.
    crashes: Vec<Duration>,
    failed_starts: Vec<Duration>,
    /// In a row, of the present run.
    pub(crate) misses: u32,
    over: [u32; 3],
    /// In a row, of a successor that starts.
    pub(crate) successor_over: [u32; 3],
}

/// What a fault has to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: Cause,
    /// Which restart of its window it gets, from 1, or `None` if there is none left.
    pub(crate) nth: Option<u32>,
}

impl Ledger {
    pub(crate) fn open(plan: &Plan) -> Self {
        let ever_ready = match plan.origin {
            Origin::Created => false,
            Origin::Recorded { .. } => true,
            Origin::Ended { outcome, .. } => {
                matches!(outcome, Outcome::Disconnected | Outcome::Hibernated)
            }
        };
        Self { ever_ready, ..Self::default() }
    }

    /// Books one turn and says whether it was a fault.
    pub(crate) fn book(&mut self, turn: &Turn<'_>) -> Option<Fault> {
        let fault = match turn.event {
            Event::Command(command) => {
                self.command(turn, command);
                None
            }
            Event::Fact(fact) => self.fact(turn, fact),
        };
        let spawned = turn.effects.iter().find_map(|effect| match effect {
            Effect::Spawn(run) => Some(*run),
            _ => None,
        });
        let beside = turn.world.life.beside().map(Beside::run);
        if spawned.is_some() && spawned == beside {
            self.successor_over = [0; 3];
        } else if spawned.is_some() {
            self.begin([0; 3]);
        } else if has_successor(turn.before) && promoted(turn) {
            self.begin(self.successor_over);
        }
        fault
    }

    /// Another run is the one of the state.
    fn begin(&mut self, over: [u32; 3]) {
        self.ready_since = None;
        self.misses = 0;
        self.over = over;
    }

    fn command(&mut self, turn: &Turn<'_>, command: Command) {
        let renews = renews(command, &turn.world.policy);
        if renews && admit(turn.before, command, turn.world.now) == Ok(Admit::Act) {
            self.wipe();
        }
    }

    fn wipe(&mut self) {
        self.crashes.clear();
        self.failed_starts.clear();
    }

    fn fact(&mut self, turn: &Turn<'_>, fact: Fact) -> Option<Fault> {
        if let Some(beside) = turn.before.beside().filter(|beside| fact.run() == Some(beside.run())) {
            self.beside(turn, beside, fact);
            return None;
        }
        let state = turn.before.state();
        let serving = matches!(state, State::Running { .. } | State::Unhealthy { .. });
        let starting = matches!(state, State::Starting { .. });
        if fact.run() != present_run(state) || !(serving || starting) {
            return None;
        }
        let policy = &turn.world.policy;
        let cause = match fact {
            Fact::Exited(_, Exit::Unstartable) => None,
            Fact::Exited(_, Exit::Unspawned) => Some(Cause::LaunchFailed),
            Fact::Exited(_, Exit::OomKilled) => Some(Cause::OomKilled),
            Fact::Exited(_, Exit::Code(0)) if policy.restart != RestartPolicy::Permanent => None,
            Fact::Exited(..) => Some(Cause::Exited),
            Fact::Fired(Timer::Start(_)) => starting.then_some(Cause::StartTimeout),
            Fact::Missed(_) if serving => {
                self.misses += 1;
                (self.misses == policy.strikes).then_some(Cause::ProbesFailed)
            }
            Fact::Sampled(_, usage) => self.sample(policy, usage),
            Fact::Answered(_) if serving => {
                self.misses = 0;
                None
            }
            Fact::Ready(_) if starting => {
                self.ready_since = Some(turn.world.now);
                self.ever_ready = true;
                None
            }
            _ => None,
        };
        // A successor takes the place of what went wrong, and nobody has to be restarted.
        let cause = cause.filter(|_| !has_successor(turn.before));
        cause.map(|cause| Fault { cause, nth: self.spend(policy, turn.world.now) })
    }

    fn beside(&mut self, turn: &Turn<'_>, beside: Beside, fact: Fact) {
        match (fact, beside) {
            (Fact::Sampled(_, usage), Beside::Starting { .. }) => {
                self.successor_over = counted(self.successor_over, over(&turn.world.policy, usage));
            }
            (Fact::Ready(_), Beside::Starting { .. }) => {
                self.begin([0; 3]);
                self.ready_since = Some(turn.world.now);
            }
            _ => {}
        }
    }

    fn sample(&mut self, policy: &Policy, usage: Usage) -> Option<Cause> {
        self.over = counted(self.over, over(policy, usage));
        let causes = [Cause::HighMemory, Cause::HighCpu, Cause::TooManyProcesses];
        let first = self.over.iter().position(|samples| *samples == policy.samples_over + 1);
        first.map(|limit| causes[limit])
    }

    fn spend(&mut self, policy: &Policy, now: Duration) -> Option<u32> {
        if self.ready_since.is_some_and(|since| since + policy.timing.stable_after <= now) {
            self.wipe();
        }
        let (spent, budget) = match self.ready_since {
            Some(_) => (&mut self.crashes, policy.crashes),
            None => (&mut self.failed_starts, policy.failed_starts),
        };
        let nth = recent(spent, budget, now) + 1;
        if policy.restart == RestartPolicy::Temporary || nth > budget.intensity() {
            return None;
        }
        spent.push(now);
        Some(nth)
    }

    /// Restarts that count against the budgets at this moment: crashes, failed starts.
    pub(crate) fn counted(&self, policy: &Policy, now: Duration) -> (u32, u32) {
        (recent(&self.crashes, policy.crashes, now), recent(&self.failed_starts, policy.failed_starts, now))
    }
}

/// Whether a command clears the windows once it is admitted.
pub(crate) fn renews(command: Command, policy: &Policy) -> bool {
    matches!(command, Command::Restart | Command::Restore | Command::Wake)
        || command == Command::Replace && !policy.overlap
}

pub(crate) fn has_successor(life: &Life) -> bool {
    matches!(life.beside(), Some(Beside::Queued { .. } | Beside::Starting { .. }))
}

/// Whether the successor became the run of the state without being ready.
pub(crate) fn promoted(turn: &Turn<'_>) -> bool {
    let successor = turn.before.beside().map(Beside::run);
    let after = turn.world.life.state();
    present_run(after) == successor && !matches!(after, State::Running { .. })
}

/// Which limits a sample is over: memory, CPU, processes.
#[expect(clippy::cast_precision_loss, reason = "the limits of the plans are small")]
fn over(policy: &Policy, usage: Usage) -> [bool; 3] {
    let limits = policy.limits;
    [
        limits.memory_bytes.is_some_and(|most| usage.memory_bytes > most),
        limits.cpu_percent.is_some_and(|most| usage.cpu_percent > most as f32),
        limits.tasks.is_some_and(|most| usage.tasks > most || usage.refused_forks > 0),
    ]
}

fn counted(so_far: [u32; 3], over: [bool; 3]) -> [u32; 3] {
    std::array::from_fn(|limit| if over[limit] { so_far[limit] + 1 } else { 0 })
}

/// How many of these moments lie less than a period back.
fn recent(moments: &[Duration], budget: Budget, now: Duration) -> u32 {
    moments.iter().filter(|at| **at + budget.period() > now).map(|_| 1).sum()
}
