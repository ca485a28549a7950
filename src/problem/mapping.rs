//! From each domain error to the problem a caller sees: one exhaustive match each.

use minimcp_actors::message::Refused;
use minimcp_actors::state::Denied;

use super::{Code, Problem};
use crate::api::problem::FieldError;
use crate::audit::Unavailable;
use crate::catalog::program::Missing;
use crate::catalog::{self, Unreadable};
use crate::provision::ProvisionError;
use crate::store::{Conflict, Noun, StoreError};
use crate::vault::{RotationError, SealError};

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::NotDisconnected(_) => Code::NotDisconnected,
            Denied::NotHibernated(_) => Code::NotHibernated,
            Denied::NotRunning(_) => Code::NotRunning,
            Denied::Stopping => Code::Stopping,
            Denied::LeaseEnded => Code::LeaseEnded,
        };
        Self::new(code, denied.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown(_) => Self::no_instance(),
            Refused::Exists(_) => Self::new(Code::Exists, "there is an instance with this id already"),
            Refused::Denied(denied) => denied.into(),
            Refused::PortsExhausted(_) => Self::new(
                Code::PortsExhausted,
                format!("{refused}; end an instance or have the range widened"),
            )
            .retry_after(30),
            Refused::LeaseInThePast(_) => Self::new(Code::LeaseInPast, refused.to_string()),
            Refused::ShuttingDown => {
                Self::new(Code::ShuttingDown, "try again once it is back").retry_after(5)
            }
            Refused::Unavailable => Self::new(Code::Unavailable, refused.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(noun) => match noun {
                Noun::Instance => Self::no_instance(),
                Noun::User => Self::new(Code::UserNotFound, "there is no such user"),
                Noun::Token => Self::new(Code::TokenNotFound, "you have no token with this id"),
                Noun::Type => {
                    Self::new(Code::TypeNotFound, "there is no type of this name; `GET /v1/types` lists them")
                }
                Noun::Webhook => Self::new(
                    Code::WebhookNotFound,
                    "you have no webhook with this id; `GET /v1/webhooks` lists yours",
                ),
                Noun::Credential => Self::new(
                    Code::CredentialNotFound,
                    "you have no credential set with this id; `GET /v1/credentials` lists yours",
                ),
            },
            StoreError::Conflict { what } => what.into(),
            StoreError::LimitReached { .. } => {
                Self::new(Code::QuotaExceeded, format!("{error}; delete or stop what you need no more"))
                    .retry_after(60)
            }
            StoreError::InvalidCursor => {
                Self::new(Code::InvalidQuery, "`cursor` has to be the `next_cursor` of the page before")
            }
            StoreError::Unavailable(_) => {
                Self::new(Code::StoreUnavailable, "servers go on running; try again shortly")
                    .retry_after(5)
                    .because(&error)
            }
            StoreError::Full(_) => Self::new(
                Code::StorageFull,
                "nothing was changed; servers go on running; an administrator has to free space",
            )
            .retry_after(30)
            .because(&error),
            StoreError::Damaged(_) => Self::new(
                Code::StoreDamaged,
                "servers go on running; an administrator has to stop the daemon and bring back a backup with \
                 `minimcp restore --backup FILE`",
            )
            .retry_after(300)
            .because(&error),
            StoreError::Altered { what, .. } => Self::new(
                Code::RowAltered,
                format!("the stored {what} was changed outside of MiniMCP, so it is not used; tell an administrator"),
            )
            .because(&error),
            StoreError::Seal(error) => error.into(),
            StoreError::UnknownDatabase
            | StoreError::Unsafe { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Rejected(_) => Self::internal(&error),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let code = match conflict {
            Conflict::UserName | Conflict::TypeName | Conflict::CredentialName => Code::Exists,
            Conflict::IdempotencyKey => Code::IdempotencyConflict,
            Conflict::UserInUse { .. } => {
                let detail = format!(
                    "{conflict}; delete them first, or say `delete_instances=true` to end them with the user"
                );
                return Self::new(Code::UserInUse, detail);
            }
            Conflict::LastAdministrator | Conflict::LastAdministratorToken => Code::LastAdministrator,
            Conflict::TypeInUse { .. } => Code::TypeInUse,
            Conflict::CredentialInUse { .. } => Code::CredentialInUse,
            Conflict::CredentialOfOtherType => Code::CredentialTypeMismatch,
            Conflict::Version { .. } => Code::Changed,
            Conflict::BeingDeleted => Code::BeingDeleted,
            Conflict::KeyReplaced => {
                return Self::new(Code::Unavailable, "the keys were just rotated; try again").retry_after(1);
            }
            Conflict::Deployment | Conflict::Identity => return Self::internal(&conflict),
        };
        Self::new(code, conflict.to_string())
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        let detail = format!(
            "nothing was changed, because {unavailable}; an administrator has to free space or mend the \
             directory data/audit; servers go on running"
        );
        let (code, after) =
            if unavailable.is_full() { (Code::StorageFull, 30) } else { (Code::AuditUnavailable, 5) };
        Self::new(code, detail).retry_after(after).because(&unavailable)
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::UsedUp(_) => {
                Self::new(Code::Unavailable, "your data key is used up and being replaced; try again")
                    .retry_after(5)
                    .because(&error)
            }
            SealError::NoRandomness(_) | SealError::NoUserKey(_) => Self::internal(&error),
            SealError::Truncated
            | SealError::UnknownFormat(_)
            | SealError::UnknownAlgorithm(_)
            | SealError::OtherKey { .. }
            | SealError::MissingKey(_)
            | SealError::Forged => Self::new(Code::Unreadable, error.to_string()).because(&error),
        }
    }
}

impl From<RotationError> for Problem {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Store(error) => error.into(),
            RotationError::Key(_) => Self::new(
                Code::KeyFile,
                "a new master key cannot be written to the data directory; the old one is still in force, and \
                 the daemon's log says why",
            )
            .because(&error),
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        Self::internal(&error)
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        let detail = format!("{missing}; an administrator has to install it or change the type");
        Self::at(Code::ScriptNotFound, "/mcp_type", detail)
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::Rules(invalid) => Self::new(Code::InvalidLimits, invalid.to_string()),
            ProvisionError::Type(unreadable) => unreadable.into(),
            ProvisionError::Instance(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    /// A document that does not hold, with every place of it.
    #[must_use]
    pub fn invalid(code: Code, invalid: catalog::Invalid) -> Self {
        let detail = invalid.to_string();
        let place = |fault: catalog::Fault| FieldError { pointer: fault.pointer, detail: fault.detail };
        Self::new(code, detail).with_errors(invalid.faults.into_iter().map(place).collect())
    }
}
