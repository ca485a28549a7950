//! Where the master key comes from, and the ones before it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::MasterKey;
use super::key_file::KeyFile;
use super::scrub::scrub;

/// The variable that holds the key.
const KEY_VARIABLE: &str = "MINIMCP_MASTER_KEY";
/// The variable that names the file that holds the key.
const FILE_VARIABLE: &str = "MINIMCP_MASTER_KEY_FILE";
/// The variable that holds keys that were replaced, separated by semicolons.
const PREVIOUS_VARIABLE: &str = "MINIMCP_MASTER_KEYS_PREVIOUS";
/// The variable by which systemd says where the secrets of a service lie.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The name of the key among the secrets of a service.
const CREDENTIAL: &str = "minimcp.key";

/// Where the master key is to be found. Shows no key.
#[derive(Debug, Clone)]
pub struct KeySource {
    place: Place,
    /// The key itself, if it is in a variable.
    text: Option<SecretString>,
    previous: Option<SecretString>,
}

/// Where a key is found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The variable.
    Variable,
    /// A file that somebody provides; the daemon never writes it.
    Given(PathBuf),
    /// The daemon's own file, which it makes on the first run and replaces when the key is rotated.
    Own(PathBuf),
}

impl KeySource {
    /// The daemon's own file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Own(path.into()), text: None, previous: None }
    }

    /// A key as it would stand in `MINIMCP_MASTER_KEY`.
    #[must_use]
    pub fn variable(text: impl Into<String>) -> Self {
        Self { place: Place::Variable, text: Some(SecretString::from(text.into())), previous: None }
    }

    /// The same with keys as they would stand in `MINIMCP_MASTER_KEYS_PREVIOUS`.
    #[must_use]
    pub fn after(self, previous: impl Into<String>) -> Self {
        Self { previous: Some(SecretString::from(previous.into())), ..self }
    }

    /// From the environment of this process: `MINIMCP_MASTER_KEY`, or the file in `MINIMCP_MASTER_KEY_FILE`, or
    /// `minimcp.key` among the secrets that systemd provides, else `own_file`. The keys are there once: their values
    /// are then overwritten in the environment.
    ///
    /// # Errors
    /// [`KeyError::TwoSources`], [`KeyError::Malformed`].
    pub fn from_environment(own_file: PathBuf) -> Result<Self, KeyError> {
        let source = Self::choose(|name| std::env::var_os(name), own_file);
        for name in [KEY_VARIABLE, PREVIOUS_VARIABLE] {
            // Where it is not allowed, nobody else may read the environment.
            let _ = scrub(name);
        }
        source
    }

    fn choose(variable: impl Fn(&str) -> Option<OsString>, own_file: PathBuf) -> Result<Self, KeyError> {
        let text = |name| match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(SecretString::from(text))),
            Some(Err(_)) => Err(KeyError::Malformed { place: Place::Variable }),
        };
        let provided = variable(CREDENTIALS_VARIABLE).map(|dir| PathBuf::from(dir).join(CREDENTIAL));
        let provided = provided.filter(|path| path.exists());
        let key = text(KEY_VARIABLE)?;
        let file = variable(FILE_VARIABLE).map(PathBuf::from);
        let place = match (&key, file, provided) {
            (Some(_), None, None) => Place::Variable,
            (None, Some(path), None) | (None, None, Some(path)) => Place::Given(path),
            (None, None, None) => Place::Own(own_file),
            (key, file, provided) => {
                let named = [
                    (key.is_some(), KEY_VARIABLE),
                    (file.is_some(), FILE_VARIABLE),
                    (provided.is_some(), CREDENTIALS_VARIABLE),
                ];
                let mut set = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
                let (one, other) = (set.next().unwrap_or_default(), set.next().unwrap_or_default());
                return Err(KeyError::TwoSources { one, other });
            }
        };
        Ok(Self { place, text: key, previous: text(PREVIOUS_VARIABLE)? })
    }

    /// The key, or `None` if its file is not there.
    ///
    /// # Errors
    /// [`KeyError`] if there is something that cannot be used.
    pub fn load(&self) -> Result<Option<MasterKey>, KeyError> {
        let malformed = |_| KeyError::Malformed { place: self.place.clone() };
        let parsed = |text: &str| MasterKey::parse(text).map(Some).map_err(malformed);
        match (&self.place, &self.text) {
            (Place::Variable, text) => parsed(text.as_ref().map_or("", |text| text.expose_secret())),
            (Place::Given(path) | Place::Own(path), _) => {
                KeyFile::at(path).read()?.map_or(Ok(None), |text| parsed(&text))
            }
        }
    }

    /// The keys before the present one: from the variable, and from files that a rotation left beside the
    /// daemon's own when it was cut short. They only ever open.
    ///
    /// # Errors
    /// [`KeyError`] if one of them cannot be used.
    pub fn previous(&self) -> Result<Vec<MasterKey>, KeyError> {
        let listed = self.previous.as_ref().map_or("", |text| text.expose_secret());
        let listed = listed.split(';').filter(|text| !text.trim().is_empty());
        let parse = |text| MasterKey::parse(text).map_err(|_| KeyError::MalformedPrevious);
        let mut keys = listed.map(parse).collect::<Result<Vec<_>, _>>()?;
        if let Place::Own(path) = &self.place {
            for (path, text) in KeyFile::at(path).left_over()? {
                let key = MasterKey::parse(&text);
                keys.push(key.map_err(|_| KeyError::Malformed { place: Place::Own(path) })?);
            }
        }
        Ok(keys)
    }

    /// The key, made if there is none yet. Only for a database that holds nothing.
    ///
    /// # Errors
    /// [`KeyError`] if there is something that cannot be used, or nothing can be written.
    pub(super) fn load_or_make(&self) -> Result<MasterKey, KeyError> {
        if let Some(key) = self.load()? {
            return Ok(key);
        }
        if let Some(file) = self.own_file() {
            file.make(&MasterKey::random()?.text())?;
        }
        // Whatever stands in the file now is the key, also if another process was there first.
        self.load()?.ok_or_else(|| KeyError::Missing { place: self.place.clone() })
    }

    /// Where to look for a wrong key.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The daemon's own file, if the key is in it.
    pub(super) fn own_file(&self) -> Option<KeyFile<'_>> {
        match &self.place {
            Place::Own(path) => Some(KeyFile::at(path)),
            Place::Variable | Place::Given(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str(KEY_VARIABLE),
            Self::Given(path) | Self::Own(path) => path.display().fmt(f),
        }
    }
}

