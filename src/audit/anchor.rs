//! The newest record as the store knows it: with it, a trail whose end was cut off is told from a whole one.
//!
//! It follows a moment behind the files, never before them: what the store knows of was on the disk.

use std::path::Path;
use std::time::Duration;

use slog::{Logger, warn};
use tokio_util::sync::CancellationToken;

use super::{Head, Trail, files};
use crate::store::{Store, StoreError};

/// Between two notes: many records make one.
const PAUSE: Duration = Duration::from_millis(250);

/// The newest record that the store knows of. Of a trail that has not begun it knows from now on.
///
/// # Errors
/// [`StoreError`].
pub async fn known(store: &Store, dir: &Path) -> Result<Option<Head>, StoreError> {
    if let Some(bytes) = store.audit_head().await? {
        return Ok(Head::from_bytes(&bytes));
    }
    let has_none = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if !files::names(dir).map_or_else(has_none, |names| names.is_empty()) {
        return Ok(None);
    }
    store.set_audit_head(&Head::GENESIS.to_bytes()).await?;
    Ok(Some(Head::GENESIS))
}

/// Has the store know of the newest record.
///
/// # Errors
/// [`StoreError`].
pub async fn keep(store: &Store, trail: &Trail) -> Result<(), StoreError> {
    let head = *trail.head().borrow();
    store.set_audit_head(&head.to_bytes()).await
}

/// Follows the trail until `stop` is cancelled. Who ends the daemon calls [`keep`] after the last record.
pub async fn follow(trail: Trail, store: Store, stop: CancellationToken, log: Logger) {
    let mut head = trail.head();
    let mut failing = false;
    while tokio::select! { () = stop.cancelled() => false, changed = head.changed() => changed.is_ok() } {
        match keep(&store, &trail).await {
            Ok(()) => failing = false,
            Err(error) => {
                // The next note says the same and more.
                head.mark_changed();
                if !std::mem::replace(&mut failing, true) {
                    warn!(log, "the newest audit record was not noted in the store"; "error" => %error);
                }
            }
        }
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(PAUSE) => {} }
    }
}
