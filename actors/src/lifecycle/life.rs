//! What is remembered of one instance: its state, its restarts and its lease. How that changes is the parent's
//! business alone.

use std::collections::VecDeque;
use std::time::Duration;

use crate::policy::{Budget, Over, Policy};
use crate::state::{Beside, Cause, Effect, Outcome, Run, State, Timer};

/// All that is known about one instance's life, but not how to act on it.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::Life;
/// use minimcp_actors::state::{Run, Status};
///
/// let life = Life::create(Some(Duration::from_secs(3_600)), Duration::ZERO).life;
/// assert_eq!((life.state().status(), life.run(), life.restarts()), (Status::Pending, Run(1), 0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    pub(super) state: State,
    pub(super) beside: Option<Beside>,
    /// A replacement is to begin as soon as the state and the second run allow it.
    pub(super) replace: bool,
    pub(super) cause: Cause,
    /// The newest run that was ever asked for.
    pub(super) last_run: Run,
    /// Whether any run was ever ready: it tells `disconnected` from `failed`.
    pub(super) ever_ready: bool,
    /// Since when the present run is ready.
    pub(super) ready_since: Option<Duration>,
    /// Samples in a row over the limits.
    pub(super) over: Over,
    /// The same of a successor that starts.
    pub(super) successor_over: Over,
    pub(super) crashes: Window,
    pub(super) failed_starts: Window,
    pub(super) lease: Option<Lease>,
    pub(super) restarts: u64,
}

/// When the instance ends whatever happens. The number tells a timer from those of earlier leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    pub(super) ends_at: Duration,
}

/// The restarts of a sliding period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Window(VecDeque<Duration>);

impl Window {
    /// Spends one restart and says which of its window it is, or `None` if the budget is spent.
    pub(super) fn spend(&mut self, budget: Budget, now: Duration) -> Option<u32> {
        self.prune(budget, now);
        let nth = u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1);
        if nth > budget.intensity() {
            return None;
        }
        self.0.push_back(now);
        Some(nth)
    }

    fn prune(&mut self, budget: Budget, now: Duration) {
        while self.0.front().is_some_and(|at| now.saturating_sub(*at) >= budget.period()) {
            self.0.pop_front();
        }
    }

    fn within(&self, budget: Budget, now: Duration) -> usize {
        self.0.iter().filter(|at| now.saturating_sub(**at) < budget.period()).count()
    }
}

/// What [`next`](super::next) answers.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::Life;
/// use minimcp_actors::state::{Effect, Run};
///
/// let step = Life::create(None, Duration::ZERO);
/// assert_eq!(step.effects, [Effect::Queue(Run(1))], "it starts as soon as it may");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The life after the event.
    pub life: Life,
    /// What is to be done, in this order.
    pub effects: Vec<Effect>,
}

impl Life {
    /// A new instance that waits for its first start. `lease` is a time of the supervisor's clock.
    #[must_use]
    pub fn create(lease: Option<Duration>, now: Duration) -> Step {
        let run = Run::default().next();
        Self::begin(State::Pending { run }, Cause::Commanded, run, lease, now, vec![Effect::Queue(run)])
    }

    /// An instance of an earlier daemon, after `last_run` runs, whose process of this `run` may still live.
    #[must_use]
    pub fn adopt(run: Run, last_run: Run, lease: Option<Duration>, now: Duration) -> Step {
        let last_run = last_run.max(run);
        Self::begin(State::Adopting { run }, Cause::Adopted, last_run, lease, now, vec![Effect::Adopt(run)])
    }

    /// An instance of an earlier daemon that had ended, after `last_run` runs.
    #[must_use]
    pub fn ended(
        outcome: Outcome,
        cause: Cause,
        last_run: Run,
        lease: Option<Duration>,
        now: Duration,
    ) -> Step {
        Self::begin(State::Ended(outcome), cause, last_run, lease, now, Vec::new())
    }

    fn begin(
        state: State,
        cause: Cause,
        last_run: Run,
        lease: Option<Duration>,
        now: Duration,
        mut effects: Vec<Effect>,
    ) -> Step {
        let lease = lease.map(|ends_at| Lease { epoch: 1, ends_at });
        effects.extend(lease.map(|lease| lease.arm(now)));
        let life = Self {
            state,
            beside: None,
            replace: false,
            cause,
            last_run,
            // A process that has to be adopted, or had ended otherwise than by failing to start, was ready once.
            ever_ready: matches!(
                state,
                State::Adopting { .. } | State::Ended(Outcome::Disconnected | Outcome::Hibernated)
            ),
            ready_since: None,
            over: Over::default(),
            successor_over: Over::default(),
            crashes: Window::default(),
            failed_starts: Window::default(),
            lease,
            restarts: 0,
        };
        Step { life, effects }
    }

    /// Where the instance stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The second run, while one replaces another.
    #[must_use]
    pub fn beside(&self) -> Option<Beside> {
        self.beside
    }

    /// The run that the state is about, or that was the last.
    #[must_use]
    pub fn run(&self) -> Run {
        self.state.live_run().unwrap_or(self.last_run)
    }

    /// The runs that have, or may have, a process: that of the state and a second one.
    pub fn live_runs(&self) -> impl Iterator<Item = Run> + use<> {
        [self.state.live_run(), self.beside.and_then(Beside::live_run)].into_iter().flatten()
    }

    /// What led to the present state.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The number of the newest run.
    #[must_use]
    pub fn last_run(&self) -> Run {
        self.last_run
    }

    /// Runs launched after the first, of all causes.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Restarts that count against a budget at present.
    #[must_use]
    pub fn restarts_in_window(&self, policy: &Policy, now: Duration) -> usize {
        self.crashes.within(policy.crashes, now) + self.failed_starts.within(policy.failed_starts, now)
    }

    /// The timer of the lease and when it ends, on the supervisor's clock.
    #[must_use]
    pub fn lease(&self) -> Option<(Timer, Duration)> {
        self.lease.map(|lease| (Timer::Lease(lease.epoch), lease.ends_at))
    }

    pub(super) fn lease_is_over(&self, now: Duration) -> bool {
        self.lease.is_some_and(|lease| now >= lease.ends_at)
    }
}

impl Lease {
    pub(super) fn arm(self, now: Duration) -> Effect {
        Effect::Arm(Timer::Lease(self.epoch), self.ends_at.saturating_sub(now))
    }
}
