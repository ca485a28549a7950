//! The span within which a task works, for what does not know it: log lines, and orders that lead to a start.

use std::sync::Arc;

use futures::future::Either;
use opentelemetry::trace::SpanContext;
use slog::{Drain, Level, Logger, Never, OwnedKVList, Record, o};
use uuid::Uuid;

use super::Tracing;

tokio::task_local! {
    static CURRENT: Current;
}

/// The span of the request that a task works for.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    tracing: Arc<Tracing>,
    context: SpanContext,
}

impl Current {
    pub(super) fn new(tracing: Arc<Tracing>, context: SpanContext) -> Self {
        Self { tracing, context }
    }

    /// Does this within the span.
    pub(crate) async fn around<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }
}

/// Takes the present span along into another task.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    match CURRENT.try_with(Clone::clone) {
        Ok(current) => Either::Left(CURRENT.scope(current, work)),
        Err(_) => Either::Right(work),
    }
}

/// The present request, if it is sampled, leads to the next start of this instance.
pub(crate) fn leads_to_start_of(instance: Uuid) {
    // An error says that nothing is traced here.
    let _ = CURRENT.try_with(|current| current.tracing.causes.note(instance, current.context.clone()));
}

/// A log that says of lines of a sampled request which trace they belong to.
pub(super) struct Named(pub(super) Logger);

impl Drain for Named {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        match CURRENT.try_with(|current| current.context.trace_id()) {
            Ok(trace) => {
                let log = self.0.new(o!("trace_id" => trace.to_string()));
                Drain::log(&log, record, values)
            }
            Err(_) => Drain::log(&self.0, record, values),
        }
    }

    fn is_enabled(&self, level: Level) -> bool {
        self.0.is_enabled(level)
    }
}
