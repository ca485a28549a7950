//! From a database and a master key to a store and a vault that belong together.
//!
//! The order matters. The key is checked against a look at the database that changes nothing, so a wrong key
//! leaves every byte as it was. A key is made only beside a database that holds nothing, and is on the disk
//! before anything is sealed under it; a crash in between leaves a key that the next start finds.

use uuid::Uuid;

use super::keyring::Place;
use super::{KeyError, KeyId, KeySource, MasterKey, Scope, SealError, Vault, seal};
use crate::store::{self, KEY_CHECK, Location, Peek, Store, StoreError};

/// What the key check says when opened. Its content does not matter, only that it opens.
const CHECKED: &[u8] = b"minimcp";

/// Why the database stays locked. No variant holds a key.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// There is something wrong with the key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is the key of another database.
    #[error("the master key {given} in {place} does not open this database, which needs the key {needed}")]
    WrongKey {
        /// The key that is there.
        given: KeyId,
        /// Where it was found.
        place: Place,
        /// The key that is needed.
        needed: KeyId,
    },
    /// There is no key, and a new one would open nothing.
    #[error(
        "there is no master key in {place}, but this database needs the key {needed}: \
         restore the file, or set MINIMCP_MASTER_KEY"
    )]
    NoKey {
        /// Where it was looked for.
        place: Place,
        /// The key that is needed.
        needed: KeyId,
    },
    /// The value by which the key is checked is gone or damaged, though there is data.
    #[error("the database holds data but no usable {KEY_CHECK}: restore it from a backup")]
    Damaged,
    /// The new database could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the key, opens the database, brings its schema up to date and, on the first run, gives it its identity.
///
/// # Errors
/// [`UnlockError`]; but for [`UnlockError::Store`], nothing was changed.
pub async fn unlock(location: &Location, source: &KeySource) -> Result<(Store, Vault), UnlockError> {
    let peek = store::peek(location).await?;
    let (vault, key_check) = if peek.is_empty() { found(source)? } else { (recognise(&peek, source)?, None) };
    let store = Store::open(location).await?;
    store.migrate().await?;
    if let Some(key_check) = key_check {
        store.found_deployment(vault.deployment().into_bytes(), key_check).await?;
    }
    Ok((store, vault))
}

/// Whether the key fits the database, without changing either. No key is no mistake while there is no data.
///
/// # Errors
/// As [`unlock`].
pub async fn check(location: &Location, source: &KeySource) -> Result<(), UnlockError> {
    let peek = store::peek(location).await?;
    if peek.is_empty() {
        source.load()?;
    } else {
        recognise(&peek, source)?;
    }
    Ok(())
}

/// What there is to see of a database without changing it, and its vault; `None` while it holds nothing.
///
/// # Errors
/// As [`unlock`].
pub async fn look(location: &Location, source: &KeySource) -> Result<Option<(Peek, Vault)>, UnlockError> {
    let peek = store::peek(location).await?;
    if peek.is_empty() {
        return Ok(None);
    }
    let vault = recognise(&peek, source)?;
    Ok(Some((peek, vault)))
}

/// A new vault and the key check to keep.
fn found(source: &KeySource) -> Result<(Vault, Option<Vec<u8>>), UnlockError> {
    let mut deployment = [0; 16];
    getrandom::fill(&mut deployment).map_err(SealError::NoRandomness)?;
    let deployment = uuid::Builder::from_random_bytes(deployment).into_uuid();
    let vault = Vault::new(source.load_or_make()?, deployment);
    let key_check = vault.seal(&Scope::key_check(), CHECKED)?;
    Ok((vault, Some(key_check)))
}

/// The vault of a database that has one, if the key is the right one.
fn recognise(peek: &Peek, source: &KeySource) -> Result<Vault, UnlockError> {
    let key_check = peek.key_check.as_deref().ok_or(UnlockError::Damaged)?;
    let deployment = peek.deployment_id.as_deref().and_then(|id| Uuid::from_slice(id).ok());
    let deployment = deployment.ok_or(UnlockError::Damaged)?;
    let needed = seal::key_id(key_check).map_err(|_| UnlockError::Damaged)?;
    let Some(master) = source.load()? else {
        return Err(UnlockError::NoKey { place: source.place(), needed });
    };
    open_check(master, deployment, key_check).map_err(|error| match error {
        SealError::OtherKey { needed, present } => {
            UnlockError::WrongKey { given: present, place: source.place(), needed }
        }
        _ => UnlockError::Damaged,
    })
}

fn open_check(master: MasterKey, deployment: Uuid, key_check: &[u8]) -> Result<Vault, SealError> {
    let vault = Vault::new(master, deployment);
    vault.open(&Scope::key_check(), key_check)?;
    Ok(vault)
}
