//! Single values of the whole deployment.

use minimcp_entities::{keyring, setting};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::error::on_duplicate;
use super::{Conflict, Store, StoreError};

/// The name of the value that only the right master key opens.
pub const KEY_CHECK: &str = "key_check";
/// The name of the UUID that every seal of this deployment covers, so that no row of another one fits in.
pub const DEPLOYMENT_ID: &str = "deployment_id";
/// The name of the number and the code of the newest audit record.
pub(super) const AUDIT_HEAD: &str = "audit_head";
/// The name of the note since when a rotation of the keys is under way.
pub const ROTATION: &str = "rotation";

/// What the names of notes about a type's servers begin with; the name of the type comes behind.
const SERVER_ERA: &str = "server_era/";

impl Store {
    /// The value under a name, if there is one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = setting::Entity::find_by_id(key.to_owned()).one(&self.reader).await?;
        Ok(row.map(|row| row.value))
    }

    /// The newest audit record, as it was noted last.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn audit_head(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.setting(AUDIT_HEAD).await
    }

    /// Notes the newest audit record.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn set_audit_head(&self, head: &[u8]) -> Result<(), StoreError> {
        let row = setting::Model { key: AUDIT_HEAD.to_owned(), value: head.to_vec() };
        let mut replace = OnConflict::column(setting::Column::Key);
        replace.update_column(setting::Column::Value);
        let transaction = self.begin().await?;
        setting::Entity::insert(row.into_active_model()).on_conflict(replace).exec(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// What was noted about the protocol era of a type's servers.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn server_era(&self, mcp_type: &str) -> Result<Option<String>, StoreError> {
        let value = self.setting(&format!("{SERVER_ERA}{mcp_type}")).await?;
        Ok(value.and_then(|value| String::from_utf8(value).ok()))
    }

    /// Notes something about the protocol era of a type's servers.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn set_server_era(&self, mcp_type: &str, note: &str) -> Result<(), StoreError> {
        put(&self.writer, &format!("{SERVER_ERA}{mcp_type}"), note.as_bytes().to_vec()).await
    }

    /// Gives a new deployment its identity, its key check and its keys, once and for all.
    ///
    /// # Errors
    /// [`Conflict::Deployment`] if it has them.
    pub async fn found_deployment(
        &self,
        deployment_id: [u8; 16],
        key_check: Vec<u8>,
        keys: Vec<keyring::Model>,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for (key, value) in [(DEPLOYMENT_ID, deployment_id.to_vec()), (KEY_CHECK, key_check)] {
            let row = setting::Model { key: key.to_owned(), value };
            let inserted = row.into_active_model().insert(&transaction).await;
            inserted.map_err(on_duplicate(Conflict::Deployment))?;
        }
        for key in keys {
            key.into_active_model().insert(&transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Sets a value, whether there was one or not.
pub(super) async fn put(
    connection: &impl ConnectionTrait,
    key: &str,
    value: Vec<u8>,
) -> Result<(), StoreError> {
    let row = setting::Model { key: key.to_owned(), value }.into_active_model();
    let replace = OnConflict::column(setting::Column::Key).update_column(setting::Column::Value).to_owned();
    setting::Entity::insert(row).on_conflict(replace).exec_without_returning(connection).await?;
    Ok(())
}
