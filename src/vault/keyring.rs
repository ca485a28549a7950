//! The data keys: one for each user's records and three for the whole deployment, all random.
//!
//! They are kept wrapped under the master key, bound to their own row, and each user's is unwrapped only when it
//! is first used: a start with many users is quick, and keys of users who are not there stay closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use minimcp_entities::keyring;
use secrecy::{ExposeSecret, SecretBox};
use uuid::Uuid;

use super::derive::KEY_LENGTH;
use super::envelope::{self, Kind};
use super::{KeyId, MasterKey, SealError};

/// A data key seals at most this often, which is far below where random nonces under one key get dangerous.
pub const MAX_SEALS: u64 = 1 << 32;

/// What a data key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The records of one user.
    User,
    /// The hashes of tokens.
    Pepper,
    /// The chain of the audit trail.
    Audit,
    /// The proofs of rows.
    Rows,
}

impl Purpose {
    /// The purposes of the keys that a deployment has one of.
    pub(super) const OF_DEPLOYMENT: [Self; 3] = [Self::Pepper, Self::Audit, Self::Rows];

    /// Its word in the keyring.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Pepper => "pepper",
            Self::Audit => "audit",
            Self::Rows => "rows",
        }
    }
}

/// A data key. Wiped when dropped; does not show itself.
pub(super) struct DataKey(SecretBox<[u8; KEY_LENGTH]>);

impl DataKey {
    pub(super) fn random() -> Result<Self, SealError> {
        let mut filled = Ok(());
        let bits = SecretBox::init_with_mut(|bits: &mut [u8; _]| filled = getrandom::fill(bits));
        filled.map_err(SealError::NoRandomness)?;
        Ok(Self(bits))
    }

    pub(super) fn expose(&self) -> &[u8; KEY_LENGTH] {
        self.0.expose_secret()
    }
}

/// Makes a new data key and wraps it: the row to keep.
pub(super) fn make(
    master: &MasterKey,
    deployment: Uuid,
    purpose: Purpose,
    user_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<keyring::Model, SealError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(SealError::NoRandomness)?;
    let row = keyring::Model {
        id: uuid::Builder::from_random_bytes(id).into_uuid().simple().to_string(),
        purpose: purpose.as_str().to_owned(),
        user_id,
        wrapped: Vec::new(),
        kek_id: String::new(),
        seals: 0,
        active: true,
        created_at: now,
    };
    wrapped(master, deployment, row, &DataKey::random()?)
}

/// The same row under another master key.
pub(super) fn rewrap(
    old: &MasterKey,
    new: &MasterKey,
    deployment: Uuid,
    row: keyring::Model,
) -> Result<keyring::Model, SealError> {
    let key = unwrap(old, deployment, &row)?;
    wrapped(new, deployment, row, &key)
}

fn wrapped(
    master: &MasterKey,
    deployment: Uuid,
    row: keyring::Model,
    key: &DataKey,
) -> Result<keyring::Model, SealError> {
    let bound = associated_data(deployment, &row);
    let wrapped =
        envelope::seal(Kind::Wrap, master.id().as_bytes(), &master.wrapping_key(), &bound, key.expose())?;
    Ok(keyring::Model { wrapped, kek_id: master.id().to_string(), ..row })
}

/// The key in a row.
pub(super) fn unwrap(
    master: &MasterKey,
    deployment: Uuid,
    row: &keyring::Model,
) -> Result<DataKey, SealError> {
    let (needed, present) = (KeyId::from_bytes(envelope::key_id(Kind::Wrap, &row.wrapped)?), master.id());
    if needed != present {
        return Err(SealError::OtherKey { needed, present });
    }
    let bound = associated_data(deployment, row);
    let opened = envelope::open(Kind::Wrap, &master.wrapping_key(), &bound, &row.wrapped)?;
    let bits: &[u8; KEY_LENGTH] = opened.as_slice().try_into().map_err(|_| SealError::Forged)?;
    Ok(DataKey(SecretBox::init_with_mut(|copy: &mut [u8; _]| copy.copy_from_slice(bits))))
}

