//! From a database and a master key to a store and a vault that belong together.
//!
//! The order matters. The key is checked against a look at the database that changes nothing, so a wrong key
//! leaves every byte as it was. A key is made only beside a database that holds nothing, and is on the disk
//! before anything is wrapped under it; a crash in between leaves a key that the next start finds.

use uuid::Uuid;

use super::envelope::{self, Kind};
use super::{KeyError, KeyId, KeySource, MasterKey, Place, SealError, Vault, keyring};
use crate::store::{self, KEY_CHECK, Location, Peek, Store, StoreError};

/// Why the database stays locked. No variant holds a key.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// There is something wrong with the key itself.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is the key of another database.
    #[error(
        "the master key {given} in {place} does not open this database, which needs the key {needed}: \
         give that key, in MINIMCP_MASTER_KEYS_PREVIOUS if it was replaced"
    )]
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
    /// The value by which the key is checked, or a key of the deployment, is gone or damaged, though there is
    /// data.
    #[error(
        "the database holds data but no usable {KEY_CHECK} and keyring: \
         `minimcp restore --backup FILE` brings a backup back"
    )]
    Damaged,
    /// It was sealed in a way that no release ever had.
    #[error(
        "the database was made by a MiniMCP before its first release, whose keys this one does not know: \
         start with a new data directory"
    )]
    OldScheme,
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
    let (vault, new) = if peek.is_empty() {
        let (vault, keyring) = Vault::found(source.load_or_make()?)?;
        (vault, Some(keyring))
    } else {
        (recognise(&peek, source)?, None)
    };
    let store = Store::open(location, vault.clone()).await?;
    store.migrate().await?;
    if let Some(keyring) = new {
        store
            .found_deployment(
                vault.deployment().into_bytes(),
                vault.key_check_under(&vault.master())?,
                keyring,
            )
            .await?;
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

/// The vault of a database that has one, if one of the keys is the right one. Of several, the present one is
/// where the next rotation leads.
fn recognise(peek: &Peek, source: &KeySource) -> Result<Vault, UnlockError> {
    let key_check = peek.key_check.as_deref().ok_or(UnlockError::Damaged)?;
    let deployment = peek.deployment_id.as_deref().and_then(|id| Uuid::from_slice(id).ok());
    let deployment = deployment.ok_or(UnlockError::Damaged)?;
    let needed = match envelope::key_id(Kind::Wrap, key_check) {
        Ok(id) => KeyId::from_bytes(id),
        Err(SealError::UnknownFormat(format)) if format == Kind::Record as u8 => {
            return Err(UnlockError::OldScheme);
        }
        Err(_) => return Err(UnlockError::Damaged),
    };
    let (present, previous) = (source.load()?, source.previous()?);
    let given = present.as_ref().map(MasterKey::id);
    let mut keys: Vec<MasterKey> = present.into_iter().chain(previous).collect();
    let Some(at) = keys.iter().position(|key| key.id() == needed) else {
        let place = source.place().clone();
        return Err(match given {
            Some(given) => UnlockError::WrongKey { given, place, needed },
            None => UnlockError::NoKey { place, needed },
        });
    };
    let next = if at > 0 && given.is_some() { Some(keys.swap_remove(0)) } else { None };
    let at = keys.iter().position(|key| key.id() == needed).ok_or(UnlockError::Damaged)?;
    let master = keys.swap_remove(at);
    keyring::passes(&master, deployment, key_check).map_err(|_| UnlockError::Damaged)?;
    Vault::of(master, next, deployment, &peek.keyring).map_err(|_| UnlockError::Damaged)
}
