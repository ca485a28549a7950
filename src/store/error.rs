//! Why the store refuses or fails, sorted by what a caller can do about it.

use std::fmt;

use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlErr};
use uuid::Uuid;

use crate::vault::SealError;

/// A refusal or failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row, or it belongs to somebody else.
    #[error("there is no such {0}")]
    NotFound(Noun),
    /// The request does not fit what is stored.
    #[error("{what}")]
    Conflict {
        /// What it does not fit.
        what: Conflict,
    },
    /// The user has as many as allowed.
    #[error("the limit of {limit} {what} is reached")]
    LimitReached {
        /// What there may be no more of.
        what: Limit,
        /// How many there may be.
        limit: u32,
    },
    /// A cursor that this store has not given out.
    #[error("the cursor is not one that a list of this kind has answered")]
    InvalidCursor,
    /// A URL that names neither SQLite nor PostgreSQL.
    #[error("the database URL must begin with sqlite: or postgres://")]
    UnknownDatabase,
    /// The database does not keep what the store promises.
    #[error("the database has {setting} = {found}, but {wanted} is needed")]
    Unsafe {
        /// The setting at fault.
        setting: &'static str,
        /// The value that is needed.
        wanted: &'static str,
        /// The value that is there.
        found: String,
    },
    /// A stored value that this program did not write or no longer understands.
    #[error("column {column} of table {table} holds a value that cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A row from which a right follows is not as this program wrote it.
    #[error("the stored {what} {id} was changed by something else than MiniMCP")]
    Altered {
        /// What it describes.
        what: Noun,
        /// Its id.
        id: Uuid,
    },
    /// No key could be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database cannot be reached, is busy or is going down: the same request may work later.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
    /// The disk of the database is full: the same request may work once there is space.
    #[error("the disk of the database is full")]
    Full(#[source] DbErr),
    /// The file of the database is not whole any more.
    #[error(
        "the database is damaged; stop the daemon and bring back a backup with `minimcp restore --backup FILE`"
    )]
    Damaged(#[source] DbErr),
    /// The database refused a statement: repeating it will not help.
    #[error("the database refused a statement")]
    Rejected(#[source] DbErr),
}

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A user.
    User,
    /// An API token.
    Token,
    /// A type of server.
    Type,
    /// A credential set.
    Credential,
    /// An instance.
    Instance,
    /// A webhook.
    Webhook,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Type => "type",
            Self::Credential => "credential set",
            Self::Instance => "instance",
            Self::Webhook => "webhook",
        })
    }
}

/// What a request does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another user has the name.
    #[error("a user with this name exists already")]
    UserName,
    /// Another type has the name.
    #[error("a type with this name exists already")]
    TypeName,
    /// Another credential set of the user for the type has the name.
    #[error("a credential set of this type with this name exists already")]
    CredentialName,
    /// The idempotency key was used in the meantime.
    #[error("a request with this idempotency key was answered already")]
    IdempotencyKey,
    /// The user still has instances, whose processes would be orphaned.
    #[error("the user still has {instances} instances")]
    UserInUse {
        /// How many.
        instances: u64,
    },
    /// The subject of an issuer has a user already.
    #[error("the subject of the issuer has a user already")]
    Identity,
    /// Nobody would be left to administer.
    #[error("this is the last administrator; make another one first")]
    LastAdministrator,
    /// No administrator would have a token left.
    #[error("this is the last valid token of an administrator; make another one first")]
    LastAdministratorToken,
    /// Instances or credential sets still need the type.
    #[error("{instances} instances and {credentials} credential sets still use this type")]
    TypeInUse {
        /// How many instances.
        instances: u64,
        /// How many credential sets.
        credentials: u64,
    },
    /// Instances still run with the credential set.
    #[error("{instances} instances still use this credential set")]
    CredentialInUse {
        /// How many.
        instances: u64,
    },
    /// The credential set is for another type.
    #[error("the credential set is for another type")]
    CredentialOfOtherType,
    /// The row was changed since it was read.
    #[error("the row is at version {found}, not {expected}: it was changed in the meantime")]
    Version {
        /// The version that the caller had read.
        expected: i64,
        /// The version that is stored.
        found: i64,
    },
    /// The instance is on its way out.
    #[error("the instance is being deleted")]
    BeingDeleted,
    /// What was sealed is under a key that a rotation has removed in the meantime.
    #[error("the data key was replaced in the meantime")]
    KeyReplaced,
    /// The deployment has an identity and a key already.
    #[error("the database was set up by another process in the meantime")]
    Deployment,
}

