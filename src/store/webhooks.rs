//! Webhooks: who is told of events over HTTP. Their secrets come sealed.

use chrono::{DateTime, Utc};
use minimcp_entities::webhook;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};
use uuid::Uuid;

use super::deliveries::give_up_pending;
use super::{Conflict, Cursor, Limit, Noun, Page, PageRequest, Remembered, Role, Store, StoreError, micros};
use crate::webhooks::{EventKind, Reach};

/// Webhooks of one user at most.
const MAX_WEBHOOKS: u32 = 20;

/// A webhook to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// UUIDv7.
    pub id: Uuid,
    /// Whose webhook it is.
    pub user_id: Uuid,
    /// What the owner calls it.
    pub name: String,
    /// Where events are posted to.
    pub url: String,
    /// Whose events.
    pub reach: Reach,
    /// Which events; none for all.
    pub events: Vec<EventKind>,
    /// Its secret, sealed for version 1.
    pub sealed: Vec<u8>,
    /// Now.
    pub created_at: DateTime<Utc>,
}

impl NewWebhook {
    /// The row as it will be stored, for an answer that is built before the row is.
    #[must_use]
    pub fn row(&self) -> webhook::Model {
        webhook::Model {
            id: self.id,
            user_id: self.user_id,
            name: self.name.clone(),
            url: self.url.clone(),
            scope: self.reach.as_str().to_owned(),
            events: EventKind::join(&self.events),
            enabled: true,
            sealed: self.sealed.clone(),
            key_id: String::new(),
            version: 1,
            previous_until: None,
            failing_since: None,
            disabled_reason: None,
            dropped: 0,
            created_at: micros(self.created_at),
            updated_at: micros(self.created_at),
            mac: Vec::new(),
        }
    }
}

/// What is to change of a webhook. `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// A new name.
    pub name: Option<String>,
    /// A new place.
    pub url: Option<String>,
    /// Other events; none for all.
    pub events: Option<Vec<EventKind>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
    /// Secrets sealed for the next version, and until when the one before signs, too.
    pub secrets: Option<(Vec<u8>, Option<DateTime<Utc>>)>,
}

impl Store {
    /// Keeps a webhook and remembers the answer to the request for it: both or nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the user, [`StoreError::LimitReached`], [`Conflict::IdempotencyKey`].
    pub async fn create_webhook(
        &self,
        new: NewWebhook,
        answer: Option<Remembered>,
    ) -> Result<webhook::Model, StoreError> {
        let transaction = self.begin().await?;
        self.locked_user(&transaction, new.user_id).await?;
        let own = webhook::Entity::find().filter(webhook::COLUMN.user_id.eq(new.user_id));
        if own.count(&transaction).await? >= MAX_WEBHOOKS.into() {
            return Err(StoreError::LimitReached { what: Limit::Webhooks, limit: MAX_WEBHOOKS });
        }
        let mut row = new.row();
        row.key_id = self.count_seal(&transaction, &row.sealed).await?;
        let row = self.insert(&transaction, row).await?;
        if let Some(answer) = answer {
            self.insert_answer(&transaction, answer).await?;
        }
        transaction.commit().await?;
        Ok(row)
    }

    /// One webhook, to work with; with `owner` only if it is theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Altered`] if somebody else changed it.
    pub async fn webhook(&self, id: Uuid, owner: Option<Uuid>) -> Result<webhook::Model, StoreError> {
        Ok(self.intact(self.webhook_as_stored(id, owner).await?)?.into_row())
    }

