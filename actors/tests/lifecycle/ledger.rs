//! The accounts of one history, kept beside the core and in plainer ways: misses and samples in a row, what
//! was a fault, and how many restarts the budgets still allow.

use std::time::Duration;

use minimcp_actors::lifecycle::admit;
use minimcp_actors::policy::{Budget, Policy, RestartPolicy};
use minimcp_actors::state::{Admit, Cause, Command, Effect, Event, Exit, Fact, Outcome, State, Timer, Usage};

use crate::plan::{Origin, Plan};
use crate::stale::{present_run, run_of};
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
    over_memory: u32,
    over_cpu: u32,
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
        if turn.effects.iter().any(|effect| matches!(effect, Effect::Spawn(_))) {
            *self = Self {
                ready_since: None,
                misses: 0,
                over_memory: 0,
                over_cpu: 0,
                crashes: std::mem::take(&mut self.crashes),
                failed_starts: std::mem::take(&mut self.failed_starts),
                ever_ready: self.ever_ready,
            };
        }
        fault
    }

    fn command(&mut self, turn: &Turn<'_>, command: Command) {
        let renews = matches!(command, Command::Restart | Command::Restore | Command::Wake);
        if renews && admit(turn.before, command, turn.world.now) == Ok(Admit::Act) {
            self.wipe();
        }
    }

    fn wipe(&mut self) {
        self.crashes.clear();
        self.failed_starts.clear();
    }

    fn fact(&mut self, turn: &Turn<'_>, fact: Fact) -> Option<Fault> {
        let state = turn.before.state();
        let serving = matches!(state, State::Running { .. } | State::Unhealthy { .. });
        let starting = matches!(state, State::Starting { .. });
        if run_of(fact) != present_run(state) || !(serving || starting) {
            return None;
        }
        let policy = &turn.world.policy;
        let cause = match fact {
            Fact::Exited(_, Exit::Unstartable) => None,
            Fact::Exited(_, Exit::Unspawned) => Some(Cause::LaunchFailed),
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
        cause.map(|cause| Fault { cause, nth: self.spend(policy, turn.world.now) })
    }

    fn sample(&mut self, policy: &Policy, usage: Usage) -> Option<Cause> {
        let over_memory = policy.limits.memory_bytes.is_some_and(|most| usage.memory_bytes > most);
        let over_cpu = policy.limits.cpu_percent.is_some_and(|most| usage.cpu_percent > most as f32);
        self.over_memory = if over_memory { self.over_memory + 1 } else { 0 };
        self.over_cpu = if over_cpu { self.over_cpu + 1 } else { 0 };
        if self.over_memory == policy.samples_over + 1 {
            Some(Cause::HighMemory)
        } else if self.over_cpu == policy.samples_over + 1 {
            Some(Cause::HighCpu)
        } else {
            None
        }
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

/// How many of these moments lie less than a period back.
fn recent(moments: &[Duration], budget: Budget, now: Duration) -> u32 {
    moments.iter().filter(|at| **at + budget.period() > now).map(|_| 1).sum()
}
