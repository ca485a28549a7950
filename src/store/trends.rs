//! What instances used over time: rows of many points, so that an instance takes some dozens of them whatever it does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use minimcp_entities::{mcp_instance, trend};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::trends::series::{Point, Step, begin, decode, downsample, encode};

impl Store {
    /// Adds minutes of instances, and brings the quarters of an hour that they are in up to date, in one transaction. A
    /// minute that is there already becomes one with the new. Those of instances that are gone are left out.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn add_trend_minutes(&self, minutes: &[(Uuid, Point)]) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let ids: BTreeSet<Uuid> = minutes.iter().map(|(id, _)| *id).collect();
        let there: BTreeSet<Uuid> = mcp_instance::Entity::find()
            .select_only()
            .column(mcp_instance::Column::Id)
            .filter(mcp_instance::COLUMN.id.is_in(ids))
            .order_by_asc(mcp_instance::Column::Id)
            .lock_exclusive()
            .into_tuple::<Uuid>()
            .all(&transaction)
            .await?
            .into_iter()
            .collect();
        for (id, minute) in minutes.iter().filter(|(id, _)| there.contains(id)) {
            let hour = add(&transaction, *id, Step::Minute, &[*minute], false).await?;
            let quarter = begin(minute.at, Step::Quarter.seconds());
            let within: Vec<Point> = hour
                .into_iter()
                .filter(|point| begin(point.at, Step::Quarter.seconds()) == quarter)
                .collect();
            add(&transaction, *id, Step::Quarter, &downsample(&within, Step::Quarter.seconds()), true)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The points of an instance that begin at `since` or later, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a row cannot be read.
    pub async fn trend(
        &self,
        instance_id: Uuid,
        step: Step,
        since: DateTime<Utc>,
    ) -> Result<Vec<Point>, StoreError> {
        let since = since.timestamp();
        let rows = of(instance_id, step)
            .filter(trend::Column::BeginsAt.gte(begin(since, step.row_seconds())))
            .order_by_asc(trend::Column::BeginsAt)
            .all(&self.reader)
            .await?;
        let mut points = Vec::new();
        for row in rows {
            points.extend(read(&row)?.into_iter().filter(|point| point.at >= since));
        }
        Ok(points)
    }

    /// How many rows an instance takes.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn trend_rows(&self, instance_id: Uuid) -> Result<u64, StoreError> {
        let query = trend::Entity::find().filter(trend::COLUMN.instance_id.eq(instance_id));
        Ok(sea_orm::PaginatorTrait::count(query, &self.reader).await?)
    }

    /// Forgets the rows of which every point is too old.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_trends(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        for step in Step::ALL {
            let last = begin(now.timestamp() - step.kept_seconds(), step.row_seconds());
            trend::Entity::delete_many()
                .filter(trend::Column::StepSeconds.eq(seconds(step)))
                .filter(trend::Column::BeginsAt.lt(last))
                .exec(&self.writer)
                .await?;
        }
        Ok(())
    }
}

fn of(instance_id: Uuid, step: Step) -> sea_orm::Select<trend::Entity> {
    trend::Entity::find()
        .filter(trend::COLUMN.instance_id.eq(instance_id))
        .filter(trend::Column::StepSeconds.eq(seconds(step)))
}

fn seconds(step: Step) -> i32 {
    i32::try_from(step.seconds()).unwrap_or(i32::MAX)
}

fn read(row: &trend::Model) -> Result<Vec<Point>, StoreError> {
    decode(&row.points).ok_or(StoreError::Corrupt { table: "trends", column: "points" })
}

/// Adds points of one row to it, in the place of those that are there or as one with them. Answers all of the row.
async fn add(
    transaction: &DatabaseTransaction,
    instance_id: Uuid,
    step: Step,
    points: &[Point],
    replace: bool,
) -> Result<Vec<Point>, StoreError> {
    let Some(first) = points.first() else { return Ok(Vec::new()) };
    let begins_at = begin(first.at, step.row_seconds());
    let present =
        of(instance_id, step).filter(trend::Column::BeginsAt.eq(begins_at)).one(transaction).await?;
    // A row that cannot be read is begun anew.
    let mut all = present.and_then(|row| read(&row).ok()).unwrap_or_default();
    if replace {
        all.retain(|old| !points.iter().any(|new| new.at == old.at));
    }
    all.extend_from_slice(points);
    let all = downsample(&all, step.seconds());
    let row = trend::Model { instance_id, step_seconds: seconds(step), begins_at, points: encode(&all) };
    put(transaction, row).await?;
    Ok(all)
}

async fn put(connection: &impl ConnectionTrait, row: trend::Model) -> Result<(), StoreError> {
    use trend::Column as Of;
    let mut replace = OnConflict::columns([Of::InstanceId, Of::StepSeconds, Of::BeginsAt]);
    replace.update_column(Of::Points);
    trend::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
