//! How one run replaces another in order: the successor starts beside the run that serves, takes over when it
//! is ready, and its predecessor ends once its calls are answered. A successor that does not get ready is given
//! up at no cost to any budget, and the run that serves never notices.
//!
//! There is a successor only while the run of the state serves. When that run goes wrong meanwhile, the
//! successor becomes the run of the state, so a replacement never makes an outage longer.

use super::Turn;
use crate::policy::Over;
use crate::state::{Beside, Cause, Effect, Fact, Outcome, Restarting, Run, State, Timer, Usage};

impl Turn<'_> {
    /// Carries out the command.
    pub(super) fn replace(&mut self) {
        if !self.policy.overlap {
            self.renew(Cause::Commanded);
            return;
        }
        self.life.replace = true;
        // What it was started with is old by now.
        self.dismiss_successor();
        self.begin_replacement();
    }

    /// Begins a replacement that is wanted, if nothing stands in its way.
    pub(super) fn begin_replacement(&mut self) {
        let serves = matches!(self.life.state, State::Running { .. } | State::Unhealthy { .. });
        if self.life.replace && serves && self.life.beside.is_none() {
            let next = self.life.last_run.next();
            self.life.last_run = next;
            self.life.replace = false;
            self.life.beside = Some(Beside::Queued { next });
            self.effects.push(Effect::Queue(next));
        }
    }

    /// A fact about the second run.
    pub(super) fn beside(&mut self, beside: Beside, fact: Fact) {
        match (fact, beside) {
            (Fact::Granted(run), Beside::Queued { .. }) => {
                self.life.restarts += 1;
                self.life.successor_over = Over::default();
                self.life.beside = Some(Beside::Starting { run });
                self.effects.push(Effect::Spawn(run));
                self.arm(Timer::Start(run), self.policy.timing.start_timeout);
            }
            (Fact::Ready(run), Beside::Starting { .. }) => self.take_over(run),
            (Fact::Sampled(run, usage), Beside::Starting { .. }) => self.sampled_successor(run, usage),
            (Fact::Fired(Timer::Start(run)), Beside::Starting { .. }) => self.give_up(run),
            (Fact::Exited(..), Beside::Starting { .. }) => {
                self.life.cause = Cause::ReplacementFailed;
                self.gone();
            }
            (Fact::Quiet(run) | Fact::Fired(Timer::Retire(run)), Beside::Retiring { .. }) => {
                self.dismiss(run)
            }
            (Fact::Fired(Timer::Grace(run)), Beside::Leaving { .. }) => self.effects.push(Effect::Kill(run)),
            (Fact::Exited(..), Beside::Retiring { .. } | Beside::Leaving { .. }) => self.gone(),
            _ => {}
        }
    }

    fn take_over(&mut self, run: Run) {
        self.life.beside = self.life.state.live_run().map(|run| Beside::Retiring { run });
        self.life.ready_since = Some(self.now);
        self.life.over = Over::default();
        self.become_(State::Running { run }, Cause::Replaced);
        if let Some(Beside::Retiring { run }) = self.life.beside {
            self.effects.push(Effect::Retire(run));
            self.arm(Timer::Retire(run), self.policy.timing.grace);
        }
    }

    fn sampled_successor(&mut self, run: Run, usage: Usage) {
        if self.policy.over(&mut self.life.successor_over, usage).is_some() {
            self.give_up(run);
        }
    }

    fn give_up(&mut self, run: Run) {
        self.life.cause = Cause::ReplacementFailed;
        self.dismiss(run);
    }

    /// Tells the second run to end.
    fn dismiss(&mut self, run: Run) {
        self.life.beside = Some(Beside::Leaving { run });
        self.terminate(run);
    }

    fn gone(&mut self) {
        self.life.beside = None;
        self.begin_replacement();
    }

    /// Gives up a successor that is not needed any more.
    pub(super) fn dismiss_successor(&mut self) {
        match self.life.beside {
            Some(Beside::Queued { .. }) => self.life.beside = None,
            Some(Beside::Starting { run }) => self.dismiss(run),
            Some(Beside::Retiring { .. } | Beside::Leaving { .. }) | None => {}
        }
    }

    /// Ends the second run whatever it is: the instance ends.
    pub(super) fn dismiss_beside(&mut self) {
        self.life.replace = false;
        self.dismiss_successor();
        if let Some(Beside::Retiring { run }) = self.life.beside {
            self.dismiss(run);
        }
    }

    /// The run of the state went wrong: its successor, if there is one, is the run of the state from now on.
    /// `alive` is the number of the old one if it still has a process. Says whether there was a successor.
    pub(super) fn promote(&mut self, alive: Option<Run>, cause: Cause) -> bool {
        let state = match self.life.beside {
            Some(Beside::Queued { next }) => State::Restarting(Restarting::Queued { next }),
            Some(Beside::Starting { run }) => State::Starting { run },
            Some(Beside::Retiring { .. } | Beside::Leaving { .. }) | None => return false,
        };
        self.life.ready_since = None;
        self.life.over = self.life.successor_over;
        self.life.beside = None;
        self.become_(state, cause);
        if let Some(run) = alive {
            self.dismiss(run);
        }
        true
    }

    /// The run of the state is gone and none is to come. The instance has ended when the second run is gone too.
    pub(super) fn finish(&mut self, outcome: Outcome, cause: Cause) {
        self.dismiss_beside();
        let state = match self.life.beside.take().and_then(Beside::live_run) {
            Some(run) => State::Stopping { run, then: outcome },
            None => State::Ended(outcome),
        };
        self.become_(state, cause);
    }
}
