//! `webhooks`: who is told of events over HTTP.

use sea_orm::entity::prelude::*;

/// One receiver of events.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose webhook it is.
    pub user_id: Uuid,
    /// What the owner calls it.
    pub name: String,
    /// Where events are posted to.
    #[sea_orm(column_type = "Text")]
    pub url: String,
    /// `own` for events of its owner, `all` for those of everybody and of the daemon.
    pub scope: String,
    /// Names of the events that are wanted, separated by commas; empty for all.
    #[sea_orm(column_type = "Text")]
    pub events: String,
    /// Whether anything is sent.
    pub enabled: bool,
    /// The signing secrets, encrypted; the format is that of `vault::seal` in the root crate.
    pub sealed: Vec<u8>,
    /// The id of the data key that `sealed` needs.
    pub key_id: String,
    /// 1 for the first secret, one more for each change; part of what the seal covers.
    pub version: i64,
    /// Until when the secret before signs, too.
    pub previous_until: Option<DateTimeUtc>,
    /// Since when nothing could be delivered.
    pub failing_since: Option<DateTimeUtc>,
    /// Why the daemon disabled it.
    #[sea_orm(column_type = "Text")]
    pub disabled_reason: Option<String>,
    /// Events that were left out because too many were waiting.
    pub dropped: i64,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When its owner last changed it.
    pub updated_at: DateTimeUtc,
    /// What proves that nobody else changed the row; see `store::integrity` in the root crate.
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
