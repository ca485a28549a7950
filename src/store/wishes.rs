//! What owners want of their instances: columns that the journal never touches.

use chrono::{DateTime, Utc};
use minimcp_entities::mcp_instance;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QuerySelect, Set};
use uuid::Uuid;

use super::instances::allow_another_run;
use super::{Conflict, Noun, Quota, Store, StoreError, micros};

/// What an owner wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Desired {
    /// That it runs, or sleeps until it is called.
    Running,
    /// That it has no process.
    Stopped,
    /// That it goes away once its process has ended.
    Deleted,
}

impl Desired {
    /// The name in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }

    /// What the owner of a stored instance wants.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the row holds another word.
    pub fn of(instance: &mcp_instance::Model) -> Result<Self, StoreError> {
        [Self::Running, Self::Stopped, Self::Deleted]
            .into_iter()
            .find(|desired| desired.as_str() == instance.desired)
            .ok_or(StoreError::Corrupt { table: "mcp_instances", column: "desired" })
    }
}

impl Store {
    /// Writes down what the owner wants. Wanting it to run spends one of their running instances, unless it
    /// runs already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::LimitReached`]; [`Conflict::BeingDeleted`], because a deletion
    /// cannot be taken back.
    pub async fn set_desired(
        &self,
        id: Uuid,
        desired: Desired,
        defaults: Quota,
    ) -> Result<mcp_instance::Model, StoreError> {
        let transaction = self.begin().await?;
        let row = held(&transaction, id).await?;
        if desired == Desired::Deleted {
            // Also what somebody else has changed can be deleted, and no proof covers this column.
            let mut row = row.into_active_model();
            row.desired = Set(desired.as_str().to_owned());
            let row = row.update(&transaction).await?;
            transaction.commit().await?;
            return Ok(row);
        }
        let row = self.intact(row)?;
        refuse_if_deleted(&row)?;
        if desired == Desired::Running {
            let owner = self.locked_user(&transaction, row.user_id).await?;
            allow_another_run(&transaction, &owner, id, defaults).await?;
        }
        let mut row = row.change();
        row.desired = Set(desired.as_str().to_owned());
        let row = self.update(&transaction, row).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Moves the end of the lease.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::BeingDeleted`].
    pub async fn extend(
        &self,
        id: Uuid,
        expires_at: DateTime<Utc>,
    ) -> Result<mcp_instance::Model, StoreError> {
        self.change(id, |row| row.expires_at = Set(micros(expires_at))).await
    }

    /// Replaces the access token; the present one goes on working until `overlap_until`, if that is given.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::BeingDeleted`].
    pub async fn replace_token(
        &self,
        id: Uuid,
        token_hash: [u8; 32],
        overlap_until: Option<DateTime<Utc>>,
    ) -> Result<mcp_instance::Model, StoreError> {
        self.change(id, |row| {
            let old = row.token_hash.take();
            row.previous_token_hash = Set(overlap_until.and(old));
            row.previous_token_until = Set(overlap_until.map(micros));
            row.token_hash = Set(token_hash.to_vec());
        })
        .await
    }

    /// Writes down that the owner asked for a new run.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::BeingDeleted`].
    pub async fn request_restart(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<mcp_instance::Model, StoreError> {
        self.change(id, |row| row.restart_requested_at = Set(Some(micros(now)))).await
    }

    /// Deletes an instance with its history. Its process must have ended. What is gone already is no error.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn delete_instance(&self, id: Uuid) -> Result<(), StoreError> {
        mcp_instance::Entity::delete_by_id(id).exec(&self.writer).await?;
        Ok(())
    }

    async fn change(
        &self,
        id: Uuid,
        change: impl FnOnce(&mut mcp_instance::ActiveModel) + Send,
    ) -> Result<mcp_instance::Model, StoreError> {
        let transaction = self.begin().await?;
        let row = self.intact(held(&transaction, id).await?)?;
        refuse_if_deleted(&row)?;
        let mut row = row.change();
        change(&mut row);
        let row = self.update(&transaction, row).await?;
        transaction.commit().await?;
        Ok(row)
    }
}

/// The instance, held against other writers.
async fn held(connection: &impl ConnectionTrait, id: Uuid) -> Result<mcp_instance::Model, StoreError> {
    let query = mcp_instance::Entity::find_by_id(id).lock_exclusive();
    query.one(connection).await?.ok_or(StoreError::NotFound(Noun::Instance))
}

fn refuse_if_deleted(row: &mcp_instance::Model) -> Result<(), StoreError> {
    if row.desired == Desired::Deleted.as_str() { Err(Conflict::BeingDeleted.into()) } else { Ok(()) }
}
