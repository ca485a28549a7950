//! While no record can be written, somebody has to try: otherwise a daemon that nobody dares to ask, because it says
//! that it is not ready, would never notice that the disk has space again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Entry, Trail};
use crate::api::audit::AuditResult;

const PAUSE: Duration = Duration::from_secs(1);

/// Tries to write while the trail fails, until `stop` is cancelled. The record that ends it says so.
pub async fn run(trail: Trail, stop: CancellationToken) {
    while tokio::select! { () = stop.cancelled() => false, () = tokio::time::sleep(PAUSE) => true } {
        if trail.standing().failing {
            // That it still fails is told by the trail itself.
            let _ = trail.record(Entry::by_daemon("audit.resumed", AuditResult::Done)).await;
        }
    }
}
