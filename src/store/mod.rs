//! What the daemon remembers: users, tokens, types, sealed credentials, instances and their history.
//!
//! [`Store`] is the only way to the database, and this folder the only place that names the ORM. Each method
//! is one transaction that either happened or did not, and fails with a [`StoreError`] that says what a caller
//! can do about it. Rows come back as the models of `minimcp_entities`.
//!
//! The store never decides what is right for an instance, never looks at a clock and never opens a secret:
//! times are given to it, credentials come sealed, tokens come hashed. It has the vault for two things only: to
//! prove rows, and to give each new user a key in the same transaction.

mod backup;
mod credentials;
mod deliveries;
mod error;
mod idempotency;
mod identities;
mod instances;
mod integrity;
mod journal;
mod keys;
mod leases;
mod location;
mod page;
mod peek;
mod postgres;
mod reminders;
mod rotation;
mod settings;
mod sqlite;
mod tokens;
mod transitions;
mod trends;
mod types;
mod users;
mod webhooks;
mod wishes;

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use minimcp_migrations::{Migrator, MigratorTrait};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::RwLock;

pub use backup::{BackupError, Draft, back_up};
pub use credentials::{CredentialFilter, NewCredential, SealedFields};
pub use deliveries::{MAX_PENDING, NewDelivery, Settled};
pub use error::{Conflict, Limit, Noun, StoreError};
pub use idempotency::Remembered;
pub use identities::NewIdentity;
pub use instances::{InstanceFilter, NewInstance};
pub use journal::{Applied, Entry, RuntimeState, Seen};
pub use keys::SealedRecords;
pub use leases::RunningLease;
pub use location::Location;
pub use page::{Cursor, Page, PageRequest};
pub use peek::{Peek, peek};
pub use reminders::{Expiring, NewReminder, Reminder};
pub use settings::{DEPLOYMENT_ID, KEY_CHECK, ROTATION};
pub use tokens::NewToken;
pub use users::{NewUser, Quota, Role, Usage, UserChange};
pub use webhooks::{NewWebhook, WebhookChange};
pub use wishes::Desired;

use crate::vault::Vault;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    /// On SQLite a single connection, so that writers queue here rather than on a file lock.
    writer: DatabaseConnection,
    /// Sees what was committed. On PostgreSQL the same pool as `writer`.
    reader: DatabaseConnection,
    vault: Vault,
    /// Held for writing while the keyring moves to another master key, for reading while a key joins it.
    rewrapping: Arc<RwLock<()>>,
}

impl Store {
    /// Connects with the vault of the deployment, and makes the SQLite file where there is none. The schema is left as it is: see [`Self::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be reached, [`StoreError::Unsafe`] if it does not
    /// keep the promises that this store makes about power loss and deleted data.
    pub async fn open(location: &Location, vault: Vault) -> Result<Self, StoreError> {
        let (writer, reader) = match location {
            Location::Sqlite(path) => (sqlite::writer(path).await?, sqlite::readers(path).await?),
            Location::Postgres(url) => {
                let pool = postgres::connect(url).await?;
                (pool.clone(), pool)
            }
        };
        Ok(Self { writer, reader, vault, rewrapping: Arc::default() })
    }

    /// Brings the schema to the newest version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Rejected`]; the latter also if the schema is newer than
    /// this program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(Migrator::up(&self.writer, None).await?)
    }

    /// Takes all migrations back, and all data with them.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn unmigrate(&self) -> Result<(), StoreError> {
        Ok(Migrator::down(&self.writer, None).await?)
    }

    /// Whether the database answers, for the readiness probe.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.writer.ping().await?;
        Ok(self.reader.ping().await?)
    }

    /// Closes every connection of this store and its clones.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if a connection could not be closed.
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close().await?;
        Ok(self.writer.close().await?)
    }

    /// Wipes what was deleted from the files of the database, as far as it has such.
    async fn wipe_deleted(&self) -> Result<(), StoreError> {
        match self.writer.get_database_backend() {
            DbBackend::Sqlite => sqlite::empty_log(&self.writer).await,
            _ => Ok(()),
        }
    }

    /// A transaction that may write. It is rolled back when dropped.
    ///
    /// Whatever answers the rows that it has written needs one: SQLite commits a single statement when the last row
    /// was read, and the driver, which reads the first only, does not look whether that succeeded.
    async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        // A deferred transaction of SQLite that reads first can be refused the right to write later on.
        let sqlite_transaction_mode = match self.writer.get_database_backend() {
            DbBackend::Sqlite => Some(SqliteTransactionMode::Immediate),
            _ => None,
        };
        let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
        Ok(self.writer.begin_with_options(options).await?)
    }
}

/// Cut to microseconds, which is what PostgreSQL keeps, so that a row reads back as it was written.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}
