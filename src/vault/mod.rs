//! Secrets: the master key, the data keys under it, what is sealed under those, and tokens.
//!
//! One master key stands behind everything and encrypts no data itself. It wraps random data keys: one for the
//! records of each user, so that deleting the key of a user erases them wherever they were copied, and three
//! of the deployment: the pepper of tokens, the key of the audit trail, the key that proves rows. [`Vault`] is
//! the one face of all that. What comes out of a seal is wiped when it is dropped, and no type in here shows a
//! secret when printed.

mod derive;
mod envelope;
mod key_file;
mod keyring;
mod master;
mod rotation;
mod scope;
mod scrub;
mod source;
mod tokens;
mod unlock;

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use minimcp_entities::keyring as row;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use envelope::SealError;
pub use keyring::{MAX_SEALS, Purpose};
pub use master::{KeyId, MasterKey, NotAKey};
pub use rotation::{KeyRotation, RotationError};
pub use scope::Scope;
pub use source::{KeyError, KeySource, Place};
pub use tokens::{Minted, NotAToken, Token, TokenHash, TokenKind};
pub use unlock::{UnlockError, check, look, unlock};

use envelope::Kind;
use keyring::{DataKey, Slots};
use tokens::Pepper;

/// The one who can open what this deployment has sealed. Clones share the keys.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    deployment: Uuid,
    masters: RwLock<Masters>,
    pepper: Pepper,
    audit: DataKey,
    rows: DataKey,
    slots: Slots,
}

/// The database is under one master key at a time; the one to come is known before the keys are moved.
struct Masters {
    present: Arc<MasterKey>,
    next: Option<Arc<MasterKey>>,
}

