//! Instances: made within the limits of their owners, and found again. What their owners want of them later is
//! written by `wishes`, what is seen of them by the journal.

use chrono::{DateTime, Utc};
use minimcp_actors::state::Status;
use minimcp_entities::{mcp_credential, mcp_instance, mcp_type, user};
use sea_orm::prelude::Json;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::{
    Conflict, Cursor, Desired, Limit, Noun, Page, PageRequest, Quota, Remembered, Store, StoreError, micros,
};

/// An instance to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInstance {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose instance it is.
    pub user_id: Uuid,
    /// Its type.
    pub mcp_type: String,
    /// A credential set of the same user and type.
    pub credential_id: Option<Uuid>,
    /// What the owner calls it.
    pub name: Option<String>,
    /// The configuration as given: an object.
    pub config: Json,
    /// Whether the server runs with its debug output on.
    pub debug: bool,
    /// The restart policy where it differs from the default.
    pub restart: Option<Json>,
    /// Limits tighter than the type's.
    pub limits: Option<Json>,
    /// How long without a call until it sleeps.
    pub idle_timeout_seconds: Option<u32>,
    /// The MAC of its access token.
    pub token_hash: [u8; 32],
    /// Now.
    pub created_at: DateTime<Utc>,
    /// When its lease ends.
    pub expires_at: DateTime<Utc>,
}

impl NewInstance {
    /// The row as it will be stored, for an answer that is built before the row is.
    #[must_use]
    pub fn row(&self) -> mcp_instance::Model {
        mcp_instance::Model {
            id: self.id,
            user_id: self.user_id,
            mcp_type: self.mcp_type.clone(),
            credential_id: self.credential_id,
            name: self.name.clone(),
            config: self.config.clone(),
            debug: self.debug,
            restart: self.restart.clone(),
            limits: self.limits.clone(),
            idle_timeout_seconds: self.idle_timeout_seconds.map(i64::from),
            desired: Desired::Running.as_str().to_owned(),
            status: Status::Pending.as_str().to_owned(),
            cause: None,
            status_reason: None,
            generation: 0,
            process_id: None,
            assigned_port: None,
            token_hash: self.token_hash.to_vec(),
            previous_token_hash: None,
            previous_token_until: None,
            restart_requested_at: None,
            created_at: micros(self.created_at),
            started_at: None,
            expires_at: micros(self.expires_at),
            stopped_at: None,
            restored_at: None,
            last_checked_at: None,
            last_accessed_at: None,
            restarts_total: 0,
            last_exit: None,
            mac: Vec::new(),
        }
    }
}

/// Which instances to list. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceFilter {
    /// Of this user.
    pub user_id: Option<Uuid>,
    /// With this status.
    pub status: Option<Status>,
    /// Of this type.
    pub mcp_type: Option<String>,
    /// With this credential set.
    pub credential_id: Option<Uuid>,
    /// With this name.
    pub name: Option<String>,
}

impl Store {
    /// Makes an instance that is wanted running, unless its owner has as many as allowed, and remembers the
    /// answer to the request for it: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user, the type or a credential set of theirs;
    /// [`Conflict::CredentialOfOtherType`]; [`StoreError::LimitReached`]; [`Conflict::IdempotencyKey`].
    pub async fn create_instance(
        &self,
        new: &NewInstance,
        defaults: Quota,
        answer: Option<Remembered>,
    ) -> Result<mcp_instance::Model, StoreError> {
        let transaction = self.begin().await?;
        let owner = self.locked_user(&transaction, new.user_id).await?;
        if mcp_type::Entity::find_by_id(new.mcp_type.clone()).one(&transaction).await?.is_none() {
            return Err(StoreError::NotFound(Noun::Type));
        }
        if let Some(id) = new.credential_id {
            let credential = mcp_credential::Entity::find_by_id(id).one(&transaction).await?;
            let credential = credential.filter(|credential| credential.user_id == new.user_id);
            let credential = self.intact(credential.ok_or(StoreError::NotFound(Noun::Credential))?)?;
            if credential.mcp_type != new.mcp_type {
                return Err(Conflict::CredentialOfOtherType.into());
            }
        }
        if let Some(limit) = Quota::of(&owner, defaults).max_instances
            && counted(owner.id).count(&transaction).await? >= limit.into()
        {
            return Err(StoreError::LimitReached { what: Limit::Instances, limit });
        }
        allow_another_run(&transaction, &owner, new.id, defaults).await?;
        let row = self.insert(&transaction, new.row()).await?;
        if let Some(answer) = answer {
            self.insert_answer(&transaction, answer).await?;
        }
        transaction.commit().await?;
        Ok(row)
    }

