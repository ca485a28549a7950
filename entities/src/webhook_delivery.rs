//! `webhook_deliveries`: events on their way to receivers, and those that arrived.

use sea_orm::entity::prelude::*;

/// One event for one receiver. Unique for a webhook and the key of the event, so that none is queued twice.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
pub struct Model {
    /// UUIDv7; the `webhook-id` of each attempt.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The receiver.
    pub webhook_id: Uuid,
    /// What happened, such as `instance.expired`.
    pub event: String,
    /// What tells this event from every other one.
    pub event_key: String,
    /// The body, byte for byte as it is signed and sent.
    #[sea_orm(column_type = "Text")]
    pub payload: String,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was sent.
    pub attempts: i32,
    /// When it is to be sent next, while it is pending.
    pub next_at: DateTimeUtc,
    /// When it was last sent.
    pub last_attempt_at: Option<DateTimeUtc>,
    /// The HTTP status of the last answer.
    pub last_status: Option<i32>,
    /// Why the last attempt failed, in words of ours.
    #[sea_orm(column_type = "Text")]
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: DateTimeUtc,
    /// When it was delivered or given up.
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
