//! The task that gives the reminders.

use std::time::Duration;

use chrono::{DateTime, Utc};
use slog::{Logger, error, info, warn};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Bell, OnExpiry, due, next_look};
use crate::instances::Instances;
use crate::problem::Problem;
use crate::store::{Expiring, NewReminder, Store, StoreError};

/// The clock of the machine may be set, so it is looked at again after this long at the latest.
const LONGEST_NAP: Duration = Duration::from_secs(600);
/// After a look that failed.
const RETRY: Duration = Duration::from_secs(10);

/// Why a look at the sets failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("instances could not be stopped: {}", .0.detail())]
    Stop(Problem),
}

/// Gives the reminders, as the only one.
#[derive(Debug)]
pub struct Reminders {
    store: Store,
    instances: Instances,
    bell: Bell,
    log: Logger,
}

impl Reminders {
    /// Reminders of the sets in this store.
    #[must_use]
    pub fn new(store: Store, instances: Instances, log: Logger) -> Self {
        let bell = instances.bell().clone();
        Self { store, instances, bell, log }
    }

    /// Gives reminders until `stop` is cancelled, once everything of the last daemon is `restored`.
    pub async fn run(self, mut restored: watch::Receiver<bool>, stop: CancellationToken) {
        let work = async {
            // An error means that nothing is restored any more, because the daemon ends.
            let Ok(_) = restored.wait_for(|restored| *restored).await else { return };
            loop {
                let nap = match self.look(Utc::now()).await {
                    Ok(next) => nap(next, Utc::now()),
                    Err(error) => {
                        error!(self.log, "expiring credentials could not be looked at"; "error" => %error);
                        RETRY
                    }
                };
                // Either is a reason to look.
                let _ = tokio::time::timeout(nap, self.bell.0.changed.notified()).await;
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = work => {} }
    }

    /// Gives what is due. Answers when to look again.
    async fn look(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, LookError> {
        let mut next = self.store.next_expiry_beyond_reminders(now).await?;
        let mut after = None;
        loop {
            let sets = self.store.expiring(now, after).await?;
            let Some(last) = sets.last() else { return Ok(next) };
            after = Some((last.expires_at, last.credential.id));
            for set in sets {
                let mut sent = set.sent.clone();
                if let Some(days) = due(now, set.expires_at, &sent) {
                    self.remind(&set, days, now).await?;
                    sent.push(days);
                }
                next = [next, next_look(now, set.expires_at, &sent)].into_iter().flatten().min();
            }
        }
    }

    async fn remind(&self, set: &Expiring, days: i32, now: DateTime<Utc>) -> Result<(), LookError> {
        let credential = &set.credential;
        if days == 0 && OnExpiry::from_name(&credential.on_expiry) == Some(OnExpiry::Stop) {
            // First, and again if the daemon dies in between: the reminder says that it was done.
            self.instances.stop_expired(credential.id).await.map_err(LookError::Stop)?;
        }
        let reminder = NewReminder {
            credential_id: credential.id,
            user_id: credential.user_id,
            expires_at: set.expires_at,
            threshold_days: days,
            at: now,
        };
        if !self.store.remember_reminder(reminder).await? {
            return Ok(());
        }
        if days == 0 {
            warn!(self.log, "credentials have expired"; "credential" => %credential.id,
                "type" => &credential.mcp_type, "on_expiry" => &credential.on_expiry);
        } else {
            info!(self.log, "credentials expire soon"; "credential" => %credential.id,
                "type" => &credential.mcp_type, "expires_at" => %set.expires_at);
        }
        self.bell.gave();
        Ok(())
    }
}

fn nap(next: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Duration {
    let until = next.map_or(LONGEST_NAP, |next| (next - now).to_std().unwrap_or_default());
    until.min(LONGEST_NAP)
}