    /// One instance; with `owner` only if it is theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Altered`] if somebody else changed it.
    pub async fn instance(&self, id: Uuid, owner: Option<Uuid>) -> Result<mcp_instance::Model, StoreError> {
        Ok(self.intact(self.instance_as_stored(id, owner).await?)?.into_row())
    }

    /// One instance, to delete; with `owner` only if it is theirs. It may not be as it was written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn instance_as_stored(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
    ) -> Result<mcp_instance::Model, StoreError> {
        let row = mcp_instance::Entity::find_by_id(id).one(&self.reader).await?;
        row.filter(|row| owner.is_none_or(|owner| row.user_id == owner))
            .ok_or(StoreError::NotFound(Noun::Instance))
    }

    /// The instance that a restart of the daemon is about to bring back, if nobody else changed its row.
    ///
    /// # Errors
    /// [`StoreError::Altered`].
    pub fn proven(&self, row: mcp_instance::Model) -> Result<mcp_instance::Model, StoreError> {
        Ok(self.intact(row)?.into_row())
    }

    /// Instances, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn instances(
        &self,
        filter: &InstanceFilter,
        page: &PageRequest,
    ) -> Result<Page<mcp_instance::Model>, StoreError> {
        let mut query =
            mcp_instance::Entity::find().order_by_desc(mcp_instance::Column::Id).limit(page.limit() + 1);
        if let Some(user_id) = filter.user_id {
            query = query.filter(mcp_instance::COLUMN.user_id.eq(user_id));
        }
        if let Some(status) = filter.status {
            query = query.filter(mcp_instance::COLUMN.status.eq(status.as_str()));
        }
        if let Some(mcp_type) = &filter.mcp_type {
            query = query.filter(mcp_instance::COLUMN.mcp_type.eq(mcp_type));
        }
        if let Some(credential_id) = filter.credential_id {
            query = query.filter(mcp_instance::Column::CredentialId.eq(credential_id));
        }
        if let Some(name) = &filter.name {
            query = query.filter(mcp_instance::Column::Name.eq(name));
        }
        if let Some(id) = page.after_id()? {
            query = query.filter(mcp_instance::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Id(row.id)))
    }

    /// Every instance that is to be supervised again after a start of the daemon: all but those being deleted.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn instances_to_restore(&self) -> Result<Vec<mcp_instance::Model>, StoreError> {
        let query = mcp_instance::Entity::find().order_by_asc(mcp_instance::Column::Id);
        Ok(query.filter(mcp_instance::COLUMN.desired.ne(Desired::Deleted.as_str())).all(&self.reader).await?)
    }

    /// Every instance whose deletion was begun and not finished.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn instances_to_delete(&self) -> Result<Vec<mcp_instance::Model>, StoreError> {
        let query = mcp_instance::Entity::find().order_by_asc(mcp_instance::Column::Id);
        Ok(query.filter(mcp_instance::COLUMN.desired.eq(Desired::Deleted.as_str())).all(&self.reader).await?)
    }
}

/// The instances of a user that count against `max_instances`.
pub(super) fn counted(user_id: Uuid) -> Select<mcp_instance::Entity> {
    mcp_instance::Entity::find()
        .filter(mcp_instance::COLUMN.user_id.eq(user_id))
        .filter(mcp_instance::COLUMN.desired.ne(Desired::Deleted.as_str()))
}

/// The instances of a user that count against `max_running`: wanted running, and not ended or asleep.
pub(super) fn running(user_id: Uuid) -> Select<mcp_instance::Entity> {
    let ended = Status::ALL.into_iter().filter(|status| status.is_ended()).map(Status::as_str);
    mcp_instance::Entity::find()
        .filter(mcp_instance::COLUMN.user_id.eq(user_id))
        .filter(mcp_instance::COLUMN.desired.eq(Desired::Running.as_str()))
        .filter(mcp_instance::COLUMN.status.is_not_in(ended))
}

/// Whether the owner may have the instance `id` running beside those that run already.
pub(super) async fn allow_another_run(
    connection: &impl ConnectionTrait,
    owner: &user::Model,
    id: Uuid,
    defaults: Quota,
) -> Result<(), StoreError> {
    let Some(limit) = Quota::of(owner, defaults).max_running else {
        return Ok(());
    };
    let others = running(owner.id).filter(mcp_instance::COLUMN.id.ne(id)).count(connection).await?;
    if others >= limit.into() {
        return Err(StoreError::LimitReached { what: Limit::Running, limit });
    }
    Ok(())
}
