//! Secrets: the master key, what is sealed under it, and tokens.
//!
//! One master key stands behind everything. It never encrypts anything itself: the key of each user's seals and
//! the pepper of the tokens are derived from it, behind [`Vault`], so that callers do not know how. What comes
//! out of a seal is wiped when it is dropped, and no type in here shows a secret when printed.

mod derive;
mod key_file;
mod keyring;
mod seal;
mod tokens;
mod unlock;

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

pub use keyring::{KeyError, KeyId, KeySource, MasterKey, NotAKey, Place};
pub use seal::{Scope, SealError};
pub use tokens::{Minted, NotAToken, Token, TokenHash, TokenKind};
pub use unlock::{UnlockError, check, look, unlock};

use tokens::Pepper;

/// The one who can open what this deployment has sealed. Clones share the key.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    master: MasterKey,
    deployment: Uuid,
    pepper: Pepper,
}

impl Vault {
    /// For the deployment with this id. Whether the key is the right one is checked by [`unlock()`].
    #[must_use]
    pub fn new(master: MasterKey, deployment: Uuid) -> Self {
        let pepper = Pepper::of(&master);
        Self(Arc::new(Inner { master, deployment, pepper }))
    }

    /// The id of the master key, to be kept beside what it seals.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.0.master.id()
    }

    /// The deployment whose seals this vault opens.
    #[must_use]
    pub fn deployment(&self) -> Uuid {
        self.0.deployment
    }

    /// Encrypts for one place; nowhere else can it be opened.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] if the operating system gives none.
    pub fn seal(&self, scope: &Scope<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        seal::seal(&self.0.master, self.0.deployment, scope, plaintext)
    }

    /// Opens what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// [`SealError`] says whether it is damaged, from elsewhere or under another key.
    pub fn open(&self, scope: &Scope<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        seal::open(&self.0.master, self.0.deployment, scope, sealed)
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

    /// The key of the codes in the audit trail.
    #[must_use]
    pub fn audit_key(&self) -> Zeroizing<[u8; 32]> {
        self.0.master.derive(&[b"minimcp/audit-key/1"])
    }

    /// Whether `token` is the one of which `stored` was kept. Takes as long for any wrong token.
    #[must_use]
    pub fn matches(&self, token: &Token, stored: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.0.pepper.hash(token).ct_eq(stored).into()
    }
}

impl std::fmt::Debug for Vault {
    /// The id of the key, never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterKey, Token, TokenKind, Vault};
    use crate::catalog::credentials::Credentials;
    use uuid::Uuid;

    fn vault(digit: &str) -> Vault {
        Vault::new(MasterKey::parse(&digit.repeat(64)).unwrap(), Uuid::from_u128(1))
    }

    /// Compiles only while none of the types has `Serialize`: with it, there would be two candidates.
    #[test]
    fn no_secret_can_be_serialised() {
        trait Plain<Witness> {
            fn holds() -> bool {
                true
            }
        }
        struct Serializable;
        impl<T> Plain<()> for T {}
        impl<T: serde::Serialize> Plain<Serializable> for T {}
        assert!(<MasterKey as Plain<_>>::holds());
        assert!(<Vault as Plain<_>>::holds());
        assert!(<Token as Plain<_>>::holds());
        assert!(<Credentials as Plain<_>>::holds());
    }

    #[test]
    fn a_token_matches_what_was_kept_of_it_under_the_same_key_only() {
        let minted = vault("1").mint(TokenKind::Instance).unwrap();
        assert!(vault("1").matches(&minted.token, &minted.hash));
        assert!(!vault("2").matches(&minted.token, &minted.hash));
        assert!(!vault("1").matches(&minted.token, &minted.hash[..31]));
        let other = vault("1").mint(TokenKind::Instance).unwrap();
        assert!(!vault("1").matches(&other.token, &minted.hash));
        assert!(minted.token.expose().ends_with(&minted.hint));
    }

    #[test]
    fn a_vault_shows_the_id_of_its_key_only() {
        let vault = vault("1");
        assert_eq!(format!("{vault:?}"), format!("Vault {{ key_id: {}, .. }}", vault.key_id()));
    }
}
