//! Why the daemon does not run, in words for a person.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use minimcp_actors::launch::isolation::IsolationError;

use crate::bootstrap::BootstrapError;
use crate::catalog;
use crate::store::StoreError;
use crate::vault::{KeyError, UnlockError};

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another daemon is there.
    #[error("another daemon uses {0}; stop it, or give this one a data directory of its own (--data-dir)")]
    DataDirInUse(PathBuf),
    /// A file or directory cannot be used.
    #[error("{what} {path}: {source}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing can listen there.
    #[error("cannot listen on {addr}: {source}; is another daemon there? --listen takes another address")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The master key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The master key and the database do not belong together, or one cannot be used.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Servers cannot be isolated as configured.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// There are several users, and nothing that keeps their servers apart.
    #[error("{0}")]
    Weak(String),
    /// A type that the embedding program brings along is none.
    #[error("a type of this program: {0}")]
    Type(#[from] catalog::Invalid),
    /// The first run.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A thread or the event loop.
    #[error("the system gives no thread or event loop: {0}")]
    System(#[source] io::Error),
}

impl ServeError {
    /// Whether it is the setup that is wrong, the key for instance, so that starting again will not help.
    #[must_use]
    pub fn is_setup(&self) -> bool {
        match self {
            Self::Key(_) | Self::Isolation(_) | Self::Weak(_) => true,
            Self::Unlock(error) => !matches!(error, UnlockError::Store(_) | UnlockError::Seal(_)),
            _ => false,
        }
    }

    /// What the store said, if it was the store at whatever step.
    #[must_use]
    pub fn of_store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error)
            | Self::Unlock(UnlockError::Store(error))
            | Self::Bootstrap(BootstrapError::Store(error)) => Some(error),
            _ => None,
        }
    }
}
