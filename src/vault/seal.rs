//! Encryption of single records, each bound to the one place it belongs to.
//!
//! ```text
//! 01 | algorithm (1) | key id (16) | nonce (12) | ciphertext | tag (16)
//! ```
//! Algorithm 1 is AES-256-GCM-SIV (RFC 8452) with a random nonce, under a key of the record's owner. The byte is
//! there so that another algorithm can take its place. What is encrypted says nothing about where it belongs;
//! that goes into the associated data, so a record that was moved to another user, row, type or version cannot
//! be opened there.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyId, MasterKey};

const FORMAT: u8 = 1;
const AES_256_GCM_SIV: u8 = 1;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const HEADER_LENGTH: usize = 2 + KeyId::LENGTH;

/// The one place that a record belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    purpose: &'static str,
    user_id: Uuid,
    record: &'a [u8],
    kind: &'a str,
    version: i64,
}

impl<'a> Scope<'a> {
    /// The fields of a credential set, at one version of it.
    #[must_use]
    pub fn credential(user_id: Uuid, id: &'a Uuid, mcp_type: &'a str, version: i64) -> Self {
        Self { purpose: "minimcp/credential/1", user_id, record: id.as_bytes(), kind: mcp_type, version }
    }

    /// The answer to a request with an idempotency key.
    #[must_use]
    pub fn answer(user_id: Uuid, key: &'a str) -> Self {
        Self { purpose: "minimcp/answer/1", user_id, record: key.as_bytes(), kind: "", version: 0 }
    }

    /// The value by which the right master key is known.
    pub(super) fn key_check() -> Self {
        Self { purpose: "minimcp/key-check/1", user_id: Uuid::nil(), record: &[], kind: "", version: 0 }
    }

    /// Everything about the place, each part with its length before it.
    fn associated_data(&self, deployment: Uuid) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            self.purpose.as_bytes(),
            deployment.as_bytes(),
            self.user_id.as_bytes(),
            self.record,
            self.kind.as_bytes(),
            &self.version.to_be_bytes(),
        ];
        let mut data = Vec::new();
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Why something cannot be sealed or opened. No variant holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is shorter than anything this vault seals.
    #[error("the sealed record is cut short")]
    Truncated,
    /// It begins with another byte than 1.
    #[error("the sealed record has the unknown format {0}")]
    UnknownFormat(u8),
    /// Its second byte is no known algorithm.
    #[error("the sealed record has the unknown algorithm {0}")]
    UnknownAlgorithm(u8),
    /// It was sealed under another master key.
    #[error("the sealed record needs the master key {needed}, but the present one is {present}")]
    OtherKey {
        /// The key it was sealed under.
        needed: KeyId,
        /// The key that is there.
        present: KeyId,
    },
    /// It was changed, or sealed for another place.
    #[error("the sealed record was changed or belongs elsewhere")]
    Forged,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness(getrandom::Error),
}

/// Encrypts `plaintext` for `scope`.
pub(super) fn seal(
    master: &MasterKey,
    deployment: Uuid,
    scope: &Scope<'_>,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let nonce = nonce()?;
    let associated_data = scope.associated_data(deployment);
    let payload = Payload { msg: plaintext, aad: &associated_data };
    let ciphertext = cipher(master, deployment, scope.user_id)
        .encrypt(&Nonce::from(nonce), payload)
        .expect("a record is far shorter than the 64 GiB that AES-GCM-SIV takes");
    let mut sealed = Vec::with_capacity(HEADER_LENGTH + NONCE_LENGTH + ciphertext.len());
    sealed.extend_from_slice(&[FORMAT, AES_256_GCM_SIV]);
    sealed.extend_from_slice(master.id().as_bytes());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Decrypts what was sealed for `scope`.
pub(super) fn open(
    master: &MasterKey,
    deployment: Uuid,
    scope: &Scope<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let needed = key_id(sealed)?;
    let present = master.id();
    if needed != present {
        return Err(SealError::OtherKey { needed, present });
    }
    let (nonce, ciphertext) =
        sealed[HEADER_LENGTH..].split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::Truncated)?;
    let associated_data = scope.associated_data(deployment);
    let payload = Payload { msg: ciphertext, aad: &associated_data };
    let plaintext = cipher(master, deployment, scope.user_id).decrypt(&Nonce::from(*nonce), payload);
    plaintext.map(Zeroizing::new).map_err(|_| SealError::Forged)
}

/// The id of the master key that a record was sealed under.
pub(super) fn key_id(sealed: &[u8]) -> Result<KeyId, SealError> {
    if sealed.len() < HEADER_LENGTH + NONCE_LENGTH + TAG_LENGTH {
        return Err(SealError::Truncated);
    }
    match sealed[..2] {
        [FORMAT, AES_256_GCM_SIV] => {}
        [FORMAT, other] => return Err(SealError::UnknownAlgorithm(other)),
        [other, ..] => return Err(SealError::UnknownFormat(other)),
        [] => return Err(SealError::Truncated),
    }
    let (id, _) = sealed[2..].split_first_chunk().ok_or(SealError::Truncated)?;
    Ok(KeyId::from_bytes(*id))
}

/// A random nonce. Two alike would only show that two texts are the same, which is what GCM-SIV is for.
fn nonce() -> Result<[u8; NONCE_LENGTH], SealError> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(SealError::NoRandomness)?;
    Ok(nonce)
}

/// The cipher of one user's records.
fn cipher(master: &MasterKey, deployment: Uuid, user_id: Uuid) -> Aes256GcmSiv {
    let key = master.derive(&[b"minimcp/user-key/1", deployment.as_bytes(), user_id.as_bytes()]);
    Aes256GcmSiv::new((&*key).into())
}

#[cfg(test)]
mod tests;
