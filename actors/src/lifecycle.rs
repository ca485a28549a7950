//! The verbs of the lifecycle: [`admit`] says whether a command is allowed, [`next`] what follows from an
//! event. Both are pure and total: no clock, no process, no failure. Only the supervisor holds a [`Life`],
//! and only [`next`] changes one.
//!
//! Two rules keep it small. A fact or timer whose run is neither the present one nor a second one beside it
//! changes nothing. And every way in which a run can go wrong leads through one function, `fault`, which spends
//! the budget. How one run replaces another is told in `replacement`.

mod life;
mod replacement;

use std::time::Duration;

use life::{Lease, Window};
pub use life::{Life, Step};

use crate::policy::{Over, Policy, RestartPolicy};
use crate::state::{
    Admit, Beside, Cause, Command, Denied, Effect, Event, Exit, Fact, Outcome, Restarting, Run, State,
    Status, Timer, Usage,
};

/// Says whether `command` may be carried out now. The only place a caller is refused.
///
/// # Errors
/// [`Denied`] says why not.
pub fn admit(life: &Life, command: Command, now: Duration) -> Result<Admit, Denied> {
    use Admit::{Act, Already};
    let status = life.state.status();
    let needs_lease = matches!(
        command,
        Command::Restart | Command::Replace | Command::Restore | Command::Wake | Command::Extend(_)
    );
    if needs_lease && (life.lease_is_over(now) || status == Status::Expired) {
        return Err(Denied::LeaseEnded);
    }
    match (command, life.state) {
        (Command::Extend(_), _) => Ok(Act),

        (
            Command::Stop | Command::StopFor(_),
            State::Stopping { then: Outcome::Stopped | Outcome::Expired, .. },
        ) => Ok(Already),
        (
            Command::Stop | Command::StopFor(_) | Command::Kill,
            State::Ended(Outcome::Stopped | Outcome::Expired | Outcome::Failed),
        ) => Ok(Already),
        (Command::Stop | Command::StopFor(_) | Command::Kill, _) => Ok(Act),

        (Command::Shutdown, State::Ended(_) | State::Stopping { .. }) => Ok(Already),
        (Command::Shutdown, _) => Ok(Act),

        (Command::Restart, State::Stopping { then: Outcome::Hibernated, .. }) => Ok(Act),
        (Command::Restart, State::Stopping { .. }) => Err(Denied::Stopping),
        (Command::Restart, State::Restarting(Restarting::Draining { delay, .. })) if !delay.is_zero() => {
            Ok(Act)
        }
        (
            Command::Restart,
            State::Pending { .. }
            | State::Restarting(Restarting::Draining { .. } | Restarting::Queued { .. }),
        ) => Ok(Already),
        (Command::Restart, _) => Ok(Act),

        // What has no run that could serve uses what is new at its next one.
        (
            Command::Replace,
            State::Adopting { .. } | State::Starting { .. } | State::Running { .. } | State::Unhealthy { .. },
        ) if !life.replace && !matches!(life.beside, Some(Beside::Queued { .. })) => Ok(Act),
        (Command::Replace, _) => Ok(Already),

        (Command::Restore, State::Ended(Outcome::Disconnected)) => Ok(Act),
        (Command::Restore, _) => Err(Denied::NotDisconnected(status)),

        (Command::Wake, State::Ended(Outcome::Hibernated))
        | (Command::Wake, State::Stopping { then: Outcome::Hibernated, .. }) => Ok(Act),
        (Command::Wake, State::Ended(_) | State::Stopping { .. }) => Err(Denied::NotHibernated(status)),
        (Command::Wake, _) => Ok(Already),

        (Command::Hibernate, State::Running { .. } | State::Unhealthy { .. }) => Ok(Act),
        (
            Command::Hibernate,
            State::Ended(Outcome::Hibernated) | State::Stopping { then: Outcome::Hibernated, .. },
        ) => Ok(Already),
        (Command::Hibernate, _) => Err(Denied::NotRunning(status)),
    }
}

