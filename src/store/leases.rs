//! Leases that end soon, and the reminders of it.

use chrono::{DateTime, TimeDelta, Utc};
use minimcp_actors::state::Status;
use minimcp_entities::{lease_reminder, mcp_instance};
use sea_orm::{ActiveValue, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::{Desired, Store, StoreError, micros};

/// A lease that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningLease {
    /// The instance.
    pub instance_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// When the instance was made.
    pub created_at: DateTime<Utc>,
    /// When the lease ends.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// The leases that end within `horizon` from now, the next first, of instances that their owners want and that have
    /// not come to their end.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn leases_ending(
        &self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
    ) -> Result<Vec<RunningLease>, StoreError> {
        use mcp_instance::Column as Of;
        let over = [Status::Stopped, Status::Expired, Status::Failed].map(Status::as_str);
        let rows: Vec<(Uuid, Uuid, DateTime<Utc>, DateTime<Utc>)> = mcp_instance::Entity::find()
            .select_only()
            .columns([Of::Id, Of::UserId, Of::CreatedAt, Of::ExpiresAt])
            .filter(Of::Desired.eq(Desired::Running.as_str()))
            .filter(Of::Status.is_not_in(over))
            .filter(Of::ExpiresAt.gt(micros(now)))
            .filter(Of::ExpiresAt.lte(micros(now + horizon)))
            .order_by_asc(Of::ExpiresAt)
            .into_tuple()
            .all(&self.reader)
            .await?;
        let lease = |(instance_id, user_id, created_at, expires_at)| RunningLease {
            instance_id,
            user_id,
            created_at,
            expires_at,
        };
        Ok(rows.into_iter().map(lease).collect())
    }

    /// Remembers that the owner of the instance is told of the end of its lease this long before, and says whether they
    /// were not yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] if the instance is gone.
    pub async fn remember_lease_reminder(
        &self,
        lease: RunningLease,
        lead: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        use lease_reminder::Column as Given;
        let row = lease_reminder::ActiveModel {
            id: ActiveValue::NotSet,
            instance_id: Set(lease.instance_id),
            user_id: Set(lease.user_id),
            expires_at: Set(micros(lease.expires_at)),
            lead_seconds: Set(lead.num_seconds()),
            at: Set(micros(now)),
        };
        let inserted = lease_reminder::Entity::insert(row)
            .on_conflict_do_nothing_on([Given::InstanceId, Given::ExpiresAt, Given::LeadSeconds])
            .exec_without_returning(&self.writer)
            .await?;
        Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
    }

    /// Leads, in seconds, of the reminders of these leases that were given: instance, end of the lease, lead.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn lease_reminders_of(
        &self,
        leases: &[RunningLease],
    ) -> Result<Vec<(Uuid, DateTime<Utc>, i64)>, StoreError> {
        use lease_reminder::Column as Given;
        let mut given = Vec::new();
        // Both databases take only so many values in one statement.
        for some in leases.chunks(500) {
            let query = lease_reminder::Entity::find()
                .select_only()
                .columns([Given::InstanceId, Given::ExpiresAt, Given::LeadSeconds])
                .filter(lease_reminder::COLUMN.instance_id.is_in(some.iter().map(|lease| lease.instance_id)));
            given.extend(query.into_tuple::<(Uuid, DateTime<Utc>, i64)>().all(&self.reader).await?);
        }
        Ok(given)
    }

    /// Reminders given after the one with this id, oldest first and at most `limit` of them.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn lease_reminders_after(
        &self,
        id: i64,
        limit: u64,
    ) -> Result<Vec<lease_reminder::Model>, StoreError> {
        let query = lease_reminder::Entity::find()
            .filter(lease_reminder::Column::Id.gt(id))
            .order_by_asc(lease_reminder::Column::Id)
            .limit(limit);
        Ok(query.all(&self.reader).await?)
    }

    /// The id of the newest reminder of a lease, 0 if there is none.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn newest_lease_reminder(&self) -> Result<i64, StoreError> {
        let query = lease_reminder::Entity::find().order_by_desc(lease_reminder::Column::Id);
        Ok(query.one(&self.reader).await?.map_or(0, |row| row.id))
    }

    /// Instances that have ended and whose lease is over, so that they cannot come back: the next 200 by id, behind
    /// `after`.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn instances_over(
        &self,
        now: DateTime<Utc>,
        after: Option<Uuid>,
    ) -> Result<Vec<mcp_instance::Model>, StoreError> {
        let over = [Status::Stopped, Status::Expired, Status::Failed].map(Status::as_str);
        let mut query = mcp_instance::Entity::find()
            .filter(mcp_instance::Column::Status.is_in(over))
            .filter(mcp_instance::Column::ExpiresAt.lte(micros(now)))
            .order_by_asc(mcp_instance::Column::Id)
            .limit(200);
        if let Some(after) = after {
            query = query.filter(mcp_instance::COLUMN.id.gt(after));
        }
        Ok(query.all(&self.reader).await?)
    }

    /// The instances with these ids that are there.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn instances_with_ids(&self, ids: &[Uuid]) -> Result<Vec<mcp_instance::Model>, StoreError> {
        let query = mcp_instance::Entity::find().filter(mcp_instance::COLUMN.id.is_in(ids.iter().copied()));
        Ok(query.all(&self.reader).await?)
    }
}
