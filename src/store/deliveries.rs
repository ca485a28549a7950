//! Events on their way to webhooks: a queue that survives whatever happens to the daemon.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use minimcp_entities::{webhook, webhook_delivery};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::settings::put;
use super::webhooks::held;
use super::{Cursor, Noun, Page, PageRequest, Store, StoreError, micros};
use crate::webhooks::{DeliveryState, EventKind};

/// Events that wait for one webhook at most.
pub const MAX_PENDING: u64 = 1_000;
/// Events that are remembered of one webhook once they are delivered or given up, at most.
const MAX_FINISHED: u64 = 500;
/// The name of the note how far the histories were turned into deliveries.
const PLACE: &str = "webhooks_place";

/// An event for one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The receiver.
    pub webhook_id: Uuid,
    /// What happened.
    pub event: EventKind,
    /// What tells the event from every other one, at most 128 bytes.
    pub key: String,
    /// The body.
    pub payload: String,
    /// Now, which is when it is due, too.
    pub at: DateTime<Utc>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The delivery.
    pub id: Uuid,
    /// Its webhook.
    pub webhook_id: Uuid,
    /// Where it stands now.
    pub state: DeliveryState,
    /// When it is to be sent again, if it is pending.
    pub next_at: Option<DateTime<Utc>>,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// Why the webhook is to be disabled, if it is.
    pub disable: Option<String>,
    /// When the attempt ended.
    pub at: DateTime<Utc>,
}

