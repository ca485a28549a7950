//! The master key. It encrypts no data: it is split into the key that wraps data keys, and an id.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use super::{KeyError, derive};

/// 256 random bits. Wiped when dropped; shows itself by its id only.
pub struct MasterKey {
    /// On the heap, because a value that is moved leaves its bytes behind on the stack.
    bits: SecretBox<[u8; derive::KEY_LENGTH]>,
    id: KeyId,
}

impl MasterKey {
    /// A new key from the operating system.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] if it gives none.
    pub fn random() -> Result<Self, KeyError> {
        let mut filled = Ok(());
        let bits = SecretBox::init_with_mut(|bits: &mut [u8; _]| filled = getrandom::fill(bits));
        filled.map_err(KeyError::NoRandomness)?;
        Ok(Self::of(bits))
    }

    /// From its text: base64 or hexadecimal of exactly 32 bytes. A passphrase is not a key, and none is made of
    /// one.
    ///
    /// # Errors
    /// [`NotAKey`], which says nothing of the text.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let text = text.trim();
        let bytes = if text.len() == 2 * derive::KEY_LENGTH {
            hexadecimal(text.as_bytes())
        } else {
            let digits = text.trim_end_matches('=');
            let decoded = STANDARD_NO_PAD.decode(digits).or_else(|_| URL_SAFE_NO_PAD.decode(digits));
            decoded.ok().map(Zeroizing::new)
        };
        let bytes = bytes.filter(|bytes| bytes.len() == derive::KEY_LENGTH).ok_or(NotAKey)?;
        Ok(Self::of(SecretBox::init_with_mut(|bits: &mut [u8; _]| bits.copy_from_slice(&bytes))))
    }

    fn of(bits: SecretBox<[u8; derive::KEY_LENGTH]>) -> Self {
        let digest = derive::key(bits.expose_secret(), &[b"minimcp/key-id/1"]);
        let mut id = [0; KeyId::LENGTH];
        for (pair, byte) in id.chunks_exact_mut(2).zip(digest.iter()) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
        }
        Self { bits, id: KeyId(id) }
    }

    /// Its text in base64, for its file.
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD_NO_PAD.encode(self.bits.expose_secret()) + "=\n")
    }

    /// Its id, from which the key cannot be told.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key that data keys are wrapped under.
    pub(super) fn wrapping_key(&self) -> Zeroizing<[u8; derive::KEY_LENGTH]> {
        derive::key(self.bits.expose_secret(), &[b"minimcp/wrap/1"])
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hexadecimal(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?));
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

/// A short hash of a master key: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KeyId::LENGTH]);

impl KeyId {
    /// Bytes of an id, which are its digits.
    pub(super) const LENGTH: usize = 16;

    /// From the bytes in a seal, whatever they are: they are only ever compared and shown.
    pub(super) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no master key. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not base64 or hexadecimal of exactly 32 bytes")]
pub struct NotAKey;

#[cfg(test)]
mod tests {
    use super::MasterKey;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn base64_and_hexadecimal_of_32_bytes_are_the_same_key_and_nothing_else_is_one() {
        let key = MasterKey::parse(HEX).unwrap();
        let upper = HEX.to_uppercase();
        for text in [
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
            upper.as_str(),
        ] {
            assert_eq!(MasterKey::parse(text).unwrap().id(), key.id(), "{text}");
        }
        let (short, long) = (&HEX[2..], format!("{HEX}20"));
        for text in ["", "correct horse battery staple", "AAEC", short, &long, &HEX.replace('0', "g")] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_shows_its_id_only_and_its_text_reads_back() {
        let key = MasterKey::parse(HEX).unwrap();
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
        assert_eq!(key.id().to_string().len(), 16);
        assert_eq!(MasterKey::parse(&key.text()).unwrap().id(), key.id());
        assert_ne!(MasterKey::random().unwrap().id(), MasterKey::random().unwrap().id());
    }
}
