//! `credential_reminders`: of which expiries their owners were told, and when.

use sea_orm::entity::prelude::*;

/// One reminder. Unique for a set, its expiry and the threshold, so that none is given twice.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "credential_reminders")]
pub struct Model {
    /// Grows with the order of writing.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The credential set it is about.
    pub credential_id: Uuid,
    /// Its owner, so that a user's events need no join.
    pub user_id: Uuid,
    /// The expiry it is about: a set that is renewed has another.
    pub expires_at: DateTimeUtc,
    /// Which reminder it is: 30, 7 or 1 days before, or 0 for the expiry itself.
    pub threshold_days: i32,
    /// When it was given.
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
