//! The first run: the administrator and their token, in a file that only its owner can read.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::Utc;
use uuid::Uuid;

use crate::api::audit::AuditResult;
use crate::audit::{Entry, Trail, Unavailable};
use crate::store::{NewToken, NewUser, Quota, Role, Store, StoreError};
use crate::vault::{SealError, TokenKind, Vault};

/// Name of the file, in the data directory, that holds the administrator's token.
pub const ADMIN_TOKEN: &str = "admin.token";

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No token could be made.
    #[error("making the administrator's token: {0}")]
    Token(#[from] SealError),
    /// It could not be recorded, so it was not done.
    #[error("no administrator was made: {0}")]
    Audit(#[from] Unavailable),
    /// The file could not be written.
    #[error("writing {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes the administrator `admin`, unless there are users. Answers the file with their token if it made one.
///
/// The file is written before the token is valid: a crash in between leaves a token that nothing accepts, and
/// the next start makes another.
///
/// # Errors
/// [`BootstrapError`]; the next start tries again.
pub async fn administrator(
    store: &Store,
    vault: &Vault,
    trail: &Trail,
    data_dir: &Path,
) -> Result<Option<PathBuf>, BootstrapError> {
    if store.count_users().await? > 0 {
        return Ok(None);
    }
    let entry = Entry::by_daemon("user.create", AuditResult::Begun);
    trail.record(entry.about("user", Some("admin"))).await?;
    let now = Utc::now();
    let minted = vault.mint(TokenKind::Api)?;
    let path = data_dir.join(ADMIN_TOKEN);
    write_private(&path, minted.token.expose())
        .map_err(|source| BootstrapError::File { path: path.clone(), source })?;
    let admin = NewUser {
        id: Uuid::now_v7(),
        name: "admin".into(),
        role: Role::Admin,
        quota: Quota::default(),
        created_at: now,
    };
    let token = NewToken {
        id: Uuid::now_v7(),
        user_id: admin.id,
        name: "bootstrap".into(),
        token_hash: minted.hash,
        hint: minted.hint,
        created_at: now,
        expires_at: None,
    };
    let (user_id, token_id) = (admin.id.to_string(), token.id.to_string());
    store.create_user_with_token(admin, token).await?;
    let entry = Entry::by_daemon("user.create", AuditResult::Done);
    trail.record(entry.about("user", Some(&user_id)).with("token_id", token_id)).await?;
    Ok(Some(path))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}
