//! The master key: where it comes from, its id, and what to say if it is not the right one.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

use super::{derive, key_file};

/// The variable that holds the key.
const KEY_VARIABLE: &str = "MINIMCP_MASTER_KEY";
/// The variable that names the file that holds the key.
const FILE_VARIABLE: &str = "MINIMCP_MASTER_KEY_FILE";

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

    /// A key for one purpose.
    pub(super) fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; derive::KEY_LENGTH]> {
        derive::key(self.bits.expose_secret(), info)
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

/// Where the master key is to be found.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In the variable `MINIMCP_MASTER_KEY`.
    Variable(SecretString),
    /// In a file, which is made on the first run.
    File(PathBuf),
}

impl KeySource {
    /// From the environment of this process: `MINIMCP_MASTER_KEY`, else the file in `MINIMCP_MASTER_KEY_FILE`,
    /// else `default_file`.
    ///
    /// # Errors
    /// [`KeyError::TwoSources`], [`KeyError::Malformed`].
    pub fn from_environment(default_file: PathBuf) -> Result<Self, KeyError> {
        Self::choose(std::env::var_os(KEY_VARIABLE), std::env::var_os(FILE_VARIABLE), default_file)
    }

    fn choose(
        key: Option<OsString>,
        file: Option<OsString>,
        default_file: PathBuf,
    ) -> Result<Self, KeyError> {
        match (key, file) {
            (Some(_), Some(_)) => Err(KeyError::TwoSources),
            (Some(key), None) => match key.into_string() {
                Ok(key) => Ok(Self::Variable(key.into())),
                Err(_) => Err(KeyError::Malformed { place: Place::Variable }),
            },
            (None, Some(file)) => Ok(Self::File(file.into())),
            (None, None) => Ok(Self::File(default_file)),
        }
    }

    /// The key, or `None` if the file is not there.
    ///
    /// # Errors
    /// [`KeyError`] if there is something that cannot be used.
    pub fn load(&self) -> Result<Option<MasterKey>, KeyError> {
        let malformed = |_| KeyError::Malformed { place: self.place() };
        match self {
            Self::Variable(text) => MasterKey::parse(text.expose_secret()).map(Some).map_err(malformed),
            Self::File(path) => match key_file::read(path)? {
                Some(text) => MasterKey::parse(&text).map(Some).map_err(malformed),
                None => Ok(None),
            },
        }
    }

    /// The key, made if there is none yet. Only for a database that holds nothing.
    ///
    /// # Errors
    /// [`KeyError`] if there is something that cannot be used, or nothing can be written.
    pub(super) fn load_or_make(&self) -> Result<MasterKey, KeyError> {
        if let Some(key) = self.load()? {
            return Ok(key);
        }
        let Self::File(path) = self else {
            return Err(KeyError::Malformed { place: self.place() });
        };
        let key = MasterKey::random()?;
        key_file::make(path, &key.text())?;
        // Whatever stands in the file now is the key, also if another process was there first.
        self.load()?
            .ok_or_else(|| KeyError::File { path: path.clone(), source: io::ErrorKind::NotFound.into() })
    }

    /// Where to look for a wrong key.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Variable(_) => Place::Variable,
            Self::File(path) => Place::File(path.clone()),
        }
    }
}

/// Where a key was found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The variable.
    Variable,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str(KEY_VARIABLE),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Why there is no usable master key. No variant holds a key or a part of one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Both variables are set.
    #[error("{KEY_VARIABLE} and {FILE_VARIABLE} are both set; unset one of them")]
    TwoSources,
    /// What is there is no key.
    #[error("the master key in {place} is not base64 or hexadecimal of exactly 32 bytes")]
    Malformed {
        /// Where.
        place: Place,
    },
    /// Others than its owner may read or write the file.
    #[error(
        "{path} can be read or written by others (mode {mode:03o}); run chmod 600 on it and consider a new key"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file belongs to another user, who could exchange it.
    #[error("{path} belongs to the user with uid {uid}, not to the one that runs the daemon")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The file cannot be read or made.
    #[error("the master key file {path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    NoRandomness(#[source] getrandom::Error),
}

#[cfg(test)]
mod tests;
