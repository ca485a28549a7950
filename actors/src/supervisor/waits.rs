//! Runs that wait for something before they are worth a start.

use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use uuid::Uuid;

use super::Supervisor;
use crate::launch::{Planner, Wait};
use crate::state::Run;

impl Supervisor {
    /// Has a run ask for its start, after what its planner says has to come first.
    pub(super) fn queue(&mut self, id: Uuid, run: Run, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let planner = Arc::clone(&entry.spec.planner);
        let Some(Wait { words, over }) = planner.wait() else {
            self.starts.ask(id, run);
            return;
        };
        entry.waits = Some((run, words));
        let state = entry.life.state();
        // What goes on beside a run that serves is no news of that run.
        if state.queued_run() == Some(run) {
            self.publish(id, Some(state), true);
        }
        ctx.spawn(over.into_actor(self).map(move |(), actor, ctx| actor.waited(id, run, &planner, ctx)));
    }

    /// What the run waited for is over. If it is to be made by another recipe meanwhile, that one is asked too.
    fn waited(&mut self, id: Uuid, run: Run, planner: &Arc<dyn Planner>, ctx: &mut Context<Self>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let waits = entry.waits.as_ref().is_some_and(|(waiting, _)| *waiting == run);
        if waits {
            entry.waits = None;
        }
        if waits && !Arc::ptr_eq(&entry.spec.planner, planner) {
            self.queue(id, run, ctx);
        } else {
            // One that nobody wants any more is not granted.
            self.starts.ask(id, run);
            self.show(id);
        }
        self.settle(ctx);
    }
}