/// Why there is no usable master key. No variant holds a key or a part of one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// More than one source is set.
    #[error("{one} and {other} both give a master key; unset one of them")]
    TwoSources {
        /// A variable.
        one: &'static str,
        /// Another one.
        other: &'static str,
    },
    /// What is there is no key.
    #[error("the master key in {place} is not base64 or hexadecimal of exactly 32 bytes")]
    Malformed {
        /// Where.
        place: Place,
    },
    /// A file that was asked for is not there.
    #[error("there is no master key in {place}; make one with `openssl rand -base64 32`, mode 600")]
    Missing {
        /// Where.
        place: Place,
    },
    /// One of the keys before is none.
    #[error(
        "{PREVIOUS_VARIABLE} holds something that is not base64 or hexadecimal of exactly 32 bytes; \
         keys are separated by semicolons"
    )]
    MalformedPrevious,
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
    /// Others than its owner may exchange what lies in the directory.
    #[error(
        "{path} is open to others (mode {mode:03o}), so no master key is made in it; run chmod 700 on it"
    )]
    DirectoryTooOpen {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file belongs to another user, who could exchange it.
    #[error("{path} belongs to the user with uid {uid}, not to the one that runs the daemon")]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The file cannot be read or made.
    #[error("the master key file {path} cannot be used: {source}")]
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