    /// One webhook, to show or to delete; with `owner` only if it is theirs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn webhook_as_stored(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
    ) -> Result<webhook::Model, StoreError> {
        let row = webhook::Entity::find_by_id(id).one(&self.reader).await?;
        row.filter(|row| owner.is_none_or(|owner| row.user_id == owner))
            .ok_or(StoreError::NotFound(Noun::Webhook))
    }

    /// Whether somebody else changed this webhook.
    #[must_use]
    pub fn is_forged(&self, row: &webhook::Model) -> bool {
        self.intact(row.clone()).is_err()
    }

    /// Webhooks, newest first; with `owner` only theirs.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn webhooks(
        &self,
        owner: Option<Uuid>,
        page: &PageRequest,
    ) -> Result<Page<webhook::Model>, StoreError> {
        let mut query = webhook::Entity::find().order_by_desc(webhook::Column::Id).limit(page.limit() + 1);
        if let Some(owner) = owner {
            query = query.filter(webhook::COLUMN.user_id.eq(owner));
        }
        if let Some(id) = page.after_id()? {
            query = query.filter(webhook::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Id(row.id)))
    }

    /// Changes a webhook that is at version `expected`. One that is disabled gives up what waits for it; one that
    /// is enabled again has not failed yet.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`Conflict::Version`], [`Conflict::KeyReplaced`].
    pub async fn change_webhook(
        &self,
        id: Uuid,
        expected: i64,
        change: WebhookChange,
        now: DateTime<Utc>,
    ) -> Result<webhook::Model, StoreError> {
        let transaction = self.begin().await?;
        let row = self.intact(held(&transaction, id).await?)?;
        if row.version != expected {
            return Err(Conflict::Version { expected, found: row.version }.into());
        }
        let mut row = row.change();
        if let Some(name) = change.name {
            row.name = Set(name);
        }
        if let Some(url) = change.url {
            row.url = Set(url);
        }
        if let Some(events) = change.events {
            row.events = Set(EventKind::join(&events));
        }
        if let Some((sealed, previous_until)) = change.secrets {
            row.key_id = Set(self.count_seal(&transaction, &sealed).await?);
            row.sealed = Set(sealed);
            row.version = Set(expected + 1);
            row.previous_until = Set(previous_until.map(micros));
        }
        if let Some(enabled) = change.enabled {
            row.enabled = Set(enabled);
            row.failing_since = Set(None);
            row.disabled_reason = Set(None);
        }
        row.updated_at = Set(micros(now));
        let row = self.update(&transaction, row).await?;
        if !row.enabled {
            give_up_pending(&transaction, id, now).await?;
        }
        transaction.commit().await?;
        // A secret that was replaced must not be found in the files.
        self.wipe_deleted().await?;
        Ok(row)
    }

    /// Deletes a webhook with all that waits for it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delete_webhook(&self, id: Uuid) -> Result<(), StoreError> {
        let deleted = webhook::Entity::delete_by_id(id).exec(&self.writer).await?;
        if deleted.rows_affected == 0 {
            return Err(StoreError::NotFound(Noun::Webhook));
        }
        self.wipe_deleted().await
    }

    /// The webhooks that hear of things of these users: their own, and those for everything whose owner is an
    /// administrator still. What somebody else changed is none.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn receivers(&self, users: &[Uuid]) -> Result<Vec<webhook::Model>, StoreError> {
        let own = webhook::COLUMN.user_id.is_in(users.iter().copied());
        let rows = webhook::Entity::find()
            .filter(webhook::Column::Enabled.eq(true))
            .filter(Condition::any().add(own).add(webhook::COLUMN.scope.eq(Reach::All.as_str())))
            .order_by_asc(webhook::Column::Id)
            .all(&self.reader)
            .await?;
        let mut receivers = Vec::with_capacity(rows.len());
        for row in rows.into_iter().filter_map(|row| self.intact(row).ok()) {
            let row = row.into_row();
            if row.scope == Reach::All.as_str() {
                let admin = self.user(row.user_id).await.and_then(|user| Role::of(&user));
                match admin {
                    Ok(Role::Admin) => {}
                    Ok(Role::Operator | Role::User)
                    | Err(StoreError::NotFound(_) | StoreError::Altered { .. }) => continue,
                    Err(error) => return Err(error),
                }
            }
            receivers.push(row);
        }
        Ok(receivers)
    }
}

/// The webhook, held against other writers.
pub(super) async fn held(connection: &impl ConnectionTrait, id: Uuid) -> Result<webhook::Model, StoreError> {
    let query = webhook::Entity::find_by_id(id).lock_exclusive();
    query.one(connection).await?.ok_or(StoreError::NotFound(Noun::Webhook))
}