fn associated_data(deployment: Uuid, row: &keyring::Model) -> Vec<u8> {
    let user: &[u8] = row.user_id.as_ref().map_or(&[], |id| id.as_bytes());
    let (id, purpose) = (row.id.as_bytes(), row.purpose.as_bytes());
    envelope::parts(&[b"minimcp/data-key/1", deployment.as_bytes(), id, purpose, user])
}

/// The value by which the right master key is known.
pub(super) fn key_check(master: &MasterKey, deployment: Uuid) -> Result<Vec<u8>, SealError> {
    let bound = envelope::parts(&[b"minimcp/key-check/2", deployment.as_bytes()]);
    envelope::seal(Kind::Wrap, master.id().as_bytes(), &master.wrapping_key(), &bound, b"minimcp")
}

/// Whether this key check was made under this master key.
pub(super) fn passes(master: &MasterKey, deployment: Uuid, key_check: &[u8]) -> Result<(), SealError> {
    let bound = envelope::parts(&[b"minimcp/key-check/2", deployment.as_bytes()]);
    envelope::open(Kind::Wrap, &master.wrapping_key(), &bound, key_check).map(drop)
}

/// A user's data key, closed until it is needed.
pub(super) struct Slot {
    pub(super) id: Uuid,
    row: keyring::Model,
    master: Arc<MasterKey>,
    key: OnceLock<DataKey>,
    seals: AtomicU64,
}

impl Slot {
    /// The key.
    pub(super) fn key(&self, deployment: Uuid) -> Result<&DataKey, SealError> {
        match self.key.get() {
            Some(key) => Ok(key),
            None => {
                let key = unwrap(&self.master, deployment, &self.row)?;
                Ok(self.key.get_or_init(|| key))
            }
        }
    }

    /// Counts one more seal.
    pub(super) fn count(&self) -> Result<(), SealError> {
        let before = self.seals.fetch_add(1, Ordering::Relaxed);
        if before < MAX_SEALS { Ok(()) } else { Err(SealError::UsedUp(self.id)) }
    }
}

/// The data keys of the users.
#[derive(Default)]
pub(super) struct Slots {
    all: DashMap<Uuid, Arc<Slot>>,
    active: DashMap<Uuid, Uuid>,
}

impl Slots {
    /// Takes a key in. A row whose id is none is left out; its records are then unreadable, and no others.
    pub(super) fn hold(&self, row: keyring::Model, master: &Arc<MasterKey>) {
        let (Some(user_id), Ok(id)) = (row.user_id, Uuid::try_parse(&row.id)) else { return };
        if row.active {
            self.active.insert(user_id, id);
        }
        let seals = AtomicU64::new(u64::try_from(row.seals).unwrap_or(MAX_SEALS));
        let slot = Slot { id, row, master: Arc::clone(master), key: OnceLock::new(), seals };
        self.all.insert(id, Arc::new(slot));
    }

    /// The key that new records of the user are sealed under.
    pub(super) fn of_user(&self, user_id: Uuid) -> Result<Arc<Slot>, SealError> {
        let id = self.active.get(&user_id).map(|id| *id);
        id.and_then(|id| self.with_id(id).ok()).ok_or(SealError::NoUserKey(user_id))
    }

    /// The key with this id.
    pub(super) fn with_id(&self, id: Uuid) -> Result<Arc<Slot>, SealError> {
        self.all.get(&id).map(|slot| Arc::clone(&slot)).ok_or(SealError::MissingKey(id))
    }

    /// Lets go of every key of the user.
    pub(super) fn forget_user(&self, user_id: Uuid) {
        self.active.remove(&user_id);
        self.all.retain(|_, slot| slot.row.user_id != Some(user_id));
    }
}

#[cfg(test)]
mod tests;
