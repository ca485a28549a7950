//! The world that a life is driven against: processes, start slots, timers and a clock, all of them virtual.
//!
//! It carries out what the core asks for without judging it; whoever watches a [`Turn`] does the judging.
//! A process ends only by a move, so one that is merely told to end may ignore it for as long as it likes.

use std::time::Duration;

use minimcp_actors::lifecycle::{Life, next};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Cause, Command, Effect, Event, Exit, Fact, Run, Timer, Usage};
use proptest::test_runner::TestCaseError;

use crate::plan::{BEAT, LIMITS, Move, Origin, Plan};
use crate::stale::stale;

pub(crate) type Verdict = Result<(), TestCaseError>;
pub(crate) type Watch<'a> = &'a mut dyn FnMut(&Turn<'_>) -> Verdict;

/// The clock of a new world; not zero, so that a lease can lie in the past.
const BEGINNING: Duration = Duration::from_secs(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Recorded by an earlier daemon and not found yet.
    Sought,
    /// Asked for; it may be up, on its way or impossible.
    Launching,
    Up,
    Ready,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) run: Run,
    pub(crate) stage: Stage,
    /// The core waits for the end of its calls.
    pub(crate) retiring: bool,
    pub(crate) told: bool,
    pub(crate) killed: bool,
}

/// One event and what came of it.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) before: &'a Life,
    pub(crate) event: Event,
    pub(crate) effects: &'a [Effect],
    /// The world after the event.
    pub(crate) world: &'a World,
}

