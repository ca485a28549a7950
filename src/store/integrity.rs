//! Proof that nobody else changed a row from which a right follows.
//!
//! Whoever can write into the database file, and bits that flip on a disk, could make a user an administrator,
//! let a revoked token in again or hand an instance to somebody else. So such a row carries an HMAC over its
//! table, its id and the columns named below, under a key that is not in the database. It is written with every
//! change and asked for wherever a right follows from the row. To protect one more column, name it in the list.
//!
//! A row can only be changed by way of [`Intact`], so a change never makes a forged row a proven one. Statements
//! that touch none of the columns below, such as the journal's, need none of this.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use minimcp_entities::{api_token, identity, mcp_credential, mcp_instance, user, webhook};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait,
    Set, TryIntoModel,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Noun, Store, StoreError};

/// A row from which a right follows.
pub(super) trait Protected:
    ModelTrait<Entity: EntityTrait<Model = Self>> + IntoActiveModel<Self::Active>
{
    type Active: ActiveModelTrait<Entity = Self::Entity> + ActiveModelBehavior + TryIntoModel<Self> + Send;
    const NOUN: Noun;

    fn id(&self) -> Uuid;
    fn mac(&self) -> &[u8];
    /// Table, id and protected columns, each with its name.
    fn protected(&self) -> Vec<u8>;
    fn set_mac(row: &mut Self::Active, mac: [u8; 32]);
}

macro_rules! protect {
    ($($table:literal, $entity:ident, $noun:ident: $($column:ident),+;)+) => {$(
        impl Protected for $entity::Model {
            type Active = $entity::ActiveModel;
            const NOUN: Noun = Noun::$noun;

            fn id(&self) -> Uuid {
                self.id
            }

            fn mac(&self) -> &[u8] {
                &self.mac
            }

            fn protected(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                $table.write(&mut bytes);
                self.id.write(&mut bytes);
                $(stringify!($column).write(&mut bytes);
                self.$column.write(&mut bytes);)+
                bytes
            }

            fn set_mac(row: &mut Self::Active, mac: [u8; 32]) {
                row.mac = Set(mac.to_vec());
            }
        }
    )+};
}

protect! {
    "users", user, User: role, max_instances, max_running, max_credentials;
    "identities", identity, User: issuer, subject, user_id;
    "api_tokens", api_token, Token: user_id, token_hash, expires_at, revoked_at;
    "mcp_credentials", mcp_credential, Credential: user_id, mcp_type, version, sealed, expires_at, on_expiry;
    "mcp_instances", mcp_instance, Instance: user_id, mcp_type, credential_id, expires_at,
        token_hash, previous_token_hash, previous_token_until;
    "webhooks", webhook, Webhook: user_id, url, scope, version, sealed, previous_until;
}

/// A value as bytes that no other value has and that cannot run into what follows.
trait Write {
    fn write(&self, bytes: &mut Vec<u8>);
}

impl Write for [u8] {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(self.len() as u64).to_be_bytes());
        bytes.extend_from_slice(self);
    }
}

impl Write for Vec<u8> {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.as_slice().write(bytes);
    }
}

impl Write for str {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.as_bytes().write(bytes);
    }
}

impl Write for String {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.as_bytes().write(bytes);
    }
}

impl Write for Uuid {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.as_bytes());
    }
}

impl Write for i64 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_be_bytes());
    }
}

impl Write for DateTime<Utc> {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.timestamp_micros().write(bytes);
    }
}

impl<T: Write> Write for Option<T> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.write(bytes);
        }
    }
}

/// A row that is as this program wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intact<M>(M);

impl<M: Protected> Intact<M> {
    pub(super) fn into_row(self) -> M {
        self.0
    }

    /// The row, to be changed and given to [`Store::update`].
    pub(super) fn change(self) -> Change<M> {
        Change(self.0.into_active_model())
    }
}

impl<M> Deref for Intact<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

