//! What was seen of instances, written in batches by the journal.
//!
//! A batch may be written twice, because the journal does not know whether a commit that failed to answer
//! happened: an entry that is stored already changes nothing, and an older one never overwrites a newer.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use minimcp_actors::state::{Cause, Run, Status};
use minimcp_entities::{mcp_instance, transition};
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    QueryFilter, QueryOrder, QuerySelect, Set,
};
use uuid::Uuid;

use super::{Store, StoreError, micros};

/// All that the journal writes about an instance. It replaces what was there, but for three things that a daemon
/// does not know of the time before it: `None` leaves `started_at`, `restored_at` and `last_exit` as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeState {
    /// Where it stands.
    pub status: Status,
    /// What led there.
    pub cause: Option<Cause>,
    /// What led there, in words. Never holds a secret.
    pub reason: String,
    /// Its newest run.
    pub run: Run,
    /// Process id of that run, while there is one.
    pub process_id: Option<u32>,
    /// Port of that run, while there is one.
    pub assigned_port: Option<u16>,
    /// When that run was launched.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last came to an end.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When it was last brought back or found again.
    pub restored_at: Option<DateTime<Utc>>,
    /// Runs after the first that nobody asked for.
    pub restarts_total: u64,
    /// How its last process ended: an object.
    pub last_exit: Option<Json>,
}

/// One transition and the state it led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The instance.
    pub instance_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// Unique for the instance, over all lives of the daemon, and growing: see [`Store::last_seqs`].
    pub seq: i64,
    /// The status before; `None` for the first.
    pub from: Option<Status>,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The instance after it.
    pub state: RuntimeState,
}

/// When an instance was last probed and last called. `None` leaves the time as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The instance.
    pub instance_id: Uuid,
    /// When its health was last checked.
    pub checked_at: Option<DateTime<Utc>>,
    /// When it was last called.
    pub accessed_at: Option<DateTime<Utc>>,
}

/// What became of the entries of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Entries that were new.
    pub written: usize,
    /// Entries that were stored already.
    pub repeated: usize,
    /// Entries of instances that are deleted.
    pub orphaned: usize,
}

impl Store {
    /// Writes a batch in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: then nothing was written, or all of it and the answer was lost.
    pub async fn apply(&self, entries: &[Entry]) -> Result<Applied, StoreError> {
        let transaction = self.begin().await?;
        let known = existing(&transaction, entries).await?;
        let mut applied = Applied::default();
        for entry in entries {
            if !known.contains(&entry.instance_id) {
                applied.orphaned += 1;
            } else if record(&transaction, entry).await? {
                update(&transaction, entry).await?;
                applied.written += 1;
            } else {
                applied.repeated += 1;
            }
        }
        transaction.commit().await?;
        Ok(applied)
    }

    /// Notes when instances were last probed and called, in one transaction. Those that are gone are skipped.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn touch_instances(&self, seen: &[Seen]) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        for seen in seen {
            let mut change = <mcp_instance::ActiveModel as Default>::default();
            if let Some(at) = seen.checked_at {
                change.last_checked_at = Set(Some(micros(at)));
            }
            if let Some(at) = seen.accessed_at {
                change.last_accessed_at = Set(Some(micros(at)));
            }
            if change.is_changed() {
                mcp_instance::Entity::update_many()
                    .set(change)
                    .filter(mcp_instance::COLUMN.id.eq(seen.instance_id))
                    .exec(&transaction)
                    .await?;
            }
        }
        Ok(transaction.commit().await?)
    }
}

/// Which of the instances exist, held so that they still do at the end of the transaction.
async fn existing(
    transaction: &DatabaseTransaction,
    entries: &[Entry],
) -> Result<BTreeSet<Uuid>, StoreError> {
    let ids: BTreeSet<Uuid> = entries.iter().map(|entry| entry.instance_id).collect();
    let ids = mcp_instance::Entity::find()
        .select_only()
        .column(mcp_instance::Column::Id)
        .filter(mcp_instance::COLUMN.id.is_in(ids))
        .order_by_asc(mcp_instance::Column::Id)
        .lock_exclusive()
        .into_tuple::<Uuid>()
        .all(transaction)
        .await?;
    Ok(ids.into_iter().collect())
}

/// Adds the transition and says whether it was new.
async fn record(connection: &impl ConnectionTrait, entry: &Entry) -> Result<bool, StoreError> {
    let row = transition::ActiveModel {
        id: ActiveValue::NotSet,
        instance_id: Set(entry.instance_id),
        user_id: Set(entry.user_id),
        seq: Set(entry.seq),
        run: Set(number(entry.state.run.0)),
        from_status: Set(entry.from.map(|status| status.as_str().to_owned())),
        to_status: Set(entry.state.status.as_str().to_owned()),
        cause: Set(entry.state.cause.map(|cause| cause.as_str().to_owned())),
        reason: Set(entry.state.reason.clone()),
        at: Set(micros(entry.at)),
    };
    let inserted = transition::Entity::insert(row)
        .on_conflict_do_nothing_on([transition::Column::InstanceId, transition::Column::Seq])
        .exec_without_returning(connection)
        .await?;
    Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
}

/// Replaces the state, unless a later transition is recorded.
async fn update(connection: &impl ConnectionTrait, entry: &Entry) -> Result<(), StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from(transition::Entity)
        .and_where(transition::Column::InstanceId.eq(entry.instance_id))
        .and_where(transition::Column::Seq.gt(entry.seq))
        .to_owned();
    let state = &entry.state;
    let change = mcp_instance::ActiveModel {
        status: Set(state.status.as_str().to_owned()),
        cause: Set(state.cause.map(|cause| cause.as_str().to_owned())),
        status_reason: Set(Some(state.reason.clone())),
        generation: Set(number(state.run.0)),
        process_id: Set(state.process_id.and_then(|pid| i32::try_from(pid).ok())),
        assigned_port: Set(state.assigned_port.map(i32::from)),
        started_at: learned(state.started_at.map(micros)),
        stopped_at: Set(state.stopped_at.map(micros)),
        restored_at: learned(state.restored_at.map(micros)),
        restarts_total: Set(number(state.restarts_total)),
        last_exit: learned(state.last_exit.clone()),
        ..Default::default()
    };
    mcp_instance::Entity::update_many()
        .set(change)
        .filter(mcp_instance::COLUMN.id.eq(entry.instance_id))
        .filter(Expr::exists(later).not())
        .exec(connection)
        .await?;
    Ok(())
}

fn learned<T>(value: Option<T>) -> ActiveValue<Option<T>>
where
    Option<T>: Into<sea_orm::Value>,
{
    value.map_or(ActiveValue::NotSet, |value| Set(Some(value)))
}

/// Both databases count to 2^63.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