impl Store {
    /// Queues events, and notes with them how far the histories were read: both or nothing. An event that is queued
    /// already stays as it is; one too many for its webhook is left out and counted. Answers how many are new.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn queue_deliveries(
        &self,
        deliveries: Vec<NewDelivery>,
        place: Option<&str>,
    ) -> Result<u64, StoreError> {
        let transaction = self.begin().await?;
        let mut waiting: HashMap<Uuid, u64> = HashMap::new();
        let mut queued = 0;
        for new in deliveries {
            let id = new.webhook_id;
            let waiting = match waiting.entry(id) {
                Entry::Occupied(counted) => counted.into_mut(),
                Entry::Vacant(first) => {
                    match held(&transaction, id).await {
                        Ok(row) if row.enabled => {}
                        Ok(_) | Err(StoreError::NotFound(_)) => continue,
                        Err(error) => return Err(error),
                    }
                    first.insert(pending_of(&transaction, id).await?)
                }
            };
            if *waiting >= MAX_PENDING {
                webhook::Entity::update_many()
                    .col_expr(webhook::Column::Dropped, Expr::col(webhook::Column::Dropped).add(1))
                    .filter(webhook::COLUMN.id.eq(id))
                    .exec(&transaction)
                    .await?;
            } else if insert(&transaction, new).await? {
                *waiting += 1;
                queued += 1;
            }
        }
        if let Some(place) = place {
            put(&transaction, PLACE, place.as_bytes().to_vec()).await?;
        }
        transaction.commit().await?;
        Ok(queued)
    }

    /// How far the histories were turned into deliveries, as it was noted last.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn webhooks_place(&self) -> Result<Option<String>, StoreError> {
        let place = self.setting(PLACE).await?;
        Ok(place.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// The delivery that has been due longest of each webhook that has one and is not `busy`, of at most `limit`
    /// webhooks.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn due_deliveries(
        &self,
        now: DateTime<Utc>,
        busy: &[Uuid],
        limit: u64,
    ) -> Result<Vec<webhook_delivery::Model>, StoreError> {
        let ids: Vec<Uuid> = pending()
            .select_only()
            .column(webhook_delivery::Column::WebhookId)
            .filter(webhook_delivery::Column::NextAt.lte(micros(now)))
            .filter(webhook_delivery::COLUMN.webhook_id.is_not_in(busy.iter().copied()))
            .group_by(webhook_delivery::Column::WebhookId)
            .order_by_asc(webhook_delivery::Column::NextAt.min())
            .limit(limit)
            .into_tuple()
            .all(&self.reader)
            .await?;
        let mut due = Vec::with_capacity(ids.len());
        for id in ids {
            let first = pending()
                .filter(webhook_delivery::COLUMN.webhook_id.eq(id))
                .filter(webhook_delivery::Column::NextAt.lte(micros(now)))
                .order_by_asc(webhook_delivery::Column::NextAt)
                .order_by_asc(webhook_delivery::Column::Id);
            due.extend(first.one(&self.reader).await?);
        }
        Ok(due)
    }

    /// When the next delivery to a webhook that is not `busy` is due.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn next_delivery_at(&self, busy: &[Uuid]) -> Result<Option<DateTime<Utc>>, StoreError> {
        let first = pending()
            .filter(webhook_delivery::COLUMN.webhook_id.is_not_in(busy.iter().copied()))
            .order_by_asc(webhook_delivery::Column::NextAt);
        Ok(first.one(&self.reader).await?.map(|row| row.next_at))
    }

    /// Notes what came of an attempt, for the delivery and for its webhook.
    ///
    /// # Errors
    /// Only what every method can fail with; a delivery that is gone is nobody's business any more.
    pub async fn settle_delivery(&self, settled: &Settled) -> Result<(), StoreError> {
        use webhook_delivery::Column as Of;
        let at = micros(settled.at);
        let finished = (settled.state != DeliveryState::Pending).then_some(at);
        let transaction = self.begin().await?;
        let mut change = webhook_delivery::Entity::update_many()
            .col_expr(Of::State, Expr::value(settled.state.as_str()))
            .col_expr(Of::Attempts, Expr::col(Of::Attempts).add(1))
            .col_expr(Of::LastAttemptAt, Expr::value(Some(at)))
            .col_expr(Of::LastStatus, Expr::value(settled.status.map(i32::from)))
            .col_expr(Of::LastError, Expr::value(settled.error.clone()))
            .col_expr(Of::FinishedAt, Expr::value(finished));
        if let Some(next) = settled.next_at {
            change = change.col_expr(Of::NextAt, Expr::value(micros(next)));
        }
        change.filter(webhook_delivery::COLUMN.id.eq(settled.id)).exec(&transaction).await?;

        let of = webhook::Entity::update_many().filter(webhook::COLUMN.id.eq(settled.webhook_id));
        let of = if settled.state == DeliveryState::Delivered {
            of.col_expr(webhook::Column::FailingSince, Expr::value(None::<DateTime<Utc>>))
        } else {
            let since = Expr::col(webhook::Column::FailingSince).if_null(Expr::value(at));
            of.col_expr(webhook::Column::FailingSince, since)
        };
        let of = match &settled.disable {
            Some(reason) => of
                .col_expr(webhook::Column::Enabled, Expr::value(false))
                .col_expr(webhook::Column::DisabledReason, Expr::value(Some(reason.clone()))),
            None => of,
        };
        of.exec(&transaction).await?;
        if settled.disable.is_some() {
            give_up_pending(&transaction, settled.webhook_id, settled.at).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What was sent to a webhook and what waits for it, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn deliveries(
        &self,
        webhook_id: Uuid,
        page: &PageRequest,
    ) -> Result<Page<webhook_delivery::Model>, StoreError> {
        let mut query = webhook_delivery::Entity::find()
            .filter(webhook_delivery::COLUMN.webhook_id.eq(webhook_id))
            .order_by_desc(webhook_delivery::Column::Id)
            .limit(page.limit() + 1);
        if let Some(id) = page.after_id()? {
            query = query.filter(webhook_delivery::COLUMN.id.lt(id));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Id(row.id)))
    }

    /// The delivery of one event to one webhook.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn delivery(&self, webhook_id: Uuid, key: &str) -> Result<webhook_delivery::Model, StoreError> {
        let query = webhook_delivery::Entity::find()
            .filter(webhook_delivery::COLUMN.webhook_id.eq(webhook_id))
            .filter(webhook_delivery::COLUMN.event_key.eq(key));
        query.one(&self.reader).await?.ok_or(StoreError::NotFound(Noun::Webhook))
    }

    /// How many events wait for a webhook.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn pending_deliveries(&self, webhook_id: Uuid) -> Result<u64, StoreError> {
        pending_of(&self.reader, webhook_id).await
    }

    /// Forgets what was delivered or given up before a time, and of each webhook all but the newest 500 of it.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_deliveries_before(&self, time: DateTime<Utc>) -> Result<(), StoreError> {
        let finished = || webhook_delivery::Column::State.ne(DeliveryState::Pending.as_str());
        webhook_delivery::Entity::delete_many()
            .filter(finished())
            .filter(webhook_delivery::Column::FinishedAt.lt(micros(time)))
            .exec(&self.writer)
            .await?;
        let many: Vec<Uuid> = webhook_delivery::Entity::find()
            .select_only()
            .column(webhook_delivery::Column::WebhookId)
            .filter(finished())
            .group_by(webhook_delivery::Column::WebhookId)
            .having(webhook_delivery::Column::Id.count().gt(i64::try_from(MAX_FINISHED).unwrap_or(i64::MAX)))
            .into_tuple()
            .all(&self.reader)
            .await?;
        for id in many {
            let of = || finished().and(webhook_delivery::COLUMN.webhook_id.eq(id));
            let last = webhook_delivery::Entity::find()
                .filter(of())
                .order_by_desc(webhook_delivery::Column::Id)
                .offset(MAX_FINISHED)
                .one(&self.reader)
                .await?;
            if let Some(last) = last {
                webhook_delivery::Entity::delete_many()
                    .filter(of())
                    .filter(webhook_delivery::COLUMN.id.lte(last.id))
                    .exec(&self.writer)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Marks all that waits for a webhook as failed, because it is disabled.
pub(super) async fn give_up_pending(
    connection: &impl ConnectionTrait,
    webhook_id: Uuid,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    use webhook_delivery::Column as Of;
    webhook_delivery::Entity::update_many()
        .col_expr(Of::State, Expr::value(DeliveryState::Failed.as_str()))
        .col_expr(Of::LastError, Expr::value(Some("the webhook was disabled".to_owned())))
        .col_expr(Of::FinishedAt, Expr::value(Some(micros(at))))
        .filter(webhook_delivery::COLUMN.webhook_id.eq(webhook_id))
        .filter(Of::State.eq(DeliveryState::Pending.as_str()))
        .exec(connection)
        .await?;
    Ok(())
}

fn pending() -> sea_orm::Select<webhook_delivery::Entity> {
    webhook_delivery::Entity::find()
        .filter(webhook_delivery::Column::State.eq(DeliveryState::Pending.as_str()))
}

async fn pending_of(connection: &impl ConnectionTrait, webhook_id: Uuid) -> Result<u64, StoreError> {
    Ok(pending().filter(webhook_delivery::COLUMN.webhook_id.eq(webhook_id)).count(connection).await?)
}

/// Adds a delivery and says whether it was new.
async fn insert(connection: &impl ConnectionTrait, new: NewDelivery) -> Result<bool, StoreError> {
    let row = webhook_delivery::Model {
        id: Uuid::now_v7(),
        webhook_id: new.webhook_id,
        event: new.event.as_str().to_owned(),
        event_key: new.key,
        payload: new.payload,
        state: DeliveryState::Pending.as_str().to_owned(),
        attempts: 0,
        next_at: micros(new.at),
        last_attempt_at: None,
        last_status: None,
        last_error: None,
        created_at: micros(new.at),
        finished_at: None,
    };
    let inserted = webhook_delivery::Entity::insert(row.into_active_model())
        .on_conflict_do_nothing_on([webhook_delivery::Column::WebhookId, webhook_delivery::Column::EventKey])
        .exec_without_returning(connection)
        .await?;
    Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
}
