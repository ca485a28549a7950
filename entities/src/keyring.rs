//! `keyring`: the keys of the data, each wrapped under the master key.

use sea_orm::entity::prelude::*;

/// One data key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "keyring")]
pub struct Model {
    /// 32 hexadecimal digits; what is sealed names it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `user`, `pepper`, `audit` or `rows`.
    pub purpose: String,
    /// Whose records it seals; empty for a key of the whole deployment.
    pub user_id: Option<Uuid>,
    /// The key, encrypted; the format is that of `vault::wrap` in the root crate.
    pub wrapped: Vec<u8>,
    /// The id of the master key that it is wrapped under.
    pub kek_id: String,
    /// How many records were ever sealed under it.
    pub seals: i64,
    /// Whether new records are sealed under it.
    pub active: bool,
    /// When it was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
