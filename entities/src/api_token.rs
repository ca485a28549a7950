//! `api_tokens`: what a caller shows to the API. The token itself is never kept.

use sea_orm::entity::prelude::*;

/// One token of one user.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose token it is.
    pub user_id: Uuid,
    /// What the owner calls it.
    pub name: String,
    /// 32 bytes: the token's MAC under the pepper.
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    /// The last four characters of the token, to tell one from another in a list.
    pub hint: String,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// From when on it is refused.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was last shown, within the interval in which such times are written.
    pub last_used_at: Option<DateTimeUtc>,
    /// When its owner or an administrator took it back.
    pub revoked_at: Option<DateTimeUtc>,
    /// What proves that nobody else changed the row; see `store::integrity` in the root crate.
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
