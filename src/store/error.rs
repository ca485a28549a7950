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
    /// The database cannot be reached, is busy, is full or is going down: the same request may work later.
    #[error("the database is not available")]
    Unavailable(#[source] DbErr),
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
        if is_passing(&error) { Self::Unavailable(error) } else { Self::Rejected(error) }
    }
}

/// Reads a violated unique constraint as `conflict`, where the statement can violate only one.
pub(super) fn on_duplicate(conflict: Conflict) -> impl FnOnce(DbErr) -> StoreError {
    move |error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => conflict.into(),
        _ => error.into(),
    }
}

/// Whether the same statement may succeed later.
fn is_passing(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(RuntimeErr::SqlxError(_)) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            match cause.as_ref() {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(cause) => cause.code().is_some_and(|code| is_passing_code(&code)),
                _ => false,
            }
        }
        _ => false,
    }
}

/// SQLite's result codes are numbers whose low byte is the primary code; PostgreSQL's are five characters
/// whose first two are the class.
fn is_passing_code(code: &str) -> bool {
    if code.len() == 5 {
        // Connection, resources, operator intervention, system error, serialisation failure and deadlock.
        return matches!(&code[..2], "08" | "53" | "57" | "58") || matches!(code, "40001" | "40P01");
    }
    // PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN: https://www.sqlite.org/rescode.html
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 3 | 5 | 6 | 7 | 8 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::is_passing_code;

    #[test]
    fn busy_full_and_lost_databases_may_work_later_and_broken_constraints_will_not() {
        for code in ["5", "517", "13", "778", "08006", "53100", "57P01", "40001"] {
            assert!(is_passing_code(code), "{code}");
        }
        for code in ["1", "2067", "787", "1811", "11", "23505", "42P01", ""] {
            assert!(!is_passing_code(code), "{code}");
        }
    }
}