/// Plays a move that nobody judges.
pub(crate) fn unwatched(_: &Turn<'_>) -> Verdict {
    Ok(())
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) life: Life,
    pub(crate) now: Duration,
    pub(crate) processes: Vec<Process>,
    /// Which process exits and reports, if there are two.
    turn: usize,
    pub(crate) slots: Vec<Run>,
    pub(crate) timers: Vec<(Duration, Timer)>,
    pub(crate) lease: Option<Duration>,
    pub(crate) lease_number: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        let now = BEGINNING;
        let lease = plan.lease.map(|by| shifted(now, by));
        let step = match plan.origin {
            Origin::Created => Life::create(lease, now),
            Origin::Recorded { run, last_run } => Life::adopt(Run(run), Run(last_run), lease, now),
            Origin::Ended { outcome, run } => Life::ended(outcome, Cause::Commanded, Run(run), lease, now),
        };
        let mut world = Self {
            policy: plan.policy,
            life: step.life,
            now,
            processes: Vec::new(),
            turn: 0,
            slots: Vec::new(),
            timers: Vec::new(),
            lease,
            lease_number: 0,
        };
        world.carry_out(&step.effects);
        world
    }

    /// Plays the whole plan.
    pub(crate) fn live(&mut self, plan: &Plan, watch: Watch<'_>) -> Verdict {
        plan.moves.iter().try_for_each(|one| self.play(*one, watch))
    }

    /// Lets one move happen, if it can.
    pub(crate) fn play(&mut self, one: Move, watch: Watch<'_>) -> Verdict {
        match one {
            Move::Ask(command) => self.ask(command, watch),
            Move::Extend(by) => self.ask(Command::Extend(shifted(self.now, by)), watch),
            Move::GoOn(pick) => self.go_on(pick, watch),
            Move::Exit(exit) => self.exit(exit, watch),
            Move::Turn => {
                self.turn += 1;
                Ok(())
            }
            Move::Answer => self.report(Fact::Answered, watch),
            Move::Miss => self.report(Fact::Missed, watch),
            Move::Sample { memory, cpu, tasks } => self.sample(memory, cpu, tasks, watch),
            Move::Wait(beats) => {
                self.now += BEAT * beats;
                Ok(())
            }
            Move::Fire(pick) => self.fire(usize::from(pick), watch),
            Move::EarlyLease => {
                let number = self.lease_number;
                match self.timers.iter().position(|(_, timer)| *timer == Timer::Lease(number)) {
                    Some(at) => {
                        let (_, timer) = self.timers.remove(at);
                        self.see(Fact::Fired(timer), watch)
                    }
                    None => Ok(()),
                }
            }
            Move::Stale { kind, run } => match stale(self, kind, run) {
                Some(fact) => self.see(fact, watch),
                None => Ok(()),
            },
            Move::Again(pick) => self.again(pick, watch),
        }
    }

    pub(crate) fn ask(&mut self, command: Command, watch: Watch<'_>) -> Verdict {
        self.happen(Event::Command(command), watch)
    }

    pub(crate) fn see(&mut self, fact: Fact, watch: Watch<'_>) -> Verdict {
        self.happen(Event::Fact(fact), watch)
    }

    fn happen(&mut self, event: Event, watch: Watch<'_>) -> Verdict {
        let step = next(&self.policy, self.life.clone(), event, self.now);
        let before = std::mem::replace(&mut self.life, step.life);
        if let Event::Command(Command::Extend(ends_at)) = event
            && !step.effects.is_empty()
        {
            self.lease = Some(ends_at);
        }
        self.carry_out(&step.effects);
        watch(&Turn { before: &before, event, effects: &step.effects, world: self })
    }

    fn carry_out(&mut self, effects: &[Effect]) {
        let process = |run, stage| Process { run, stage, retiring: false, told: false, killed: false };
        for effect in effects {
            match *effect {
                Effect::Queue(run) => self.slots.push(run),
                Effect::Spawn(run) => self.processes.push(process(run, Stage::Launching)),
                Effect::Adopt(run) => self.processes.push(process(run, Stage::Sought)),
                Effect::Retire(run) => self.of(run).for_each(|process| process.retiring = true),
                Effect::Terminate(run) => self.of(run).for_each(|process| process.told = true),
                Effect::Kill(run) => self.of(run).for_each(|process| process.killed = true),
                Effect::Arm(timer, after) => {
                    if let Timer::Lease(number) = timer {
                        self.lease_number = number;
                    }
                    self.timers.push((self.now + after, timer));
                }
            }
        }
    }

    fn of(&mut self, run: Run) -> impl Iterator<Item = &mut Process> {
        self.processes.iter_mut().filter(move |process| process.run == run)
    }

    /// One of the things that the world owes comes, in any order.
    fn go_on(&mut self, pick: u8, watch: Watch<'_>) -> Verdict {
        let owing: Vec<usize> = (0..self.processes.len())
            .filter(|at| {
                let process = self.processes[*at];
                process.told || process.retiring || process.stage != Stage::Ready
            })
            .collect();
        let debts = owing.len() + self.slots.len();
        if debts == 0 {
            return Ok(());
        }
        let picked = usize::from(pick) % debts;
        let Some(at) = owing.get(picked).copied() else {
            let run = self.slots.remove(picked - owing.len());
            return self.see(Fact::Granted(run), watch);
        };
        let process = &mut self.processes[at];
        let run = process.run;
        match process.stage {
            _ if process.told => self.exit_of(at, Exit::Signal(15), watch),
            Stage::Sought => {
                process.stage = Stage::Up;
                self.see(Fact::Adopted(run), watch)
            }
            Stage::Launching | Stage::Up => {
                process.stage = Stage::Ready;
                self.see(Fact::Ready(run), watch)
            }
            Stage::Ready => {
                process.retiring = false;
                self.see(Fact::Quiet(run), watch)
            }
        }
    }

    fn whose_turn(&self) -> Option<usize> {
        self.turn.checked_rem(self.processes.len())
    }

    /// The process whose turn it is ends; one that was launched cannot turn out to be impossible to launch.
    pub(crate) fn exit(&mut self, exit: Exit, watch: Watch<'_>) -> Verdict {
        let never_was = matches!(exit, Exit::Unspawned | Exit::Unstartable);
        match self.whose_turn() {
            Some(at) if self.processes[at].stage == Stage::Launching || !never_was => {
                self.exit_of(at, exit, watch)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn exit_of(&mut self, at: usize, exit: Exit, watch: Watch<'_>) -> Verdict {
        let run = self.processes.remove(at).run;
        self.see(Fact::Exited(run, exit), watch)
    }

    fn report(&mut self, fact: impl Fn(Run) -> Fact, watch: Watch<'_>) -> Verdict {
        match self.whose_turn().map(|at| self.processes[at]) {
            Some(process) if process.stage != Stage::Sought => self.see(fact(process.run), watch),
            _ => Ok(()),
        }
    }

    /// A value at a limit is not over it.
    fn sample(&mut self, memory: bool, cpu: bool, tasks: Option<bool>, watch: Watch<'_>) -> Verdict {
        let usage = Usage {
            memory_bytes: LIMITS.memory_bytes.unwrap() + u64::from(memory),
            cpu_percent: if cpu { 50.5 } else { 50.0 },
            processes: 1,
            tasks: 64 + u32::from(tasks == Some(true)),
            refused_forks: u32::from(tasks == Some(false)),
        };
        self.report(|run| Fact::Sampled(run, usage), watch)
    }

    /// Fires the timer that is due `nth` from now; the clock never runs back.
    pub(crate) fn fire(&mut self, nth: usize, watch: Watch<'_>) -> Verdict {
        if self.timers.is_empty() {
            return Ok(());
        }
        self.timers.sort_by_key(|(due, _)| *due);
        let (due, timer) = self.timers.remove(nth % self.timers.len());
        self.now = self.now.max(due);
        self.see(Fact::Fired(timer), watch)
    }

    /// What was reported once is reported again.
    fn again(&mut self, pick: u8, watch: Watch<'_>) -> Verdict {
        let Some(process) = self.whose_turn().map(|at| self.processes[at]) else {
            return Ok(());
        };
        let run = process.run;
        let fact = match (pick % 3, process.stage) {
            (0, _) => Fact::Granted(run),
            (1, Stage::Up | Stage::Ready) => Fact::Adopted(run),
            (2, Stage::Ready) => Fact::Ready(run),
            _ => return Ok(()),
        };
        self.see(fact, watch)
    }
}

/// `from` moved by this many beats, forwards or back.
fn shifted(from: Duration, by: i32) -> Duration {
    let distance = BEAT * by.unsigned_abs();
    if by < 0 { from.saturating_sub(distance) } else { from + distance }
}
