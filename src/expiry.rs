//! Credentials that expire: their owners are reminded 30, 7 and 1 days before and at the time, each once, and
//! what is to happen then happens.
//!
//! [`due`] and [`next_look`] decide and are pure. One task owns the reminders: it sleeps until the next is due,
//! or until a set is made or changed.

mod reminders;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

pub use reminders::Reminders;

/// What happens to instances when their credentials expire. The owner is reminded in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum OnExpiry {
    /// Nothing.
    #[default]
    Warn,
    /// No run is begun by request: creations, restarts and restores are refused.
    BlockNew,
    /// The same, and what runs is stopped.
    Stop,
}

impl OnExpiry {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Warn, Self::BlockNew, Self::Stop];

    /// The name in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::BlockNew => "block_new",
            Self::Stop => "stop",
        }
    }

    /// The one with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// When a set expires and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiry {
    /// When the vendor will refuse it; `None` for never.
    pub at: Option<DateTime<Utc>>,
    /// What happens then.
    pub then: OnExpiry,
}

/// Days before the expiry at which the owner is reminded; 0 is the expiry itself. Longest first.
pub const THRESHOLDS: [i32; 4] = [30, 7, 1, 0];

/// The reminder that is due at `now` for what expires at `expires_at`, when those in `sent` were given. Only the
/// nearest: a set made with five days left gets the one of seven days at once, and not the one of thirty. Once one
/// was given, earlier ones never are, whatever the clock does.
#[must_use]
pub fn due(now: DateTime<Utc>, expires_at: DateTime<Utc>, sent: &[i32]) -> Option<i32> {
    let reached = THRESHOLDS.into_iter().rfind(|days| now >= moment(expires_at, *days))?;
    sent.iter().all(|given| reached < *given).then_some(reached)
}

/// When the next reminder falls due after `now`; `None` if there is none to come.
#[must_use]
pub fn next_look(now: DateTime<Utc>, expires_at: DateTime<Utc>, sent: &[i32]) -> Option<DateTime<Utc>> {
    THRESHOLDS
        .into_iter()
        .filter(|days| sent.iter().all(|given| days < given))
        .map(|days| moment(expires_at, days))
        .find(|moment| *moment > now)
}

fn moment(expires_at: DateTime<Utc>, days: i32) -> DateTime<Utc> {
    let before = TimeDelta::days(days.into());
    expires_at.checked_sub_signed(before).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// How others reach the task that owns the reminders, and hear of it.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Rings>);

#[derive(Debug, Default)]
struct Rings {
    changed: Notify,
    given: watch::Sender<u64>,
}

impl Bell {
    /// A set was made or changed: the next reminder may be another.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_one();
    }

    /// Tells whenever a reminder was given.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.0.given.subscribe()
    }

    fn gave(&self) {
        self.0.given.send_modify(|given| *given += 1);
    }
}

#[cfg(test)]
mod tests;
