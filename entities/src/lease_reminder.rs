//! `lease_reminders`: of which ends of leases their owners were told, and when.

use sea_orm::entity::prelude::*;

/// One reminder. Unique for an instance, the end of its lease and the lead, so that none is given twice.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lease_reminders")]
pub struct Model {
    /// Grows with the order of writing.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The instance it is about.
    pub instance_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// The end of the lease: one that was extended has another.
    pub expires_at: DateTimeUtc,
    /// How long before the end it is given, in seconds.
    pub lead_seconds: i64,
    /// When it was given.
    pub at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
