//! Starts of instances, from launch to readiness, as the stream of transitions tells of them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minimcp_actors::snapshot::Transitioned;
use minimcp_actors::state::{Cause, Run, Status};
use opentelemetry::trace::SpanContext;
use uuid::Uuid;

/// A start that is over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    pub(super) instance: Uuid,
    pub(super) mcp_type: Arc<str>,
    pub(super) run: Run,
    /// Why there was one.
    pub(super) cause: Cause,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// What kept it from being ready.
    pub(super) failed: Option<Cause>,
    /// The request that asked for it.
    pub(super) parent: Option<SpanContext>,
}

/// Starts that are under way.
#[derive(Debug, Default)]
pub(super) struct Starts(HashMap<Uuid, (DateTime<Utc>, Cause, Option<SpanContext>)>);

impl Starts {
    /// Hears of a transition, and tells of the start that is over with it. `asked` is the request that asked for a
    /// start of an instance.
    pub(super) fn hear(
        &mut self,
        moved: &Transitioned,
        asked: impl FnOnce(Uuid) -> Option<SpanContext>,
    ) -> Option<Start> {
        let now = &moved.snapshot;
        let ended = |from, cause, parent, failed| Start {
            instance: now.id,
            mcp_type: Arc::clone(&now.kind),
            run: now.run,
            cause,
            from,
            to: now.since,
            failed,
            parent,
        };
        match now.status {
            // A process that an earlier daemon had started.
            Status::Starting if now.cause == Cause::Adopted => None,
            Status::Starting => {
                let parent = asked(now.id).filter(|_| matches!(now.cause, Cause::Commanded | Cause::Woken));
                self.0.insert(now.id, (now.since, now.cause, parent));
                None
            }
            // A second run was started beside the first, whose status this was all the time.
            Status::Running if now.cause == Cause::Replaced => {
                Some(ended(now.started_at?, now.cause, None, None))
            }
            status => {
                let (from, cause, parent) = self.0.remove(&now.id)?;
                let failed = (status != Status::Running).then_some(now.cause);
                Some(ended(from, cause, parent, failed))
            }
        }
    }

    /// Forgets what is under way: transitions were passed over.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
