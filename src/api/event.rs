//! Events: every change of status, as history and live.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instance::Status;
use crate::expiry::OnExpiry;

/// What an event of the stream holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Told {
    /// Of an instance: `transition`.
    Transition(Event),
    /// Of a credential set: `credential.expiring` or `credential.expired`.
    Credential(CredentialEvent),
}

/// Credentials of yours expire soon, or have expired. The event is `credential.expiring` or `credential.expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialEvent {
    /// Grows with each event of this kind.
    pub reminder_id: i64,
    /// The credential set.
    pub credential_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// The type it is for.
    pub mcp_type: String,
    /// What its owner calls it.
    pub name: String,
    /// When the vendor will refuse it.
    pub expires_at: DateTime<Utc>,
    /// Which reminder it is: 30, 7 or 1 days before, or 0 once it has expired.
    pub threshold_days: i32,
    /// What happens to instances when it expires.
    pub on_expiry: OnExpiry,
    /// When.
    pub at: DateTime<Utc>,
}

/// One change of an instance's status, or of the process that serves it. In the event stream its `id` is the id of the server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Grows with each event; send the id of the last server-sent event seen as `Last-Event-ID` to go on from there.
    pub id: i64,
    /// The instance.
    pub instance_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// Grows by one with each event of the instance.
    pub seq: i64,
    /// The run it is about.
    pub generation: i64,
    /// The status before; null for the first.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// Why, such as `high_memory`.
    pub cause: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}
