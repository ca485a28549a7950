//! The history of instances, to read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use minimcp_entities::transition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Cursor, Page, PageRequest, Store, StoreError, micros};

impl Store {
    /// The transitions of an instance, newest first.
    ///
    /// # Errors
    /// [`StoreError::InvalidCursor`].
    pub async fn transitions(
        &self,
        instance_id: Uuid,
        page: &PageRequest,
    ) -> Result<Page<transition::Model>, StoreError> {
        let mut query = transition::Entity::find()
            .filter(transition::COLUMN.instance_id.eq(instance_id))
            .order_by_desc(transition::Column::Seq)
            .limit(page.limit() + 1);
        if let Some(seq) = page.after_number()? {
            query = query.filter(transition::COLUMN.seq.lt(seq));
        }
        Ok(Page::cut(query.all(&self.reader).await?, page, |row| Cursor::Number(row.seq)))
    }

    /// What happened after the transition with this id, oldest first and at most `limit` of it; with `owner`
    /// only to their instances. For readers that were away.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn transitions_after(
        &self,
        id: i64,
        owner: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<transition::Model>, StoreError> {
        let mut query = transition::Entity::find()
            .filter(transition::COLUMN.id.gt(id))
            .order_by_asc(transition::Column::Id)
            .limit(limit);
        if let Some(owner) = owner {
            query = query.filter(transition::COLUMN.user_id.eq(owner));
        }
        Ok(query.all(&self.reader).await?)
    }

    /// The id of the newest transition, 0 if there is none: where a reader begins who wants nothing old.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn newest_transition(&self) -> Result<i64, StoreError> {
        let query = transition::Entity::find().select_only().column(transition::Column::Id);
        let newest =
            query.order_by_desc(transition::Column::Id).into_tuple::<i64>().one(&self.reader).await?;
        Ok(newest.unwrap_or_default())
    }

    /// The last number given to a transition of each instance that has one, to go on counting from.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn last_seqs(&self) -> Result<HashMap<Uuid, i64>, StoreError> {
        let rows = transition::Entity::find()
            .select_only()
            .column(transition::Column::InstanceId)
            .column_as(transition::Column::Seq.max(), "seq")
            .group_by(transition::Column::InstanceId)
            .into_tuple::<(Uuid, i64)>()
            .all(&self.reader)
            .await?;
        Ok(rows.into_iter().collect())
    }

    /// Forgets transitions from before a time, but the last of each instance, and says how many they were.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn forget_transitions_before(&self, time: DateTime<Utc>) -> Result<u64, StoreError> {
        let newest = transition::Entity::find()
            .select_only()
            .column_as(transition::Column::Id.max(), "id")
            .group_by(transition::Column::InstanceId);
        let deleted = transition::Entity::delete_many()
            .filter(transition::COLUMN.at.lt(micros(time)))
            .filter(transition::Column::Id.not_in_subquery(sea_orm::QueryTrait::into_query(newest)))
            .exec(&self.writer)
            .await?;
        Ok(deleted.rows_affected)
    }
}
