//! `settings`: single values of the whole deployment.

use sea_orm::entity::prelude::*;

/// One value under its name.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "settings")]
pub struct Model {
    /// Such as `key_check` or `deployment_id`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// In the format of whoever owns the name.
    pub value: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
