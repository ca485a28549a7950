//! Events: every change of status, as history and live.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::instance::Status;

/// One change of an instance's status. In the event stream its `id` is the id of the server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Grows with each event; send the last one seen as `Last-Event-ID` to go on from there.
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

/// One message of a stream, as `text/event-stream` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamMessage {
    /// What it is: `transition` or `line`.
    pub event: String,
    /// The id of the event, where the stream can be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// JSON: an `Event`, or `{stream, line}` for a line of a log.
    pub data: String,
}
