//! The keyring: data keys, wrapped, and what is sealed under each. The store cannot unwrap them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use minimcp_entities::{idempotency_key, keyring, mcp_credential, webhook};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};
use uuid::Uuid;

use super::{Conflict, Cursor, Page, PageRequest, Store, StoreError, micros};
use crate::vault::key_of;

/// How many records there are, and how many of them a rotation has yet to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SealedRecords {
    /// Credential sets, secrets of webhooks and remembered answers.
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
        let webhooks = webhook::Entity::find()
            .select_only()
            .column(webhook::Column::KeyId)
            .column_as(webhook::Column::KeyId.count(), "records")
            .filter(webhook::Column::KeyId.is_in(keys))
            .group_by(webhook::Column::KeyId)
            .into_tuple::<(String, i64)>()
            .all(&self.reader)
            .await?;
        let mut records = HashMap::new();
        for (key, count) in credentials.into_iter().chain(answers).chain(webhooks) {
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
        let webhooks = webhook::Entity::find();
        let all = credentials.clone().count(&self.reader).await?
            + answers.clone().count(&self.reader).await?
            + webhooks.clone().count(&self.reader).await?;
        let Some(since) = since else { return Ok(SealedRecords { all, ..SealedRecords::default() }) };
        let fresh = || {
            let keys = active_keys().filter(keyring::Column::CreatedAt.gte(micros(since)));
            keys.select_only().column(keyring::Column::Id).into_query()
        };
        let credentials = credentials.filter(mcp_credential::Column::KeyId.not_in_subquery(fresh()));
        let answers = answers.filter(idempotency_key::Column::KeyId.not_in_subquery(fresh()));
        let webhooks = webhooks.filter(webhook::Column::KeyId.not_in_subquery(fresh()));
        let left = credentials.count(&self.reader).await?
            + answers.count(&self.reader).await?
            + webhooks.count(&self.reader).await?;
        let users_left = keys_before(since).count(&self.reader).await?;
        Ok(SealedRecords { all, left, users_left })
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
        let webhooks = webhook::Entity::find().filter(webhook::Column::KeyId.eq(id));
        let sealed = credentials.count(&transaction).await?
            + answers.count(&transaction).await?
            + webhooks.count(&transaction).await?;
        if sealed > 0 {
            return Ok(false);
        }
        keyring::Entity::delete_by_id(id.to_owned()).exec(&transaction).await?;
        transaction.commit().await?;
        Ok(true)
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

/// The active keys that were made before this.
pub(super) fn keys_before(time: DateTime<Utc>) -> Select<keyring::Entity> {
    active_keys().filter(keyring::Column::CreatedAt.lt(micros(time)))
}
