//! The steps of a rotation: the whole keyring to another master key, and records to other data keys.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use minimcp_entities::{idempotency_key, keyring, mcp_credential, setting, webhook};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::keys::keys_before;
use super::settings::put;
use super::{KEY_CHECK, ROTATION, Store, StoreError, micros};
use crate::vault::MasterKey;

/// Records that are sealed anew in one transaction.
const BATCH: u64 = 50;

impl Store {
    /// Moves the whole keyring to this master key, which may be the present one, and notes that a rotation began:
    /// all of it or nothing. A user's key that cannot be unwrapped stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Seal`] if a key of the deployment cannot be unwrapped.
    pub async fn rewrap(&self, master: Arc<MasterKey>, now: DateTime<Utc>) -> Result<(), StoreError> {
        // No key joins under the old master key meanwhile.
        let _alone = self.rewrapping.write().await;
        let transaction = self.begin().await?;
        let rows = keyring::Entity::find().order_by_asc(keyring::Column::Id).lock_exclusive();
        let rows = self.vault.rewrapped(&master, rows.all(&transaction).await?)?;
        for row in &rows {
            let change = keyring::ActiveModel {
                id: Set(row.id.clone()),
                wrapped: Set(row.wrapped.clone()),
                kek_id: Set(row.kek_id.clone()),
                ..Default::default()
            };
            keyring::Entity::update_many()
                .set(change)
                .filter(keyring::Column::Id.eq(row.id.as_str()))
                .exec(&transaction)
                .await?;
        }
        put(&transaction, KEY_CHECK, self.vault.key_check_under(&master)?).await?;
        put(&transaction, ROTATION, micros(now).to_rfc3339().into_bytes()).await?;
        transaction.commit().await?;
        self.vault.adopt(master, rows);
        Ok(())
    }

    /// Since when a rotation is under way; `None` if none is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the note cannot be read.
    pub async fn rotation(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let Some(note) = self.setting(ROTATION).await? else { return Ok(None) };
        let began = std::str::from_utf8(&note).ok().and_then(|text| text.parse().ok());
        began.map(Some).ok_or(StoreError::Corrupt { table: "settings", column: "value" })
    }

    /// Notes that no rotation is under way.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn finish_rotation(&self) -> Result<(), StoreError> {
        setting::Entity::delete_by_id(ROTATION.to_owned()).exec(&self.writer).await?;
        self.wipe_deleted().await
    }

    /// Some users whose key is older than this.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn users_with_key_before(&self, time: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
        let query = keys_before(time).select_only().column(keyring::Column::UserId).limit(100);
        let users: Vec<Option<Uuid>> = query.into_tuple().all(&self.reader).await?;
        Ok(users.into_iter().flatten().collect())
    }

    /// Some credential sets under this key, after this one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn credentials_under(
        &self,
        key: &str,
        after: Uuid,
    ) -> Result<Vec<mcp_credential::Model>, StoreError> {
        let query = mcp_credential::Entity::find()
            .filter(mcp_credential::Column::KeyId.eq(key))
            .filter(mcp_credential::COLUMN.id.gt(after));
        Ok(query.order_by_asc(mcp_credential::Column::Id).limit(BATCH).all(&self.reader).await?)
    }

    /// Some remembered answers under this key, after the one with this idempotency key.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn answers_under(
        &self,
        key: &str,
        after: &str,
    ) -> Result<Vec<idempotency_key::Model>, StoreError> {
        // All of them are of one user, whose key it is, so their idempotency keys differ.
        let query = idempotency_key::Entity::find()
            .filter(idempotency_key::Column::KeyId.eq(key))
            .filter(idempotency_key::Column::Key.gt(after));
        Ok(query.order_by_asc(idempotency_key::Column::Key).limit(BATCH).all(&self.reader).await?)
    }

    /// Some webhooks whose secrets are under this key, after this one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn webhooks_under(&self, key: &str, after: Uuid) -> Result<Vec<webhook::Model>, StoreError> {
        let query = webhook::Entity::find()
            .filter(webhook::Column::KeyId.eq(key))
            .filter(webhook::COLUMN.id.gt(after));
        Ok(query.order_by_asc(webhook::Column::Id).limit(BATCH).all(&self.reader).await?)
    }

    /// Puts new seals over the same contents in the place of the old ones. What was changed since it was read
    /// keeps its own. Answers how many were put.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a new key was replaced itself.
    pub async fn reseal_credentials(
        &self,
        seals: Vec<(mcp_credential::Model, Vec<u8>)>,
    ) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let mut put = 0;
        for (read, sealed) in seals {
            let query = mcp_credential::Entity::find_by_id(read.id).lock_exclusive();
            let Some(row) = query.one(&transaction).await? else { continue };
            if row.sealed != read.sealed {
                continue;
            }
            let key_id = self.count_seal(&transaction, &sealed).await?;
            let mut row = self.intact(row)?.change();
            row.sealed = Set(sealed);
            row.key_id = Set(key_id);
            self.update(&transaction, row).await?;
            put += 1;
        }
        transaction.commit().await?;
        Ok(put)
    }

    /// The same for remembered answers.
    ///
    /// # Errors
    /// As [`Self::reseal_credentials`].
    pub async fn reseal_answers(
        &self,
        seals: Vec<(idempotency_key::Model, Vec<u8>)>,
    ) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let mut put = 0;
        for (read, sealed) in seals {
            let key_id = self.count_seal(&transaction, &sealed).await?;
            let resealed = idempotency_key::Entity::update_many()
                .col_expr(idempotency_key::Column::SealedResponse, Expr::value(sealed))
                .col_expr(idempotency_key::Column::KeyId, Expr::value(key_id))
                .filter(idempotency_key::Column::UserId.eq(read.user_id))
                .filter(idempotency_key::Column::Key.eq(read.key))
                .filter(idempotency_key::Column::SealedResponse.eq(read.sealed_response))
                .exec(&transaction)
                .await?;
            put += resealed.rows_affected;
        }
        transaction.commit().await?;
        Ok(put)
    }

    /// The same for the secrets of webhooks.
    ///
    /// # Errors
    /// As [`Self::reseal_credentials`].
    pub async fn reseal_webhooks(&self, seals: Vec<(webhook::Model, Vec<u8>)>) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let mut put = 0;
        for (read, sealed) in seals {
            let query = webhook::Entity::find_by_id(read.id).lock_exclusive();
            let Some(row) = query.one(&transaction).await? else { continue };
            if row.sealed != read.sealed {
                continue;
            }
            let key_id = self.count_seal(&transaction, &sealed).await?;
            let mut row = self.intact(row)?.change();
            row.sealed = Set(sealed);
            row.key_id = Set(key_id);
            self.update(&transaction, row).await?;
            put += 1;
        }
        transaction.commit().await?;
        Ok(put)
    }
}
