//! `trends`: what instances used over time.

use sea_orm::entity::prelude::*;

/// Some points of one instance at one resolution: an hour of minutes, or a day of quarters of an hour.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "trends")]
pub struct Model {
    /// The instance.
    #[sea_orm(primary_key, auto_increment = false)]
    pub instance_id: Uuid,
    /// Seconds between two points.
    #[sea_orm(primary_key, auto_increment = false)]
    pub step_seconds: i32,
    /// Where the row begins, in seconds since 1970.
    #[sea_orm(primary_key, auto_increment = false)]
    pub begins_at: i64,
    /// The points, in the format of `trends::series` in the root crate.
    pub points: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
