//! Types of servers.

use minimcp_entities::{mcp_credential, mcp_instance, mcp_type};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::error::on_duplicate;
use super::{Conflict, Cursor, Noun, Page, PageRequest, Store, StoreError};

impl Store {
    /// Registers a type.
    ///
    /// # Errors
    /// [`Conflict::TypeName`].
    pub async fn create_type(&self, row: mcp_type::Model) -> Result<mcp_type::Model, StoreError> {
        let transaction = self.begin().await?;
        let row = row.into_active_model().insert(&transaction).await;
        let row = row.map_err(on_duplicate(Conflict::TypeName))?;
        transaction.commit().await?;
        Ok(row)
    }

    /// The type with this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn type_named(&self, name: &str) -> Result<mcp_type::Model, StoreError> {
        found(&self.reader, name).await
    }

    /// All types, by name.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn types(&self, page: &PageRequest) -> Result<Page<mcp_type::Model>, StoreError> {
        let mut query = mcp_type::Entity::find().order_by_asc(mcp_type::Column::Name).limit(page.limit() + 1);
        if let Some(name) = page.after_name()? {
            query = query.filter(mcp_type::COLUMN.name.gt(name));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Name(row.name.clone())))
    }

    /// Replaces a type but for its name and `created_at`. Instances that run go on as they are; their next run
    /// is by the new recipe.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn replace_type(&self, row: mcp_type::Model) -> Result<mcp_type::Model, StoreError> {
        let transaction = self.begin().await?;
        let old = found(&transaction, &row.name).await?;
        let row = mcp_type::Model { created_at: old.created_at, ..row };
        let row = row.into_active_model().reset_all().update(&transaction).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Stores the types that the daemon brings along: those that are new, and those that are still as the
    /// daemon brought them. A type that an administrator replaced stays theirs.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn seed_types(&self, rows: Vec<mcp_type::Model>) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for row in rows {
            match mcp_type::Entity::find_by_id(row.name.clone()).one(&transaction).await? {
                None => {
                    row.into_active_model().insert(&transaction).await?;
                }
                Some(old) if old.builtin => {
                    let row =
                        mcp_type::Model { created_at: old.created_at, updated_at: old.updated_at, ..row };
                    if row != old {
                        row.into_active_model().reset_all().update(&transaction).await?;
                    }
                }
                Some(_) => {}
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Deletes a type.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::TypeInUse`] while instances or credential sets are of this type.
    pub async fn delete_type(&self, name: &str) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let query = mcp_type::Entity::find_by_id(name.to_owned()).lock_exclusive();
        query.one(&transaction).await?.ok_or(StoreError::NotFound(Noun::Type))?;
        let instances = instances_of(&transaction, name).await?;
        let credentials = mcp_credential::Entity::find()
            .filter(mcp_credential::COLUMN.mcp_type.eq(name))
            .count(&transaction)
            .await?;
        if instances > 0 || credentials > 0 {
            return Err(Conflict::TypeInUse { instances, credentials }.into());
        }
        mcp_type::Entity::delete_by_id(name.to_owned()).exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// How many instances are of this type.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn count_instances_of_type(&self, name: &str) -> Result<u64, StoreError> {
        instances_of(&self.reader, name).await
    }
}

async fn found(connection: &impl ConnectionTrait, name: &str) -> Result<mcp_type::Model, StoreError> {
    let row = mcp_type::Entity::find_by_id(name.to_owned()).one(connection).await?;
    row.ok_or(StoreError::NotFound(Noun::Type))
}

async fn instances_of(connection: &impl ConnectionTrait, name: &str) -> Result<u64, StoreError> {
    Ok(mcp_instance::Entity::find().filter(mcp_instance::COLUMN.mcp_type.eq(name)).count(connection).await?)
}
