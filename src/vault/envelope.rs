//! The one way in which anything is encrypted here.
//!
//! ```text
//! kind (1) | algorithm (1) | key id (16) | nonce (12) | ciphertext | tag (16)
//! ```
//! Algorithm 1 is AES-256-GCM-SIV (RFC 8452) with a random nonce. The byte is there so that another algorithm
//! can take its place.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::KeyId;
use super::derive::KEY_LENGTH;

const AES_256_GCM_SIV: u8 = 1;
const ID_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;
const HEADER_LENGTH: usize = 2 + ID_LENGTH;

/// What is inside, which says what the key id is the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A record, under a data key.
    Record = 1,
    /// A data key or the key check, under the master key.
    Wrap = 2,
}

/// Why something cannot be sealed or opened. No variant holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is shorter than anything this vault seals.
    #[error("the sealed record is cut short")]
    Truncated,
    /// It begins with another byte than this vault writes there.
    #[error("the sealed record has the unknown format {0}")]
    UnknownFormat(u8),
    /// Its second byte is no known algorithm.
    #[error("the sealed record has the unknown algorithm {0}")]
    UnknownAlgorithm(u8),
    /// It was wrapped under another master key.
    #[error("the data key needs the master key {needed}, but the present one is {present}")]
    OtherKey {
        /// The key it was wrapped under.
        needed: KeyId,
        /// The key that is there.
        present: KeyId,
    },
    /// The data key it was sealed under is not in the keyring.
    #[error("the sealed record needs the data key {}, which is not there", .0.simple())]
    MissingKey(Uuid),
    /// The user has no data key, so nothing can be sealed for them.
    #[error("the user {0} has no data key")]
    NoUserKey(Uuid),
    /// So much was sealed under the data key that a new one is due.
    #[error("the data key {} is used up; `minimcp keys rotate` makes new ones", .0.simple())]
    UsedUp(Uuid),
    /// It was changed, or sealed for another place.
    #[error("the sealed record was changed or belongs elsewhere")]
    Forged,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness(getrandom::Error),
}

/// Encrypts `plaintext` for the place that `associated_data` describes.
pub(super) fn seal(
    kind: Kind,
    key_id: &[u8; ID_LENGTH],
    key: &[u8; KEY_LENGTH],
    associated_data: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(SealError::NoRandomness)?;
    let payload = Payload { msg: plaintext, aad: associated_data };
    let ciphertext = Aes256GcmSiv::new(key.into())
        .encrypt(&Nonce::from(nonce), payload)
        .expect("a record is far shorter than the 64 GiB that AES-GCM-SIV takes");
    let mut sealed = Vec::with_capacity(HEADER_LENGTH + NONCE_LENGTH + ciphertext.len());
    sealed.extend_from_slice(&[kind as u8, AES_256_GCM_SIV]);
    sealed.extend_from_slice(key_id);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Decrypts what was sealed for the place that `associated_data` describes.
pub(super) fn open(
    kind: Kind,
    key: &[u8; KEY_LENGTH],
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    key_id(kind, sealed)?;
    let (nonce, ciphertext) =
        sealed[HEADER_LENGTH..].split_first_chunk::<NONCE_LENGTH>().ok_or(SealError::Truncated)?;
    let payload = Payload { msg: ciphertext, aad: associated_data };
    let plaintext = Aes256GcmSiv::new(key.into()).decrypt(&Nonce::from(*nonce), payload);
    plaintext.map(Zeroizing::new).map_err(|_| SealError::Forged)
}

/// The id of the key that something was sealed under.
pub(super) fn key_id(kind: Kind, sealed: &[u8]) -> Result<[u8; ID_LENGTH], SealError> {
    if sealed.len() < HEADER_LENGTH + NONCE_LENGTH + TAG_LENGTH {
        return Err(SealError::Truncated);
    }
    match sealed[..2] {
        [format, _] if format != kind as u8 => return Err(SealError::UnknownFormat(format)),
        [_, AES_256_GCM_SIV] => {}
        [_, other] => return Err(SealError::UnknownAlgorithm(other)),
        _ => return Err(SealError::Truncated),
    }
    sealed[2..].first_chunk().copied().ok_or(SealError::Truncated)
}

/// The parts one after the other, each with its length before it, so that none runs into the next.
pub(super) fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests;
