//! `identities`: whom an OpenID Connect issuer means by a subject.

use sea_orm::entity::prelude::*;

/// One subject of one issuer.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    /// The `iss` claim.
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    /// The `sub` claim.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The user they are here.
    pub user_id: Uuid,
    /// When they were first seen.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
