//! Webhooks: what happens is told over HTTP to whoever asked for it, signed, at least once, and never at the cost of
//! anything else.
//!
//! ```text
//! transitions ─┐
//! reminders   ─┼─▶ collect ──▶ webhook_deliveries ──▶ dispatch ──▶ receiver
//! leases      ─┘   (place)         (the queue)        (bounded)
//! ```
//! The histories in the store are the source: [`collect`] turns what was added to them into deliveries and notes in the
//! same transaction how far it read, so what happened just before a crash is told after it. The queue is a table, bounded
//! per webhook. [`dispatch`] sends one event at a time to each receiver and to many receivers at once. Nothing in here is
//! waited for by anybody else. [`event`], [`schedule`], [`signature`], [`target`]
//! and [`trust`] decide and are pure.

mod collect;
mod dispatch;
mod event;
mod leases;
mod resolver;
mod schedule;
mod signature;
mod target;
mod trust;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use minimcp_entities::{webhook, webhook_delivery};
use serde::{Deserialize, Serialize};
use slog::Logger;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

pub use event::EventKind;
pub use resolver::{Lookup, SystemLookup};
pub use target::{Allowed, Refused};

pub(crate) use signature::Secrets;

use crate::audit::Trail;
use crate::config::WebhookSettings;
use crate::expiry::Bell;
use crate::instances::Instances;
use crate::journal::JournalState;
use crate::store::{NewDelivery, Store, StoreError};
use crate::vault::{Scope, Vault};
use event::Happened;
use resolver::Guard;

/// Whose events a webhook hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Its owner's.
    #[default]
    Own,
    /// Everybody's, and the daemon's own.
    All,
}

impl Reach {
    /// The name in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::All => "all",
        }
    }

    /// The one with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::All].into_iter().find(|one| one.as_str() == name)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its first attempt or for another.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// The name in the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The one with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed].into_iter().find(|one| one.as_str() == name)
    }
}

/// How long a test is waited for beyond the time-out of an attempt.
const TEST_SLACK: Duration = Duration::from_secs(2);

/// Everything that is done with webhooks. Clones are the same.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    store: Store,
    vault: Vault,
    settings: WebhookSettings,
    client: reqwest::Client,
    /// Rung when something was queued.
    queued: Notify,
    /// Rung when a history that no one else tells of has grown.
    news: Notify,
    /// Attempts that ended.
    attempts: watch::Sender<u64>,
    log: Logger,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Where events come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Tells of transitions that were written.
    pub journal: Arc<JournalState>,
    /// Tells of reminders of credentials.
    pub instances: Instances,
    /// Tells whether the audit trail can be written.
    pub trail: Trail,
}

impl Sources {
    fn bell(&self) -> &Bell {
        self.instances.bell()
    }
}

impl Webhooks {
    /// The service over these parts, with this way from names to addresses.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        store: Store,
        vault: Vault,
        settings: WebhookSettings,
        lookup: Arc<dyn Lookup>,
        log: Logger,
    ) -> reqwest::Result<Self> {
        // Fails only if there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard { lookup, allowed: Arc::new(settings.allow.clone()) };
        let authorities = settings.authorities.iter().map(|one| reqwest::Certificate::from_der(one));
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .tls_certs_merge(authorities.collect::<reqwest::Result<Vec<_>>>()?)
            .redirect(reqwest::redirect::Policy::none())
            // Through a proxy another machine would resolve the name.
            .no_proxy()
            // A connection that is kept open would go past the resolver.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(guard))
            .user_agent(concat!("minimcp/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let (queued, news, attempts) = (Notify::new(), Notify::new(), watch::Sender::default());
        Ok(Self(Arc::new(Inner { store, vault, settings, client, queued, news, attempts, log })))
    }

    /// Reads the histories, reminds of leases and sends, until `stop` is cancelled. What is under way then is sent again
    /// by the next daemon.
    pub async fn run(self, sources: Sources, stop: CancellationToken) {
        let work = async {
            tokio::join!(self.collect(&sources), self.dispatch(), self.remind(), self.watch_trail(&sources));
        };
        tokio::select! { () = stop.cancelled() => {}, () = work => {} }
    }

    /// Whether anything may be sent to this URL, as far as the URL tells.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn check(&self, url: &str) -> Result<(), Refused> {
        self.0.settings.allow.check(url).map(drop)
    }

    /// The secrets of a webhook.
    pub(crate) fn secrets(&self, webhook: &webhook::Model) -> Result<Secrets, Unsigned> {
        let scope = Scope::webhook(webhook.user_id, &webhook.id, webhook.version);
        Ok(Secrets::parse(&self.0.vault.open(&scope, &webhook.sealed)?)?)
    }

    /// Sends a test event and answers how its one attempt ended; as it stands, if that takes too long.
    pub(crate) async fn test(
        &self,
        webhook: &webhook::Model,
        now: DateTime<Utc>,
    ) -> Result<webhook_delivery::Model, StoreError> {
        let inner = &*self.0;
        let mut attempts = inner.attempts.subscribe();
        let happened = Happened {
            kind: EventKind::Test,
            key: format!("test-{}", Uuid::now_v7()),
            user_id: Some(webhook.user_id),
            at: now,
            data: serde_json::json!({"webhook_id": webhook.id, "name": webhook.name}),
        };
        inner.store.queue_deliveries(vec![new_delivery(webhook, &happened, now)], None).await?;
        inner.queued.notify_one();
        let attempted = async {
            loop {
                let delivery = inner.store.delivery(webhook.id, &happened.key).await?;
                if delivery.attempts > 0 || attempts.changed().await.is_err() {
                    return Ok(delivery);
                }
            }
        };
        match tokio::time::timeout(inner.settings.timeout + TEST_SLACK, attempted).await {
            Ok(delivery) => delivery,
            Err(_) => inner.store.delivery(webhook.id, &happened.key).await,
        }
    }
}

/// Why nothing can be signed for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsigned {
    #[error(transparent)]
    Sealed(#[from] crate::vault::SealError),
    #[error(transparent)]
    Unreadable(#[from] signature::NoSecrets),
}

fn new_delivery(webhook: &webhook::Model, happened: &Happened, now: DateTime<Utc>) -> NewDelivery {
    NewDelivery {
        webhook_id: webhook.id,
        event: happened.kind,
        key: happened.key.clone(),
        payload: happened.payload(),
        at: now,
    }
}
