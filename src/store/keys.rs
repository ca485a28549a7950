//! The keyring: data keys, wrapped, and what is sealed under each. The store cannot unwrap them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minimcp_entities::{idempotency_key, keyring, mcp_credential, setting};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Set,
};
use uuid::Uuid;

use super::settings::put;
use super::{Conflict, Cursor, KEY_CHECK, Page, PageRequest, ROTATION, Store, StoreError, micros};
use crate::vault::{MasterKey, key_of};

/// Records that are sealed anew in one transaction.
const BATCH: u64 = 50;

/// How many records there are, and how many of them a rotation has yet to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SealedRecords {
    /// Credential sets and remembered answers.
    pub all: u64,
    /// Those under a key that is replaced already.
    pub left: u64,
    /// Users whose key a rotation has yet to replace.
    pub users_left: u64,
}

impl Store {
    /// The keyring, in the order of the keys' ids.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn keys(&self, page: &PageRequest) -> Result<Page<keyring::Model>, StoreError> {
        let mut query = keyring::Entity::find().order_by_desc(keyring::Column::Id).limit(page.limit() + 1);
        if let Some(id) = page.after_id()? {
            query = query.filter(keyring::Column::Id.lt(id.simple().to_string()));
        }
        let cursor = |row: &keyring::Model| Cursor::Id(Uuid::try_parse(&row.id).unwrap_or_default());
        Ok(Page::cut(query.all(&self.reader).await?, page, cursor))
    }

    /// How many records are sealed under each of these keys.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn records_under(&self, keys: &[String]) -> Result<HashMap<String, u64>, StoreError> {
        let credentials = mcp_credential::Entity::find()
            .select_only()
            .column(mcp_credential::Column::KeyId)
            .column_as(mcp_credential::Column::KeyId.count(), "records")
            .filter(mcp_credential::Column::KeyId.is_in(keys))
            .group_by(mcp_credential::Column::KeyId)
            .into_tuple::<(String, i64)>()
            .all(&self.reader)
            .await?;
        let answers = idempotency_key::Entity::find()
            .select_only()
            .column(idempotency_key::Column::KeyId)
            .column_as(idempotency_key::Column::KeyId.count(), "records")
            .filter(idempotency_key::Column::KeyId.is_in(keys))
            .group_by(idempotency_key::Column::KeyId)
            .into_tuple::<(String, i64)>()
            .all(&self.reader)
            .await?;
        let mut records = HashMap::new();
        for (key, count) in credentials.into_iter().chain(answers) {
            *records.entry(key).or_default() += u64::try_from(count).unwrap_or_default();
        }
        Ok(records)
    }

    /// How far a rotation that began then has come.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn sealed_records(&self, since: Option<DateTime<Utc>>) -> Result<SealedRecords, StoreError> {
        let credentials = mcp_credential::Entity::find();
        let answers = idempotency_key::Entity::find();
        let all =
            credentials.clone().count(&self.reader).await? + answers.clone().count(&self.reader).await?;
        let Some(since) = since else { return Ok(SealedRecords { all, ..SealedRecords::default() }) };
        let fresh = || {
            let keys = active_keys().filter(keyring::Column::CreatedAt.gte(micros(since)));
            keys.select_only().column(keyring::Column::Id).into_query()
        };
        let credentials = credentials.filter(mcp_credential::Column::KeyId.not_in_subquery(fresh()));
        let answers = answers.filter(idempotency_key::Column::KeyId.not_in_subquery(fresh()));
        let left = credentials.count(&self.reader).await? + answers.count(&self.reader).await?;
        let users_left = keys_before(since).count(&self.reader).await?;
        Ok(SealedRecords { all, left, users_left })
    }

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

    /// Some keys that were used so much that a new one is due.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn users_with_worn_key(&self, seals: i64) -> Result<Vec<Uuid>, StoreError> {
        let query = active_keys().filter(keyring::Column::Seals.gte(seals));
        let users: Vec<Option<Uuid>> =
            query.select_only().column(keyring::Column::UserId).into_tuple().all(&self.reader).await?;
        Ok(users.into_iter().flatten().collect())
    }

    /// Gives a user a new key in the place of the one they have, which stays for what is sealed under it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the user is gone.
    pub async fn replace_user_key(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        // The master key stays the same until the new key is stored under it.
        let _stays = self.rewrapping.read().await;
        let key = self.vault.new_user_key(user_id, micros(now))?;
        let transaction = self.begin().await?;
        super::users::held(&transaction, user_id).await?;
        keyring::Entity::update_many()
            .col_expr(keyring::Column::Active, Expr::value(false))
            .filter(keyring::Column::UserId.eq(user_id))
            .exec(&transaction)
            .await?;
        key.clone().into_active_model().insert(&transaction).await?;
        transaction.commit().await?;
        self.vault.hold(key);
        Ok(())
    }

    /// The keys that were replaced and are still needed.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn replaced_keys(&self) -> Result<Vec<String>, StoreError> {
        let query = keyring::Entity::find().filter(keyring::Column::Active.eq(false));
        let query = query.select_only().column(keyring::Column::Id).order_by_asc(keyring::Column::Id);
        Ok(query.into_tuple().all(&self.reader).await?)
    }

    /// Removes a replaced key, unless something is still sealed under it. Answers whether it is gone.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn drop_key(&self, id: &str) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        // Whoever is about to seal under it waits here, and then finds it gone.
        let key = keyring::Entity::find_by_id(id.to_owned()).lock_exclusive().one(&transaction).await?;
        if key.is_some_and(|key| key.active) {
            return Ok(false);
        }
        let credentials = mcp_credential::Entity::find().filter(mcp_credential::Column::KeyId.eq(id));
        let answers = idempotency_key::Entity::find().filter(idempotency_key::Column::KeyId.eq(id));
        if credentials.count(&transaction).await? + answers.count(&transaction).await? > 0 {
            return Ok(false);
        }
        keyring::Entity::delete_by_id(id.to_owned()).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
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

    /// Puts new seals over the same contents in the place of the old ones. What was changed since it was read
    /// keeps its own. Answers how many were put.
    ///
    /// # Errors
    /// [`Conflict::KeyReplaced`] if a new key was replaced itself.
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

    /// Counts a seal that is about to be stored, and sees to it that its key is still there. Answers the key's
    /// id.
    pub(super) async fn count_seal(
        &self,
        connection: &impl ConnectionTrait,
        sealed: &[u8],
    ) -> Result<String, StoreError> {
        let id = key_of(sealed).ok_or(Conflict::KeyReplaced)?;
        let counted = keyring::Entity::update_many()
            .col_expr(keyring::Column::Seals, Expr::col(keyring::Column::Seals).add(1))
            .filter(keyring::Column::Id.eq(id.as_str()))
            .exec(connection)
            .await?;
        if counted.rows_affected == 1 { Ok(id) } else { Err(Conflict::KeyReplaced.into()) }
    }
}

fn active_keys() -> Select<keyring::Entity> {
    let query = keyring::Entity::find().filter(keyring::Column::Active.eq(true));
    query.filter(keyring::Column::UserId.is_not_null()).order_by_asc(keyring::Column::Id)
}

fn keys_before(time: DateTime<Utc>) -> Select<keyring::Entity> {
    active_keys().filter(keyring::Column::CreatedAt.lt(micros(time)))
}
