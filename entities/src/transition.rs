//! `transitions`: the history of every instance.

use sea_orm::entity::prelude::*;

/// One change of status.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transitions")]
pub struct Model {
    /// Grows with the order of writing.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The instance it is about.
    pub instance_id: Uuid,
    /// The owner of that instance, so that a user's history needs no join.
    pub user_id: Uuid,
    /// The number the supervisor gave it; unique for an instance, and growing.
    pub seq: i64,
    /// The run it is about.
    pub run: i64,
    /// The status before; `None` for the first.
    pub from_status: Option<String>,
    /// The status after.
    pub to_status: String,
    /// Why, such as `high_memory`.
    pub cause: Option<String>,
    /// The same in words.
    #[sea_orm(column_type = "Text")]
    pub reason: String,
    /// When it happened.
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
