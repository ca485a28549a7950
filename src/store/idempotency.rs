//! First answers to requests with an idempotency key.

use chrono::{DateTime, Utc};
use minimcp_entities::idempotency_key;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::error::on_duplicate;
use super::{Conflict, Store, StoreError, micros};

/// An answer to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Whose request it was.
    pub user_id: Uuid,
    /// The key that came with it.
    pub key: String,
    /// The hash of the request.
    pub request_hash: [u8; 32],
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer, encrypted.
    pub sealed_response: Vec<u8>,
    /// Now.
    pub created_at: DateTime<Utc>,
}

impl Store {
    pub(super) async fn insert_answer(
        &self,
        connection: &impl ConnectionTrait,
        answer: Remembered,
    ) -> Result<(), StoreError> {
        let key_id = self.count_seal(connection, &answer.sealed_response).await?;
        let row = idempotency_key::Model {
            user_id: answer.user_id,
            key: answer.key,
            request_hash: answer.request_hash.to_vec(),
            status: answer.status.into(),
            sealed_response: answer.sealed_response,
            key_id,
            created_at: micros(answer.created_at),
        };
        let inserted = row.into_active_model().insert(connection).await;
        inserted.map(drop).map_err(on_duplicate(Conflict::IdempotencyKey))
    }

    /// The first answer to a request of this user with this key, if there was one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn remembered(
        &self,
        user_id: Uuid,
        key: &str,
    ) -> Result<Option<idempotency_key::Model>, StoreError> {
        Ok(idempotency_key::Entity::find_by_id((user_id, key.to_owned())).one(&self.reader).await?)
    }

    /// Remembers the answer to a request whose effect is stored already.
    ///
    /// # Errors
    /// [`Conflict::IdempotencyKey`] if there is one.
    pub async fn remember(&self, answer: Remembered) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        self.insert_answer(&transaction, answer).await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets the answer to one request, whose effect was taken back: the next one with its key is a first one.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_answer(&self, user_id: Uuid, key: &str) -> Result<(), StoreError> {
        idempotency_key::Entity::delete_by_id((user_id, key.to_owned())).exec(&self.writer).await?;
        Ok(())
    }

    /// Forgets the answers from before a time and says how many they were.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_answers_before(&self, time: DateTime<Utc>) -> Result<u64, StoreError> {
        let old = idempotency_key::COLUMN.created_at.lt(micros(time));
        let deleted = idempotency_key::Entity::delete_many().filter(old).exec(&self.writer).await?;
        Ok(deleted.rows_affected)
    }
}
