//! API tokens, as hashes.

use chrono::{DateTime, Utc};
use minimcp_entities::{api_token, user};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use uuid::Uuid;

use super::{Cursor, Noun, Page, PageRequest, Store, StoreError, micros};

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

impl Store {
    /// Keeps a token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such user.
    pub async fn create_token(&self, new: NewToken) -> Result<api_token::Model, StoreError> {
        let transaction = self.begin().await?;
        self.locked_user(&transaction, new.user_id).await?;
        let row = api_token::Model {
            id: new.id,
            user_id: new.user_id,
            name: new.name,
            token_hash: new.token_hash.to_vec(),
            hint: new.hint,
            created_at: micros(new.created_at),
            expires_at: new.expires_at.map(micros),
            last_used_at: None,
            revoked_at: None,
            mac: Vec::new(),
        };
        let token = self.insert(&transaction, row).await?;
        transaction.commit().await?;
        Ok(token)
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
    /// [`StoreError::NotFound`].
    pub async fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<api_token::Model, StoreError> {
        let transaction = self.begin().await?;
        let token = api_token::Entity::find_by_id(id).lock_exclusive().one(&transaction).await?;
        let token = token.ok_or(StoreError::NotFound(Noun::Token))?;
        if token.revoked_at.is_some() {
            return Ok(token);
        }
        let mut row = self.intact(token)?.change();
        row.revoked_at = Set(Some(micros(now)));
        let token = self.update(&transaction, row).await?;
        transaction.commit().await?;
        Ok(token)
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
