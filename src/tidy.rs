//! What is only kept for a while is forgotten: answers to requests that may be repeated, tokens that ended, old
//! history and what was sent to webhooks.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use slog::{Logger, warn};
use tokio_util::sync::CancellationToken;

use crate::store::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(3_600);
/// A client repeats a request within minutes, if at all.
const ANSWERS: TimeDelta = TimeDelta::days(1);
const HISTORY: TimeDelta = TimeDelta::days(30);
const DELIVERIES: TimeDelta = TimeDelta::days(7);

/// Forgets once an hour, from now until `stop` is cancelled.
pub(crate) async fn run(store: Store, stop: CancellationToken, log: Logger) {
    let mut hours = tokio::time::interval(EVERY);
    while tokio::select! { () = stop.cancelled() => false, _ = hours.tick() => true } {
        if let Err(error) = forget(&store).await {
            // The next hour tries again.
            warn!(log, "old answers and history were not forgotten"; "error" => %error);
        }
    }
}

async fn forget(store: &Store) -> Result<(), StoreError> {
    let now = Utc::now();
    store.forget_answers_before(now - ANSWERS).await?;
    store.forget_transitions_before(now - HISTORY).await?;
    store.forget_tokens_before(now - HISTORY).await?;
    store.forget_deliveries_before(now - DELIVERIES).await?;
    Ok(())
}
