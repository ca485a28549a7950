//! `mcp_instances`: supervised servers, what their owners want of them and how they were last seen.
//!
//! Two writers share a row and never a column: the API writes what is wanted (`desired`, `expires_at`,
//! tokens), the journal writes what was seen (`status`, `generation`, the process).

use sea_orm::entity::prelude::*;

/// One instance.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mcp_instances")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose instance it is.
    pub user_id: Uuid,
    /// Its type.
    pub mcp_type: String,
    /// The credential set it runs with.
    pub credential_id: Option<Uuid>,
    /// What the owner calls it; need not be unique.
    pub name: Option<String>,
    /// The configuration as given: an object, to be merged over the type's template.
    #[sea_orm(column_type = "JsonBinary")]
    pub config: Json,
    /// Whether the server runs with its debug output on.
    pub debug: bool,
    /// The restart policy where it differs from the default.
    #[sea_orm(column_type = "JsonBinary")]
    pub restart: Option<Json>,
    /// Limits tighter than the type's.
    #[sea_orm(column_type = "JsonBinary")]
    pub limits: Option<Json>,
    /// How long without a call until it sleeps.
    pub idle_timeout_seconds: Option<i64>,
    /// `running`, `stopped` or `deleted`: what the owner wants.
    pub desired: String,
    /// How it was last seen, such as `running`.
    pub status: String,
    /// Why it is so, such as `high_memory`.
    pub cause: Option<String>,
    /// The same in words, with what is known beyond the cause.
    #[sea_orm(column_type = "Text")]
    pub status_reason: Option<String>,
    /// The number of its newest run; 0 before the first.
    pub generation: i64,
    /// The process of that run, while there is one.
    pub process_id: Option<i32>,
    /// The port of that run, while there is one.
    pub assigned_port: Option<i32>,
    /// 32 bytes: the MAC of the access token.
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    /// The MAC of the access token before it.
    pub previous_token_hash: Option<Vec<u8>>,
    /// Until when the token before it works.
    pub previous_token_until: Option<DateTimeUtc>,
    /// When its owner last asked for a new run.
    pub restart_requested_at: Option<DateTimeUtc>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When its newest run was launched.
    pub started_at: Option<DateTimeUtc>,
    /// When its lease ends.
    pub expires_at: DateTimeUtc,
    /// When it last came to an end.
    pub stopped_at: Option<DateTimeUtc>,
    /// When it was last brought back by its owner or found again by the daemon.
    pub restored_at: Option<DateTimeUtc>,
    /// When its health was last checked, within the interval in which such times are written.
    pub last_checked_at: Option<DateTimeUtc>,
    /// When it was last called, within the interval in which such times are written.
    pub last_accessed_at: Option<DateTimeUtc>,
    /// Runs after the first that nobody asked for.
    pub restarts_total: i64,
    /// How its last process ended: `{code, signal, cause, at, stderr_tail}`
    #[sea_orm(column_type = "JsonBinary")]
    pub last_exit: Option<Json>,
    /// What proves that nobody else changed the row; see `store::integrity` in the root crate.
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
