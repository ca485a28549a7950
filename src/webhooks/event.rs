//! What webhooks are told: from a row of a history to an event, without a look at anything else.

use chrono::{DateTime, SecondsFormat, Utc};
use minimcp_actors::state::{Cause, Status};
use minimcp_entities::{lease_reminder, mcp_instance, transition, webhook};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Reach;
use crate::store::Reminder;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:tt;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum EventKind { $($(#[doc = $doc])+ #[serde(rename = $word)] $name),* }

        impl EventKind {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the API, the store and the body of an event.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

kinds! {
    /// The lease of an instance ends soon.
    InstanceExpiring = "instance.expiring";
    /// The lease of an instance is over, and so is its process.
    InstanceExpired = "instance.expired";
    /// A process was ended for what it used, or because it stopped answering.
    InstanceKilled = "instance.killed";
    /// An instance crashed so often that it is not started again by itself.
    InstanceDisconnected = "instance.disconnected";
    /// An instance could not be started.
    InstanceFailed = "instance.failed";
    /// A credential set expires soon.
    CredentialExpiring = "credential.expiring";
    /// A credential set has expired.
    CredentialExpired = "credential.expired";
    /// A webhook was disabled, because nothing could be delivered for long.
    WebhookDisabled = "webhook.disabled";
    /// The audit trail cannot be written; for webhooks that hear of everything.
    AuditFailing = "audit.failing";
    /// A test that was asked for.
    Test = "webhook.test";
}

impl EventKind {
    /// The one with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Several as the store keeps them.
    #[must_use]
    pub fn join(kinds: &[Self]) -> String {
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",")
    }

    /// What [`Self::join`] made. A name of another version is left out.
    #[must_use]
    pub fn split(text: &str) -> Vec<Self> {
        text.split(',').filter_map(Self::from_name).collect()
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Happened {
    pub(crate) kind: EventKind,
    /// What tells it from everything else that happened.
    pub(crate) key: String,
    /// Whose it is; nobody's if it is the daemon's own.
    pub(crate) user_id: Option<Uuid>,
    pub(crate) at: DateTime<Utc>,
    /// More about it. Never a secret.
    pub(crate) data: Value,
}

impl Happened {
    /// The body of the event.
    pub(crate) fn payload(&self) -> String {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Micros, true);
        json!({"type": self.kind.as_str(), "timestamp": at, "data": self.data}).to_string()
    }

    /// Whether this webhook wants to hear of it. What happened before it was made is not for it.
    pub(crate) fn is_for(&self, webhook: &webhook::Model) -> bool {
        let kinds = EventKind::split(&webhook.events);
        let everything = webhook.scope == Reach::All.as_str();
        (everything || self.user_id == Some(webhook.user_id))
            && (kinds.is_empty() || kinds.contains(&self.kind))
            && self.at >= webhook.created_at
    }
}

/// What a change of status means to somebody who is not looking. A process that is ended for good may have been
/// killed, too.
pub(crate) fn of_transition(row: &transition::Model, instance: &mcp_instance::Model) -> Vec<Happened> {
    let status = |name: &str| Status::from_name(name);
    let cause = row.cause.as_deref().and_then(Cause::from_name);
    let had_process = matches!(
        row.from_status.as_deref().and_then(status),
        Some(Status::Starting | Status::Running | Status::Unhealthy)
    );
    let killed = matches!(cause, Some(Cause::HighMemory | Cause::HighCpu | Cause::ProbesFailed));
    // The daemon's own doing, or undone by the daemon at once.
    let taken_along = matches!(cause, Some(Cause::DaemonShutdown | Cause::Lost));
    let kind = match status(&row.to_status) {
        Some(Status::Restarting | Status::Stopping) if killed && had_process => EventKind::InstanceKilled,
        Some(Status::Expired) => EventKind::InstanceExpired,
        Some(Status::Failed) => EventKind::InstanceFailed,
        Some(Status::Disconnected) if !taken_along => EventKind::InstanceDisconnected,
        _ => return Vec::new(),
    };
    let mut data = about(instance);
    for (name, value) in [
        ("status", json!(row.to_status)),
        ("cause", json!(row.cause)),
        ("reason", json!(row.reason)),
        ("generation", json!(row.run)),
    ] {
        data[name] = value;
    }
    let key = format!("transition-{}", row.id);
    vec![Happened { kind, key, user_id: Some(row.user_id), at: row.at, data }]
}

/// A lease that ends soon.
pub(crate) fn of_lease(row: &lease_reminder::Model, instance: &mcp_instance::Model) -> Happened {
    let mut data = about(instance);
    data["expires_at"] = json!(row.expires_at);
    data["lead_seconds"] = json!(row.lead_seconds);
    Happened {
        kind: EventKind::InstanceExpiring,
        key: format!("lease-{}", row.id),
        user_id: Some(row.user_id),
        at: row.at,
        data,
    }
}

/// A credential set that expires soon, or has.
pub(crate) fn of_reminder(Reminder { given, credential }: &Reminder) -> Happened {
    let expired = given.threshold_days == 0;
    let data = json!({
        "credential_id": given.credential_id,
        "user_id": given.user_id,
        "mcp_type": credential.mcp_type,
        "name": credential.name,
        "expires_at": given.expires_at,
        "threshold_days": given.threshold_days,
        "on_expiry": credential.on_expiry,
    });
    Happened {
        kind: if expired { EventKind::CredentialExpired } else { EventKind::CredentialExpiring },
        key: format!("reminder-{}", given.id),
        user_id: Some(given.user_id),
        at: given.at,
        data,
    }
}

fn about(instance: &mcp_instance::Model) -> Value {
    json!({
        "instance_id": instance.id,
        "user_id": instance.user_id,
        "mcp_type": instance.mcp_type,
        "name": instance.name,
        "expires_at": instance.expires_at,
    })
}

#[cfg(test)]
mod tests;
