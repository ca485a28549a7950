//! Which request led to which start: the supervisor knows nothing of traces, so it is noted beside it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::SpanContext;
use tokio::time::Instant;
use uuid::Uuid;

/// Starts that may be waited for; of more the requests are not known.
const MOST: usize = 1_024;
/// An order that led to no start by then was refused or came to nothing.
const STALE: Duration = Duration::from_secs(120);

/// The last sampled request that asked for a start of an instance.
#[derive(Debug, Default)]
pub(super) struct Causes(Mutex<HashMap<Uuid, (SpanContext, Instant)>>);

impl Causes {
    pub(super) fn note(&self, instance: Uuid, context: SpanContext) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= MOST {
            noted.retain(|_, (_, since)| since.elapsed() < STALE);
        }
        if noted.len() < MOST {
            noted.insert(instance, (context, Instant::now()));
        }
    }

    pub(super) fn take(&self, instance: Uuid) -> Option<SpanContext> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (context, since) = noted.remove(&instance)?;
        (since.elapsed() < STALE).then_some(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_is_known_once_for_a_while_and_never_too_many() {
        let causes = Causes::default();
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        causes.note(one, SpanContext::NONE);
        assert!(causes.take(one).is_some() && causes.take(one).is_none());
        causes.note(other, SpanContext::NONE);
        tokio::time::advance(STALE).await;
        assert!(causes.take(other).is_none(), "it came to nothing");
        (0..2 * MOST).for_each(|_| causes.note(Uuid::now_v7(), SpanContext::NONE));
        assert_eq!(causes.0.lock().unwrap().len(), MOST);
    }
}
