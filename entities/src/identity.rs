//! `identities`: whom an OpenID Connect issuer means by a subject.

use sea_orm::entity::prelude::*;

/// One subject of one issuer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The `iss` claim; unique together with the subject.
    pub issuer: String,
    /// The `sub` claim.
    pub subject: String,
    /// The user they are here.
    pub user_id: Uuid,
    /// When they were first seen.
    pub created_at: DateTimeUtc,
    /// Proves that this program wrote the row.
    pub mac: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
