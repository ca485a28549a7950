//! Credential sets that expire, and the reminders of it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use minimcp_entities::{credential_reminder, mcp_credential};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use uuid::Uuid;

use super::{Store, StoreError, micros};
use crate::expiry::THRESHOLDS;

/// Sets read at once.
const BATCH: u64 = 200;

/// A credential set that expires, with the reminders of it that were given.
#[derive(Debug, Clone, PartialEq)]
pub struct Expiring {
    /// The set.
    pub credential: mcp_credential::Model,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// Thresholds, in days, of the reminders of this expiry.
    pub sent: Vec<i32>,
}

/// A reminder to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewReminder {
    /// The credential set.
    pub credential_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// Its expiry.
    pub expires_at: DateTime<Utc>,
    /// 30, 7, 1 or 0.
    pub threshold_days: i32,
    /// Now.
    pub at: DateTime<Utc>,
}

/// A reminder as its owner is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    /// What was remembered.
    pub given: credential_reminder::Model,
    /// The set it is about.
    pub credential: mcp_credential::Model,
}

impl Store {
    /// Sets that expire within the longest threshold and were not reminded of the expiry itself: the next 200 by
    /// expiry and id, behind those of `after`.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn expiring(
        &self,
        now: DateTime<Utc>,
        after: Option<(DateTime<Utc>, Uuid)>,
    ) -> Result<Vec<Expiring>, StoreError> {
        use credential_reminder::Column as Given;
        use mcp_credential::Column as Of;
        let told = Query::select()
            .expr(Expr::val(1))
            .from(credential_reminder::Entity)
            .and_where(
                Expr::col((credential_reminder::Entity, Given::CredentialId))
                    .equals((mcp_credential::Entity, Of::Id)),
            )
            .and_where(
                Expr::col((credential_reminder::Entity, Given::ExpiresAt))
                    .equals((mcp_credential::Entity, Of::ExpiresAt)),
            )
            .and_where(Given::ThresholdDays.eq(0))
            .to_owned();
        let mut query = mcp_credential::Entity::find()
            .filter(Of::ExpiresAt.lte(micros(horizon(now))))
            .filter(Expr::exists(told).not())
            .order_by_asc(Of::ExpiresAt)
            .order_by_asc(Of::Id)
            .limit(BATCH);
        if let Some((at, id)) = after {
            query = query.filter(
                Condition::any()
                    .add(Of::ExpiresAt.gt(micros(at)))
                    .add(Condition::all().add(Of::ExpiresAt.eq(micros(at))).add(Of::Id.gt(id))),
            );
        }
        let rows = query.all(&self.reader).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let given = credential_reminder::Entity::find().filter(Given::CredentialId.is_in(ids));
        let mut sent: HashMap<(Uuid, DateTime<Utc>), Vec<i32>> = HashMap::new();
        for reminder in given.all(&self.reader).await? {
            sent.entry((reminder.credential_id, reminder.expires_at))
                .or_default()
                .push(reminder.threshold_days);
        }
        Ok(rows
            .into_iter()
            .filter_map(|credential| {
                let expires_at = credential.expires_at?;
                let sent = sent.remove(&(credential.id, expires_at)).unwrap_or_default();
                Some(Expiring { credential, expires_at, sent })
            })
            .collect())
    }

    /// When the first of the sets that [`Store::expiring`] does not look at yet gets its first reminder.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn next_expiry_beyond_reminders(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let first = mcp_credential::Entity::find()
            .filter(mcp_credential::Column::ExpiresAt.gt(micros(horizon(now))))
            .order_by_asc(mcp_credential::Column::ExpiresAt)
            .one(&self.reader)
            .await?;
        Ok(first.and_then(|row| row.expires_at).map(|at| at - longest()))
    }

    /// Remembers that a reminder is given, and says whether it was not yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] if the set is gone.
    pub async fn remember_reminder(&self, new: NewReminder) -> Result<bool, StoreError> {
        use credential_reminder::Column as Given;
        let row = credential_reminder::ActiveModel {
            id: ActiveValue::NotSet,
            credential_id: Set(new.credential_id),
            user_id: Set(new.user_id),
            expires_at: Set(micros(new.expires_at)),
            threshold_days: Set(new.threshold_days),
            at: Set(micros(new.at)),
        };
        let inserted = credential_reminder::Entity::insert(row)
            .on_conflict_do_nothing_on([Given::CredentialId, Given::ExpiresAt, Given::ThresholdDays])
            .exec_without_returning(&self.writer)
            .await?;
        Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
    }

    /// Reminders given after the one with this id, oldest first and at most `limit` of them; with `owner` only
    /// those of their sets.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn reminders_after(
        &self,
        id: i64,
        owner: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Reminder>, StoreError> {
        let mut query = credential_reminder::Entity::find()
            .filter(credential_reminder::Column::Id.gt(id))
            .order_by_asc(credential_reminder::Column::Id)
            .limit(limit);
        if let Some(owner) = owner {
            query = query.filter(credential_reminder::Column::UserId.eq(owner));
        }
        let given = query.all(&self.reader).await?;
        let ids: Vec<Uuid> = given.iter().map(|reminder| reminder.credential_id).collect();
        let sets = mcp_credential::Entity::find().filter(mcp_credential::Column::Id.is_in(ids));
        let sets = sets.all(&self.reader).await?;
        let by_id: HashMap<Uuid, mcp_credential::Model> = sets.into_iter().map(|set| (set.id, set)).collect();
        // A set that was deleted between the two questions needs no reminder.
        let with_set = |given: credential_reminder::Model| {
            let credential = by_id.get(&given.credential_id)?.clone();
            Some(Reminder { given, credential })
        };
        Ok(given.into_iter().filter_map(with_set).collect())
    }

    /// The id of the newest reminder, 0 if there is none.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn newest_reminder(&self) -> Result<i64, StoreError> {
        let query = credential_reminder::Entity::find().order_by_desc(credential_reminder::Column::Id);
        Ok(query.one(&self.reader).await?.map_or(0, |row| row.id))
    }
}

/// Up to when an expiry is looked at.
fn horizon(now: DateTime<Utc>) -> DateTime<Utc> {
    now + longest()
}

fn longest() -> TimeDelta {
    TimeDelta::days(THRESHOLDS[0].into())
}
