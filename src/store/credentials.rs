//! Credential sets. The store keeps them sealed and cannot open them.

use chrono::{DateTime, Utc};
use minimcp_entities::{mcp_credential, mcp_instance, mcp_type};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Set,
};
use uuid::Uuid;

use super::error::on_duplicate;
use super::users::locked;
use super::{Conflict, Cursor, Limit, Noun, Page, PageRequest, Quota, Store, StoreError, micros};
use crate::expiry::Expiry;

/// The content of a credential set, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFields {
    /// The fields, encrypted.
    pub sealed: Vec<u8>,
    /// The id of the master key that opens them.
    pub key_id: String,
    /// The last four characters of the primary field, where that gives little away.
    pub hint: Option<String>,
    /// Names of the fields.
    pub field_names: Vec<String>,
}

/// A credential set to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose secrets they are.
    pub user_id: Uuid,
    /// The type they are for.
    pub mcp_type: String,
    /// Unique for the user and type.
    pub name: String,
    /// Sealed for version 1.
    pub fields: SealedFields,
    /// When the vendor will refuse them, and what happens then.
    pub expiry: Expiry,
    /// Now.
    pub created_at: DateTime<Utc>,
}

/// Which credential sets to list. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialFilter {
    /// Of this user.
    pub user_id: Option<Uuid>,
    /// For this type.
    pub mcp_type: Option<String>,
}

impl Store {
    /// Keeps a credential set as version 1, unless its owner has as many as allowed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user or the type, [`StoreError::LimitReached`],
    /// [`Conflict::CredentialName`].
    pub async fn create_credential(
        &self,
        new: NewCredential,
        defaults: Quota,
    ) -> Result<mcp_credential::Model, StoreError> {
        let transaction = self.begin().await?;
        let owner = locked(&transaction, new.user_id).await?;
        if mcp_type::Entity::find_by_id(new.mcp_type.clone()).one(&transaction).await?.is_none() {
            return Err(StoreError::NotFound(Noun::Type));
        }
        if let Some(limit) = Quota::of(&owner, defaults).max_credentials {
            let own = mcp_credential::Entity::find().filter(mcp_credential::COLUMN.user_id.eq(owner.id));
            if own.count(&transaction).await? >= limit.into() {
                return Err(StoreError::LimitReached { what: Limit::Credentials, limit });
            }
        }
        let row = mcp_credential::Model {
            id: new.id,
            user_id: new.user_id,
            mcp_type: new.mcp_type,
            name: new.name,
            sealed: new.fields.sealed,
            key_id: new.fields.key_id,
            hint: new.fields.hint,
            field_names: new.fields.field_names.into(),
            version: 1,
            expires_at: new.expiry.at.map(micros),
            on_expiry: new.expiry.then.as_str().to_owned(),
            created_at: micros(new.created_at),
            updated_at: micros(new.created_at),
        };
        let inserted = row.into_active_model().insert(&transaction).await;
        let row = inserted.map_err(on_duplicate(Conflict::CredentialName))?;
        transaction.commit().await?;
        Ok(row)
    }

    /// One credential set; with `owner` only if it is theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn credential(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
    ) -> Result<mcp_credential::Model, StoreError> {
        let row = mcp_credential::Entity::find_by_id(id).one(&self.reader).await?;
        row.filter(|row| owner.is_none_or(|owner| row.user_id == owner))
            .ok_or(StoreError::NotFound(Noun::Credential))
    }

    /// Credential sets, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn credentials(
        &self,
        filter: &CredentialFilter,
        page: &PageRequest,
    ) -> Result<Page<mcp_credential::Model>, StoreError> {
        let mut query =
            mcp_credential::Entity::find().order_by_desc(mcp_credential::Column::Id).limit(page.limit() + 1);
        if let Some(user_id) = filter.user_id {
            query = query.filter(mcp_credential::COLUMN.user_id.eq(user_id));
        }
        if let Some(mcp_type) = &filter.mcp_type {
            query = query.filter(mcp_credential::COLUMN.mcp_type.eq(mcp_type));
        }
        if let Some(id) = page.after_id()? {
            query = query.filter(mcp_credential::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Id(row.id)))
    }

    /// Replaces name, content and expiry of a credential set that is at version `expected`. The content must be
    /// sealed for `expected + 1`, which the row then has.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::Version`], [`Conflict::CredentialName`].
    pub async fn replace_credential(
        &self,
        id: Uuid,
        expected: i64,
        name: String,
        fields: SealedFields,
        expiry: Expiry,
        now: DateTime<Utc>,
    ) -> Result<mcp_credential::Model, StoreError> {
        let transaction = self.begin().await?;
        let row = held(&transaction, id).await?;
        if row.version != expected {
            return Err(Conflict::Version { expected, found: row.version }.into());
        }
        let mut row = row.into_active_model();
        row.name = Set(name);
        row.sealed = Set(fields.sealed);
        row.key_id = Set(fields.key_id);
        row.hint = Set(fields.hint);
        row.field_names = Set(fields.field_names.into());
        row.version = Set(expected + 1);
        row.expires_at = Set(expiry.at.map(micros));
        row.on_expiry = Set(expiry.then.as_str().to_owned());
        row.updated_at = Set(micros(now));
        let row = row.update(&transaction).await.map_err(on_duplicate(Conflict::CredentialName))?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Deletes a credential set; on SQLite its bytes are overwritten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::CredentialInUse`] while instances run with it.
    pub async fn delete_credential(&self, id: Uuid) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        held(&transaction, id).await?;
        let instances = instances_with(&transaction, id).await?;
        if instances > 0 {
            return Err(Conflict::CredentialInUse { instances }.into());
        }
        mcp_credential::Entity::delete_by_id(id).exec(&transaction).await?;
        transaction.commit().await?;
        self.wipe_deleted().await
    }

    /// How many instances run with this credential set.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn count_instances_with_credential(&self, id: Uuid) -> Result<u64, StoreError> {
        instances_with(&self.reader, id).await
    }
}

/// The credential set, held against other writers.
async fn held(connection: &impl ConnectionTrait, id: Uuid) -> Result<mcp_credential::Model, StoreError> {
    let query = mcp_credential::Entity::find_by_id(id).lock_exclusive();
    query.one(connection).await?.ok_or(StoreError::NotFound(Noun::Credential))
}

async fn instances_with(connection: &impl ConnectionTrait, id: Uuid) -> Result<u64, StoreError> {
    let query = mcp_instance::Entity::find().filter(mcp_instance::Column::CredentialId.eq(id));
    Ok(query.count(connection).await?)
}
