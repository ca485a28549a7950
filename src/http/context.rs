//! What every handler works with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use minimcp_actors::Supervision;
use minimcp_actors::launch::cgroup;
use minimcp_actors::launch::isolation::Report;
use slog::Logger;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::metrics::Metrics;
use super::rates::Rates;
use super::throttle::Throttle;
use crate::audit::Trail;
use crate::config::Settings;
use crate::gateway::Gateway;
use crate::instances::Instances;
use crate::journal::JournalState;
use crate::oidc::Oidc;
use crate::problem::{Code, Problem};
use crate::store::Store;
use crate::traces::Traces;
use crate::vault::{KeyRotation, Vault};
use crate::webhooks::Webhooks;

/// Between two notes of when tokens were last used.
const NOTE_USE: Duration = Duration::from_secs(30);

/// What the HTTP side is made from.
#[derive(Debug)]
pub struct Parts {
    /// What the daemon was told.
    pub settings: Arc<Settings>,
    /// The store.
    pub store: Store,
    /// Who opens what is sealed.
    pub vault: Vault,
    /// Who replaces keys.
    pub rotation: KeyRotation,
    /// The actor system.
    pub supervision: Supervision,
    /// What is done with instances.
    pub instances: Instances,
    /// The way in to the servers.
    pub gateway: Arc<Gateway>,
    /// What keeps servers apart.
    pub isolation: Report,
    /// Who keeps their limits.
    pub cgroups: cgroup::Report,
    /// Who did what.
    pub trail: Trail,
    /// Who is told of events.
    pub webhooks: Webhooks,
    /// What is told of the time that things take.
    pub traces: Traces,
    /// How the journal fares.
    pub journal: Arc<JournalState>,
    /// Whether every instance of earlier daemons is under supervision again.
    pub restored: watch::Receiver<bool>,
    /// Cancelled when the daemon ends.
    pub stop: CancellationToken,
    /// Where to log.
    pub log: Logger,
}

/// What every handler works with.
#[derive(Debug)]
pub struct Context {
    pub(super) parts: Parts,
    pub(super) started_at: DateTime<Utc>,
    pub(super) metrics: Metrics,
    pub(super) throttle: Throttle,
    /// Login by an issuer, where one is configured.
    pub(super) oidc: Option<Oidc>,
    /// Requests of each API token.
    pub(super) requests: Rates,
    /// Things that each user makes.
    pub(super) creations: Rates,
    /// Tells that somebody may have lost their token, their role or their account.
    pub(super) standing: watch::Sender<()>,
    /// Tokens that were used since the last note, and when.
    used: Mutex<HashMap<Uuid, DateTime<Utc>>>,
}

impl Context {
    /// A context that began now.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let metrics = Metrics::new(&parts.gateway, &parts.traces);
        let http = parts.settings.http;
        let oidc = parts.settings.oidc.clone().map(Oidc::new);
        Arc::new(Self {
            parts,
            started_at: Utc::now(),
            metrics,
            throttle: Throttle::new(http.max_failures),
            oidc,
            requests: Rates::new(http.max_rate, Duration::from_secs(1), http.max_rate.saturating_mul(2)),
            creations: Rates::new(http.max_creations, Duration::from_secs(60), http.max_creations),
            standing: watch::Sender::default(),
            used: Mutex::default(),
        })
    }

    /// Whether every instance of earlier daemons is under supervision again.
    #[must_use]
    pub fn restored(&self) -> watch::Receiver<bool> {
        self.parts.restored.clone()
    }

    /// For how long the daemon has been up.
    pub(super) fn uptime_seconds(&self) -> u64 {
        (Utc::now() - self.started_at).num_seconds().try_into().unwrap_or(0)
    }

    /// Notes a request from this address without a token that holds.
    ///
    /// # Errors
    /// `too_many_requests` after many of them.
    pub(super) fn failed(&self, from: IpAddr) -> Result<(), Problem> {
        self.throttle.fail(from, tokio::time::Instant::now()).map_err(|wait| {
            let detail = "too many requests without a valid token came from your address";
            Problem::new(Code::TooManyRequests, detail).retry_after(wait.as_secs() + 1)
        })
    }

    /// Has open streams look again whether their callers may still have them.
    pub(super) fn standing_changed(&self) {
        self.standing.send_replace(());
    }

    /// Notes that a token was used.
    pub(super) fn used(&self, token: Uuid, now: DateTime<Utc>) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(token, now);
    }

    /// Writes down from time to time when tokens were used, and once more when the daemon ends.
    pub(super) async fn note_use(self: Arc<Self>) {
        loop {
            let stopped = tokio::time::timeout(NOTE_USE, self.parts.stop.cancelled()).await.is_ok();
            let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
            let used: Vec<_> = used.into_iter().collect();
            if !used.is_empty()
                && let Err(error) = self.parts.store.touch_tokens(&used).await
            {
                // The next use says the same again.
                slog::warn!(self.parts.log, "times of last use were not noted"; "error" => %error);
            }
            if stopped {
                return;
            }
        }
    }
}
