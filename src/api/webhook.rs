//! Webhooks and what was sent to them. The text of a secret is in the answer that makes it and in no other.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use crate::webhooks::{DeliveryState, EventKind, Reach};

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where events are posted to: https, on port 443 or 8443, at a public address.
    #[schema(min_length = 1, max_length = 2048)]
    pub url: String,
    /// What you call it; the host of the URL unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// `own` for what is yours, which it is unless given; `all` for everything, for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Reach>,
    /// Which events; all of them unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventKind>>,
}

/// What is to change of a webhook. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWebhook {
    /// Where events are posted to from now on, those that wait included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048)]
    pub url: Option<String>,
    /// What you call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// Which events from now on; an empty list for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventKind>>,
    /// Whether anything is sent. What waits for a webhook that is disabled is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Makes a new secret, which the answer shows this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_secret: Option<bool>,
    /// How long the secret before goes on signing, too, at most a week; a day unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 604800)]
    pub overlap_seconds: Option<u32>,
}

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// The webhook.
    pub id: Uuid,
    /// Whose webhook it is.
    pub user_id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// Where events are posted to; only the host for others than its owner, because the rest may be a secret.
    pub url: String,
    /// Whose events it hears of.
    pub scope: Reach,
    /// Which events; empty for all of them.
    pub events: Vec<EventKind>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why the daemon disabled it.
    pub disabled_reason: Option<String>,
    /// Since when nothing could be delivered.
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before signs, too.
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// Events that were left out, because 1,000 were waiting already.
    pub dropped: u64,
    /// Why it cannot be used, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its owner last changed it.
    pub updated_at: DateTime<Utc>,
}

/// A webhook with a secret that was just made, or as it was changed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookWithSecret {
    /// What is known of it later, too.
    #[serde(flatten)]
    pub about: Webhook,
    /// The secret that events are signed with, as Standard Webhooks has it; shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for WebhookWithSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookWithSecret").field("about", &self.about).finish_non_exhaustive()
    }
}

/// One event on its way to a webhook, or arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The `webhook-id` of each attempt.
    pub id: Uuid,
    /// What happened.
    pub event: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent again, while it is pending.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it was last sent.
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last answer. The answer itself is not read.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it was delivered or given up.
    pub finished_at: Option<DateTime<Utc>>,
}
