//! API tokens, as hashes.

use chrono::{DateTime, Utc};
use minimcp_entities::{api_token, user};
use sea_orm::{
    Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Set,
};
use uuid::Uuid;

use super::{Conflict, Cursor, Limit, Noun, Page, PageRequest, Remembered, Store, StoreError, micros};

/// Valid tokens of one user at most.
const MAX_TOKENS: u32 = 100;

/// A token to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose token it is.
    pub user_id: Uuid,
    /// What the owner calls it.
    pub name: String,
    /// Its MAC under the pepper.
    pub token_hash: [u8; 32],
    /// Its last four characters.
    pub hint: String,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
}

impl NewToken {
    /// The row as it will be stored, for an answer that is built before the row is.
    #[must_use]
    pub fn row(&self) -> api_token::Model {
        api_token::Model {
            id: self.id,
            user_id: self.user_id,
            name: self.name.clone(),
            token_hash: self.token_hash.to_vec(),
            hint: self.hint.clone(),
            created_at: micros(self.created_at),
            expires_at: self.expires_at.map(micros),
            last_used_at: None,
            revoked_at: None,
            mac: Vec::new(),
        }
    }
}

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such user.
    pub async fn create_token(&self, new: NewToken) -> Result<api_token::Model, StoreError> {
        self.create_token_once(new, None).await
    }

    /// Keeps a token and remembers the answer to the request for it: both or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user, [`StoreError::LimitReached`], [`Conflict::IdempotencyKey`].
    pub async fn create_token_once(
        &self,
        new: NewToken,
        answer: Option<Remembered>,
    ) -> Result<api_token::Model, StoreError> {
        let transaction = self.begin().await?;
        self.locked_user(&transaction, new.user_id).await?;
        let own = valid(new.created_at).filter(api_token::COLUMN.user_id.eq(new.user_id));
        if own.count(&transaction).await? >= MAX_TOKENS.into() {
            return Err(StoreError::LimitReached { what: Limit::Tokens, limit: MAX_TOKENS });
        }
        let token = self.insert_token(&transaction, new).await?;
        if let Some(answer) = answer {
            self.insert_answer(&transaction, answer).await?;
        }
        transaction.commit().await?;
        Ok(token)
    }

    /// Writes a token.
    pub(super) async fn insert_token(
        &self,
        connection: &impl ConnectionTrait,
        new: NewToken,
    ) -> Result<api_token::Model, StoreError> {
        Ok(self.insert(connection, new.row()).await?)
    }

    /// Who shows a token with this hash at `now`, or `None` if it is unknown, expired or revoked.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn authenticate(
        &self,
        token_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<Option<(api_token::Model, user::Model)>, StoreError> {
        let token = api_token::Entity::find()
            .filter(api_token::COLUMN.token_hash.eq(token_hash.to_vec()))
            .filter(api_token::COLUMN.revoked_at.is_null())
            .one(&self.reader)
            .await?
            .filter(|token| token.expires_at.is_none_or(|end| now < end));
        let Some(token) = token else { return Ok(None) };
        let token = self.intact(token)?.into_row();
        let Some(user) = user::Entity::find_by_id(token.user_id).one(&self.reader).await? else {
            return Ok(None);
        };
        Ok(Some((token, self.intact(user)?.into_row())))
    }

    /// One token; with `owner` only if it is theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn token(&self, id: Uuid, owner: Option<Uuid>) -> Result<api_token::Model, StoreError> {
        let mut query = api_token::Entity::find_by_id(id);
        if let Some(owner) = owner {
            query = query.filter(api_token::COLUMN.user_id.eq(owner));
        }
        query.one(&self.reader).await?.ok_or(StoreError::NotFound(Noun::Token))
    }

    /// The tokens of a user, newest first, with those that are expired or revoked.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn tokens(
        &self,
        user_id: Uuid,
        page: &PageRequest,
    ) -> Result<Page<api_token::Model>, StoreError> {
        let mut query = api_token::Entity::find()
            .filter(api_token::COLUMN.user_id.eq(user_id))
            .order_by_desc(api_token::Column::Id)
            .limit(page.limit() + 1);
        if let Some(id) = page.after_id()? {
            query = query.filter(api_token::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |token| Cursor::Id(token.id)))
    }

    /// Takes a token back; what was taken back stays so with its first time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`Conflict::LastAdministratorToken`] if no administrator had a valid one left.
    pub async fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<api_token::Model, StoreError> {
        let transaction = self.begin().await?;
        let administrators = self.administrators(&transaction).await?;
        let token = api_token::Entity::find_by_id(id).lock_exclusive().one(&transaction).await?;
        let token = token.ok_or(StoreError::NotFound(Noun::Token))?;
        if token.revoked_at.is_some() {
            return Ok(token);
        }
        if administrators.contains(&token.user_id) {
            let others = valid(now)
                .filter(api_token::COLUMN.user_id.is_in(administrators))
                .filter(api_token::COLUMN.id.ne(id));
            if others.count(&transaction).await? == 0 {
                return Err(Conflict::LastAdministratorToken.into());
            }
        }
        let mut row = self.intact(token)?.change();
        row.revoked_at = Set(Some(micros(now)));
        let token = self.update(&transaction, row).await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Takes all tokens of a user back.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn revoke_tokens_of(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let tokens = api_token::Entity::find()
            .filter(api_token::COLUMN.user_id.eq(user_id))
            .filter(api_token::COLUMN.revoked_at.is_null())
            .lock_exclusive();
        for token in tokens.all(&transaction).await? {
            // One that somebody else changed lets nobody in as it is.
            let Ok(token) = self.intact(token) else { continue };
            let mut row = token.change();
            row.revoked_at = Set(Some(micros(now)));
            self.update(&transaction, row).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets the tokens that were revoked or expired before a time and says how many they were.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_tokens_before(&self, time: DateTime<Utc>) -> Result<u64, StoreError> {
        let time = micros(time);
        let ended = Condition::any()
            .add(api_token::COLUMN.revoked_at.lt(time))
            .add(api_token::COLUMN.expires_at.lt(time));
        let deleted = api_token::Entity::delete_many().filter(ended).exec(&self.writer).await?;
        Ok(deleted.rows_affected)
    }

    /// Notes when tokens were last used, in one transaction. Tokens that are gone are skipped.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn touch_tokens(&self, used: &[(Uuid, DateTime<Utc>)]) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for &(id, at) in used {
            api_token::Entity::update_many()
                .col_expr(api_token::Column::LastUsedAt, sea_orm::sea_query::Expr::value(micros(at)))
                .filter(api_token::COLUMN.id.eq(id))
                .exec(&transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// The tokens that let in at a time.
fn valid(now: DateTime<Utc>) -> Select<api_token::Entity> {
    let lasting = Condition::any()
        .add(api_token::COLUMN.expires_at.is_null())
        .add(api_token::COLUMN.expires_at.gt(micros(now)));
    api_token::Entity::find().filter(api_token::COLUMN.revoked_at.is_null()).filter(lasting)
}