/// What a user may have only so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Instances, running or not.
    Instances,
    /// Instances that run or are about to.
    Running,
    /// Credential sets.
    Credentials,
    /// Valid API tokens.
    Tokens,
    /// Webhooks.
    Webhooks,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instances => "instances",
            Self::Running => "running instances",
            Self::Credentials => "credential sets",
            Self::Tokens => "valid API tokens",
            Self::Webhooks => "webhooks",
        })
    }
}

impl From<Conflict> for StoreError {
    fn from(what: Conflict) -> Self {
        Self::Conflict { what }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match condition(&error) {
            Some(Condition::Away) => Self::Unavailable(error),
            Some(Condition::Full) => Self::Full(error),
            Some(Condition::Damaged) => Self::Damaged(error),
            None => Self::Rejected(error),
        }
    }
}

impl StoreError {
    /// Whether the same request may work later, without anybody doing anything to the daemon.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

/// Reads a violated unique constraint as `conflict`, where the statement can violate only one.
pub(super) fn on_duplicate(conflict: Conflict) -> impl FnOnce(DbErr) -> StoreError {
    move |error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => conflict.into(),
        _ => error.into(),
    }
}

/// What is wrong with a database that fails a statement which is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Away,
    Full,
    Damaged,
}

fn condition(error: &DbErr) -> Option<Condition> {
    match error {
        DbErr::ConnectionAcquire(_) => Some(Condition::Away),
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => match cause.as_ref() {
            sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::StorageFull => {
                Some(Condition::Full)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Some(Condition::Away),
            sqlx::Error::Database(cause) if is_gone(cause.message()) => Some(Condition::Damaged),
            sqlx::Error::Database(cause) => cause.code().and_then(|code| condition_of_code(&code)),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Some(Condition::Damaged),
            // A connection that cannot be made may be made later, whatever keeps it.
            _ => matches!(error, DbErr::Conn(_)).then_some(Condition::Away),
        },
        // A value is not what its column is for.
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => Some(Condition::Damaged),
        _ => None,
    }
}

/// Whether SQLite, which has one code for all that is wrong with a statement, says that its schema is not ours any more.
fn is_gone(message: &str) -> bool {
    message.starts_with("no such column") || message.starts_with("no such table")
}

/// SQLite's result codes are numbers whose low byte is the primary code; PostgreSQL's are five characters
/// whose first two are the class.
fn condition_of_code(code: &str) -> Option<Condition> {
    if code.len() == 5 {
        return match (&code[..2], code) {
            (_, "53100") => Some(Condition::Full),
            // Data and indices that are corrupted.
            ("XX", "XX001" | "XX002") => Some(Condition::Damaged),
            // Connection, resources, operator intervention, system error, serialisation failure and deadlock.
            ("08" | "53" | "57" | "58", _) | (_, "40001" | "40P01") => Some(Condition::Away),
            _ => None,
        };
    }
    // https://www.sqlite.org/rescode.html
    match code.parse::<u32>().ok()? & 0xff {
        // PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, CANTOPEN.
        3 | 5 | 6 | 7 | 8 | 10 | 14 => Some(Condition::Away),
        // FULL.
        13 => Some(Condition::Full),
        // CORRUPT, NOTADB.
        11 | 26 => Some(Condition::Damaged),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, condition_of_code};

    #[test]
    fn busy_full_lost_and_damaged_databases_are_told_apart_from_statements_that_are_wrong() {
        for (codes, expected) in [
            (&["5", "517", "10", "778", "08006", "57P01", "40001", "53300"][..], Some(Condition::Away)),
            (&["13", "53100"], Some(Condition::Full)),
            (&["11", "267", "26", "XX001"], Some(Condition::Damaged)),
            (&["1", "2067", "787", "1811", "23505", "42P01", "XX000", ""], None),
        ] {
            for code in codes {
                assert_eq!(condition_of_code(code), expected, "{code}");
            }
        }
    }
}