impl Vault {
    /// A new deployment under this master key, and the keyring to keep.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub fn found(master: MasterKey) -> Result<(Self, Vec<row::Model>), SealError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(SealError::NoRandomness)?;
        let deployment = uuid::Builder::from_random_bytes(id).into_uuid();
        let now = Utc::now();
        let make = |purpose| keyring::make(&master, deployment, purpose, None, now);
        let rows = Purpose::OF_DEPLOYMENT.into_iter().map(make).collect::<Result<Vec<_>, _>>()?;
        Ok((Self::of(master, None, deployment, &rows)?, rows))
    }

    /// The vault of a deployment with this keyring.
    fn of(
        master: MasterKey,
        next: Option<MasterKey>,
        deployment: Uuid,
        rows: &[row::Model],
    ) -> Result<Self, SealError> {
        let key = |purpose: Purpose| {
            let row = rows.iter().find(|row| row.active && row.purpose == purpose.as_str());
            keyring::unwrap(&master, deployment, row.ok_or(SealError::Truncated)?)
        };
        let (pepper, audit, rows_key) = (key(Purpose::Pepper)?, key(Purpose::Audit)?, key(Purpose::Rows)?);
        let present = Arc::new(master);
        let slots = Slots::default();
        for row in rows {
            slots.hold(row.clone(), &present);
        }
        let masters = RwLock::new(Masters { present, next: next.map(Arc::new) });
        let pepper = Pepper::of(pepper);
        Ok(Self(Arc::new(Inner { deployment, masters, pepper, audit, rows: rows_key, slots })))
    }

    /// The id of the master key that the database is under.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.master().id()
    }

    /// The id of the master key that a rotation will move the database to, if it is known already.
    #[must_use]
    pub fn next_key_id(&self) -> Option<KeyId> {
        self.masters(|masters| masters.next.as_ref().map(|key| key.id()))
    }

    /// The deployment whose seals this vault opens.
    #[must_use]
    pub fn deployment(&self) -> Uuid {
        self.0.deployment
    }

    /// Encrypts for one place; nowhere else can it be opened.
    ///
    /// # Errors
    /// [`SealError::NoUserKey`] if the owner is none, [`SealError::UsedUp`] if their key is,
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub fn seal(&self, scope: &Scope<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let slot = self.0.slots.of_user(scope.user_id)?;
        slot.count()?;
        let key = slot.key(self.0.deployment)?;
        let bound = scope.associated_data(self.0.deployment);
        envelope::seal(Kind::Record, slot.id.as_bytes(), key.expose(), &bound, plaintext)
    }

    /// Opens what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// [`SealError`] says whether it is damaged, from elsewhere or under a key that is not there.
    pub fn open(&self, scope: &Scope<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let id = Uuid::from_bytes(envelope::key_id(Kind::Record, sealed)?);
        let slot = self.0.slots.with_id(id)?;
        let bound = scope.associated_data(self.0.deployment);
        envelope::open(Kind::Record, slot.key(self.0.deployment)?.expose(), &bound, sealed)
    }

    /// Makes a new token.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub fn mint(&self, kind: TokenKind) -> Result<Minted, SealError> {
        let token = Token::random(kind)?;
        Ok(Minted { hash: self.0.pepper.hash(&token), hint: token.hint(), token })
    }

    /// What is stored of a token.
    #[must_use]
    pub fn hash(&self, token: &Token) -> TokenHash {
        self.0.pepper.hash(token)
    }

    /// Whether `token` is the one of which `stored` was kept. Takes as long for any wrong token.
    #[must_use]
    pub fn matches(&self, token: &Token, stored: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.0.pepper.hash(token).ct_eq(stored).into()
    }

    /// The key of the audit trail's chain.
    #[must_use]
    pub fn audit_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.audit.expose())
    }

    /// What proves that this deployment wrote the row that `columns` describes: HMAC-SHA-256.
    #[must_use]
    pub fn row_mac(&self, columns: &[u8]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.rows.expose()).expect("HMAC takes a key of any length");
        mac.update(self.0.deployment.as_bytes());
        mac.update(columns);
        mac.finalize().into_bytes().into()
    }

    /// A new data key for a user: the row to keep, and to [`Self::hold`] once it is kept.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub fn new_user_key(&self, user_id: Uuid, now: DateTime<Utc>) -> Result<row::Model, SealError> {
        keyring::make(&self.master(), self.0.deployment, Purpose::User, Some(user_id), now)
    }

    /// Seals and opens with the key in this row from now on.
    pub fn hold(&self, row: row::Model) {
        self.0.slots.hold(row, &self.master());
    }

    /// Lets go of the keys of a user who is no more.
    pub fn forget_user(&self, user_id: Uuid) {
        self.0.slots.forget_user(user_id);
    }

    /// Why nothing that was sealed under the same key as this can be opened; `None` if it can.
    #[must_use]
    pub fn lacks_key_of(&self, sealed: &[u8]) -> Option<SealError> {
        let found = envelope::key_id(Kind::Record, sealed).and_then(|id| {
            let slot = self.0.slots.with_id(Uuid::from_bytes(id))?;
            slot.key(self.0.deployment).map(drop)
        });
        found.err()
    }

    /// The same rows under another master key. A user's key that cannot be unwrapped is left out, because whatever
    /// damaged it, it must not keep the others from moving.
    ///
    /// # Errors
    /// [`SealError`] if a key of the deployment cannot be unwrapped.
    pub(crate) fn rewrapped(
        &self,
        master: &MasterKey,
        rows: Vec<row::Model>,
    ) -> Result<Vec<row::Model>, SealError> {
        let present = self.master();
        let moved = |row: row::Model| {
            let of_user = row.user_id.is_some();
            match keyring::rewrap(&present, master, self.0.deployment, row) {
                Err(SealError::NoRandomness(error)) => Some(Err(SealError::NoRandomness(error))),
                Err(_) if of_user => None,
                moved => Some(moved),
            }
        };
        rows.into_iter().filter_map(moved).collect()
    }

    /// The key check of this deployment under another master key.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub(crate) fn key_check_under(&self, master: &MasterKey) -> Result<Vec<u8>, SealError> {
        keyring::key_check(master, self.0.deployment)
    }

    /// The database is under this master key now, and has these rows.
    pub(crate) fn adopt(&self, master: Arc<MasterKey>, rows: Vec<row::Model>) {
        for row in rows {
            self.0.slots.hold(row, &master);
        }
        let mut masters = self.0.masters.write().unwrap_or_else(PoisonError::into_inner);
        *masters = Masters { present: master, next: None };
    }

    /// The master key that the database is to be moved to.
    fn next(&self) -> Option<Arc<MasterKey>> {
        self.masters(|masters| masters.next.clone())
    }

    /// Says which master key the database is to be moved to.
    fn expect(&self, master: Arc<MasterKey>) {
        self.0.masters.write().unwrap_or_else(PoisonError::into_inner).next = Some(master);
    }

    fn master(&self) -> Arc<MasterKey> {
        self.masters(|masters| Arc::clone(&masters.present))
    }

    fn masters<T>(&self, look: impl FnOnce(&Masters) -> T) -> T {
        look(&self.0.masters.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The id of the data key that a record was sealed under, as the keyring has it; `None` if it is no record.
#[must_use]
pub fn key_of(sealed: &[u8]) -> Option<String> {
    envelope::key_id(Kind::Record, sealed).ok().map(|id| Uuid::from_bytes(id).simple().to_string())
}

impl std::fmt::Debug for Vault {
    /// The id of the master key, never a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
