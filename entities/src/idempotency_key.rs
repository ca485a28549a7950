//! `idempotency_keys`: first answers, kept so that a repeated request gets the same one.

use sea_orm::entity::prelude::*;

/// One remembered answer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    /// Whose request it was.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// The `Idempotency-Key` header.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// 32 bytes: the hash of the request, to refuse the same key with another body.
    pub request_hash: Vec<u8>,
    /// The HTTP status of the answer.
    pub status: i32,
    /// The body of the answer, encrypted, because it may hold a token.
    pub sealed_response: Vec<u8>,
    /// The id of the data key that it is encrypted under.
    pub key_id: String,
    /// When the request came.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
