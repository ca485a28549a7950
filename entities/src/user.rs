//! `users`: who may call the API.

use sea_orm::entity::prelude::*;

/// One person or program that owns instances.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique.
    #[sea_orm(unique)]
    pub name: String,
    /// `admin`, `operator` or `user`.
    pub role: String,
    /// Instances the user may have at once; the daemon's default where it is `None`.
    pub max_instances: Option<i64>,
    /// Instances of the user that may run at once; the daemon's default where it is `None`.
    pub max_running: Option<i64>,
    /// Credential sets the user may keep; the daemon's default where it is `None`.
    pub max_credentials: Option<i64>,
    /// When the user was made.
    pub created_at: DateTimeUtc,
    /// What proves that nobody else changed the row; see `store::integrity` in the root crate.
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