/// What follows from `event` at time `now` of the supervisor's clock. Total: an event that means nothing in
/// the present state, a stale run's above all, changes nothing.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::lifecycle::{Life, next};
/// use minimcp_actors::policy::Policy;
/// use minimcp_actors::state::{Command, Event, Status};
///
/// let policy = Policy::default();
/// let created = Life::create(None, Duration::ZERO);
/// let stopped = next(&policy, created.life, Event::Command(Command::Stop), Duration::from_secs(1));
/// assert_eq!(stopped.life.state().status(), Status::Stopped, "nothing had been launched yet");
/// let again = next(&policy, stopped.life.clone(), Event::Command(Command::Stop), Duration::from_secs(2));
/// assert!(again.effects.is_empty(), "to stop it again is nothing");
/// ```
#[must_use]
pub fn next(policy: &Policy, life: Life, event: Event, now: Duration) -> Step {
    let mut turn = Turn { policy, life, now, effects: Vec::new() };
    match event {
        Event::Command(command) => {
            if admit(&turn.life, command, now) == Ok(Admit::Act) {
                turn.command(command);
            }
        }
        Event::Fact(fact) => turn.fact(fact),
    }
    Step { life: turn.life, effects: turn.effects }
}

/// One call of [`next`] in progress.
struct Turn<'a> {
    policy: &'a Policy,
    life: Life,
    now: Duration,
    effects: Vec<Effect>,
}