/// A row that was intact and is being changed.
pub(super) struct Change<M: Protected>(M::Active);

impl<M: Protected> Deref for Change<M> {
    type Target = M::Active;

    fn deref(&self) -> &M::Active {
        &self.0
    }
}

impl<M: Protected> DerefMut for Change<M> {
    fn deref_mut(&mut self) -> &mut M::Active {
        &mut self.0
    }
}

impl Store {
    /// The row, if it is as this program wrote it.
    pub(super) fn intact<M: Protected>(&self, row: M) -> Result<Intact<M>, StoreError> {
        let proof = self.vault.row_mac(&row.protected());
        if bool::from(proof.as_slice().ct_eq(row.mac())) {
            Ok(Intact(row))
        } else {
            Err(StoreError::Altered { what: M::NOUN, id: row.id() })
        }
    }

    /// Inserts a row with its proof.
    pub(super) async fn insert<M: Protected>(
        &self,
        connection: &impl ConnectionTrait,
        row: M,
    ) -> Result<M, DbErr> {
        let proof = self.vault.row_mac(&row.protected());
        let mut row = row.into_active_model();
        M::set_mac(&mut row, proof);
        row.insert(connection).await
    }

    /// Writes what was changed, and the proof of the row as it is then.
    pub(super) async fn update<M: Protected>(
        &self,
        connection: &impl ConnectionTrait,
        change: Change<M>,
    ) -> Result<M, DbErr> {
        let Change(mut row) = change;
        let proof = self.vault.row_mac(&row.clone().try_into_model()?.protected());
        M::set_mac(&mut row, proof);
        row.update(connection).await
    }

    /// Every row that somebody else changed. Reads all rows from which a right follows.
    ///
    /// # Errors
    /// Only what every method can fail with.
    pub async fn altered_rows(&self) -> Result<Vec<(Noun, Uuid)>, StoreError> {
        let mut altered = Vec::new();
        self.look_through::<user::Model>(&mut altered).await?;
        self.look_through::<identity::Model>(&mut altered).await?;
        self.look_through::<api_token::Model>(&mut altered).await?;
        self.look_through::<mcp_credential::Model>(&mut altered).await?;
        self.look_through::<mcp_instance::Model>(&mut altered).await?;
        self.look_through::<webhook::Model>(&mut altered).await?;
        Ok(altered)
    }

    async fn look_through<M: Protected>(&self, altered: &mut Vec<(Noun, Uuid)>) -> Result<(), StoreError> {
        for row in M::Entity::find().all(&self.reader).await? {
            match self.intact(row) {
                Err(StoreError::Altered { what, id }) => altered.push((what, id)),
                other => drop(other?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Protected, user};
    use chrono::DateTime;
    use uuid::Uuid;

    fn row() -> user::Model {
        user::Model {
            id: Uuid::from_u128(1),
            name: "joe".into(),
            role: "user".into(),
            max_instances: None,
            max_running: Some(3),
            max_credentials: None,
            created_at: DateTime::UNIX_EPOCH,
            mac: Vec::new(),
        }
    }

    #[test]
    fn every_protected_column_counts_and_no_value_runs_into_the_next() {
        let of = |change: &dyn Fn(&mut user::Model)| {
            let mut row = row();
            change(&mut row);
            row.protected()
        };
        let same = of(&|row| row.name = "ann".into());
        assert_eq!(same, of(&|_| {}), "a name gives no right");
        let different: [&dyn Fn(&mut user::Model); 5] = [
            &|row| row.id = Uuid::from_u128(2),
            &|row| row.role = "admin".into(),
            &|row| row.max_instances = Some(3),
            &|row| row.max_running = None,
            &|row| (row.max_running, row.max_credentials) = (None, Some(3)),
        ];
        for (n, change) in different.into_iter().enumerate() {
            assert_ne!(of(change), same, "{n}");
        }
    }
}