impl Turn<'_> {
    fn command(&mut self, command: Command) {
        match command {
            Command::Stop => self.end(Outcome::Stopped, Cause::Commanded),
            Command::StopFor(cause) => self.end(Outcome::Stopped, cause),
            Command::Hibernate => self.end(Outcome::Hibernated, Cause::Idle),
            Command::Shutdown => self.end(Outcome::Disconnected, Cause::DaemonShutdown),
            Command::Kill => {
                // What the lease is ending only ends sooner.
                if !matches!(self.life.state, State::Stopping { then: Outcome::Expired, .. }) {
                    self.end(Outcome::Stopped, Cause::Commanded);
                }
                self.effects.extend(self.life.live_runs().map(Effect::Kill));
            }
            Command::Extend(ends_at) => {
                let epoch = self.life.lease.map_or(1, |lease| lease.epoch + 1);
                let lease = Lease { epoch, ends_at };
                self.life.lease = Some(lease);
                self.effects.push(lease.arm(self.now));
            }
            Command::Replace => self.replace(),
            Command::Wake => self.renew(Cause::Woken),
            Command::Restart | Command::Restore => self.renew(Cause::Commanded),
        }
    }

    fn fact(&mut self, fact: Fact) {
        let state = self.life.state;
        if let Some(beside) = self.life.beside.filter(|beside| Some(beside.run()) == fact.run()) {
            self.beside(beside, fact);
            return;
        }
        match (fact, state) {
            (Fact::Granted(run), State::Pending { run: waiting }) if run == waiting => self.launch(run),
            (Fact::Granted(run), State::Restarting(Restarting::Queued { next })) if run == next => {
                self.life.restarts += 1;
                self.launch(run);
            }
            (Fact::Adopted(run), State::Adopting { run: sought }) if run == sought => {
                self.become_(State::Starting { run }, Cause::Adopted);
                self.arm(Timer::Start(run), self.policy.timing.start_timeout);
            }
            (Fact::Ready(run), State::Starting { run: starting }) if run == starting => {
                self.life.ever_ready = true;
                self.life.ready_since = Some(self.now);
                let cause = self.life.cause;
                self.become_(State::Running { run }, cause);
                self.begin_replacement();
            }
            (Fact::Answered(run), State::Unhealthy { run: ill, .. }) if run == ill => {
                self.become_(State::Running { run }, Cause::Recovered);
            }
            (Fact::Missed(run), State::Running { run: live }) if run == live => self.missed(run, 1),
            (Fact::Missed(run), State::Unhealthy { run: live, strikes }) if run == live => {
                self.missed(run, strikes + 1);
            }
            (
                Fact::Sampled(run, usage),
                State::Starting { run: live }
                | State::Running { run: live }
                | State::Unhealthy { run: live, .. },
            ) if run == live => self.sampled(run, usage),
            (Fact::Exited(run, exit), _) if state.live_run() == Some(run) => self.exited(exit),
            (Fact::Fired(timer), _) => self.fired(timer),
            _ => {}
        }
    }

    fn missed(&mut self, run: Run, strikes: u32) {
        if strikes >= self.policy.strikes {
            self.fault(Some(run), Cause::ProbesFailed);
        } else {
            self.become_(State::Unhealthy { run, strikes }, Cause::ProbesFailed);
        }
    }

    fn sampled(&mut self, run: Run, usage: Usage) {
        if let Some(cause) = self.policy.over(&mut self.life.over, usage) {
            self.fault(Some(run), cause);
        }
    }

    fn fired(&mut self, timer: Timer) {
        match (timer, self.life.state) {
            (Timer::Start(run), State::Starting { run: starting }) if run == starting => {
                self.fault(Some(run), Cause::StartTimeout);
            }
            (Timer::Backoff(run), State::Restarting(Restarting::BackingOff { next })) if run == next => {
                self.queue(next);
            }
            (Timer::Grace(run), State::Stopping { run: ending, .. })
            | (Timer::Grace(run), State::Restarting(Restarting::Draining { run: ending, .. }))
                if run == ending =>
            {
                self.effects.push(Effect::Kill(run));
            }
            (Timer::Lease(epoch), _) if self.life.lease.is_some_and(|lease| lease.epoch == epoch) => {
                if self.life.lease_is_over(self.now) {
                    self.expire();
                } else if let Some(lease) = self.life.lease {
                    // It fired early: the clock that armed it ran ahead of ours.
                    self.effects.push(lease.arm(self.now));
                }
            }
            _ => {}
        }
    }

    fn exited(&mut self, exit: Exit) {
        match self.life.state {
            State::Stopping { then, .. } => {
                let cause = self.life.cause;
                self.finish(then, cause);
            }
            State::Restarting(Restarting::Draining { delay, .. }) => self.back_off(delay),
            State::Adopting { .. } => self.finish(Outcome::Disconnected, Cause::Lost),
            State::Starting { .. } | State::Running { .. } | State::Unhealthy { .. } => {
                self.exited_by_itself(exit);
            }
            State::Pending { .. } | State::Restarting(_) | State::Ended(_) => {}
        }
    }

    fn exited_by_itself(&mut self, exit: Exit) {
        if self.promote(None, Cause::Exited) {
            return;
        }
        match exit {
            Exit::Unstartable => self.finish(Outcome::Failed, Cause::LaunchFailed),
            Exit::Unspawned => self.fault(None, Cause::LaunchFailed),
            Exit::OomKilled => self.fault(None, Cause::OomKilled),
            _ if exit.is_clean() && self.policy.restart != RestartPolicy::Permanent => {
                self.finish(Outcome::Stopped, Cause::Exited);
            }
            Exit::Code(_) | Exit::Signal(_) | Exit::Unknown | Exit::ActorDied => {
                self.fault(None, Cause::Exited);
            }
        }
    }

    /// A run went wrong. `alive` is its number if it still has a process.
    fn fault(&mut self, alive: Option<Run>, cause: Cause) {
        if self.promote(alive, cause) {
            return;
        }
        if self
            .life
            .ready_since
            .is_some_and(|since| self.now.saturating_sub(since) >= self.policy.timing.stable_after)
        {
            self.forgive();
        }
        let nth = if self.policy.restart == RestartPolicy::Temporary {
            None
        } else if self.life.ready_since.is_some() {
            self.life.crashes.spend(self.policy.crashes, self.now)
        } else {
            self.life.failed_starts.spend(self.policy.failed_starts, self.now)
        };
        match nth {
            Some(nth) => {
                let delay = self.policy.backoff.delay(nth);
                self.life.cause = cause;
                match alive {
                    Some(run) => self.drain(run, delay, cause),
                    None => self.back_off(delay),
                }
            }
            None => {
                let outcome = if self.life.ever_ready { Outcome::Disconnected } else { Outcome::Failed };
                match alive {
                    Some(run) => self.stop(run, outcome, cause),
                    None => self.finish(outcome, cause),
                }
            }
        }
    }

    fn expire(&mut self) {
        match self.life.state {
            // What has ended for good stays what it is.
            State::Ended(Outcome::Stopped | Outcome::Failed | Outcome::Expired) => {}
            _ => self.end(Outcome::Expired, Cause::LeaseEnded),
        }
    }

    /// Ends the instance from whatever state it is in.
    fn end(&mut self, outcome: Outcome, cause: Cause) {
        self.dismiss_beside();
        match self.life.state {
            State::Stopping { run, .. } => self.become_(State::Stopping { run, then: outcome }, cause),
            State::Restarting(Restarting::Draining { run, .. }) => {
                // SIGTERM and its grace are under way already.
                self.become_(State::Stopping { run, then: outcome }, cause);
            }
            State::Pending { .. } | State::Restarting(_) | State::Ended(_) => self.finish(outcome, cause),
            State::Adopting { run }
            | State::Starting { run }
            | State::Running { run }
            | State::Unhealthy { run, .. } => self.stop(run, outcome, cause),
        }
    }

    /// A new run by command: from any state, at no cost to the budgets, which it clears.
    fn renew(&mut self, cause: Cause) {
        self.forgive();
        self.dismiss_successor();
        match self.life.state {
            State::Adopting { run }
            | State::Starting { run }
            | State::Running { run }
            | State::Unhealthy { run, .. } => self.drain(run, Duration::ZERO, cause),
            // SIGTERM and its grace are under way already.
            State::Stopping { run, .. } | State::Restarting(Restarting::Draining { run, .. }) => {
                self.become_(State::Restarting(Restarting::Draining { run, delay: Duration::ZERO }), cause);
            }
            State::Restarting(Restarting::BackingOff { next }) => {
                self.life.cause = cause;
                self.queue(next);
            }
            State::Ended(_) => {
                self.life.cause = cause;
                let next = self.life.last_run.next();
                self.life.last_run = next;
                self.queue(next);
            }
            State::Pending { .. } | State::Restarting(Restarting::Queued { .. }) => {}
        }
    }

    fn forgive(&mut self) {
        self.life.crashes = Window::default();
        self.life.failed_starts = Window::default();
    }

    fn launch(&mut self, run: Run) {
        let cause = self.life.cause;
        self.life.replace = false;
        self.life.over = Over::default();
        self.life.ready_since = None;
        self.become_(State::Starting { run }, cause);
        self.effects.push(Effect::Spawn(run));
        self.arm(Timer::Start(run), self.policy.timing.start_timeout);
    }

    fn drain(&mut self, run: Run, delay: Duration, cause: Cause) {
        self.become_(State::Restarting(Restarting::Draining { run, delay }), cause);
        self.terminate(run);
    }

    fn stop(&mut self, run: Run, then: Outcome, cause: Cause) {
        self.become_(State::Stopping { run, then }, cause);
        self.terminate(run);
    }

    fn terminate(&mut self, run: Run) {
        self.effects.push(Effect::Terminate(run));
        self.arm(Timer::Grace(run), self.policy.timing.grace);
    }

    fn back_off(&mut self, delay: Duration) {
        let cause = self.life.cause;
        let next = self.life.last_run.next();
        self.life.last_run = next;
        if delay.is_zero() {
            self.queue(next);
        } else {
            self.become_(State::Restarting(Restarting::BackingOff { next }), cause);
            self.arm(Timer::Backoff(next), delay);
        }
    }

    fn queue(&mut self, next: Run) {
        let cause = self.life.cause;
        self.become_(State::Restarting(Restarting::Queued { next }), cause);
        self.effects.push(Effect::Queue(next));
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        self.effects.push(Effect::Arm(timer, after));
    }

    fn become_(&mut self, state: State, cause: Cause) {
        self.life.state = state;
        self.life.cause = cause;
    }
}
