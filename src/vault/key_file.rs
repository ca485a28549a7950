//! The file of the master key: readable by its owner alone, and at every moment whole.
//!
//! When the key is replaced, the old one is first kept beside it as `NAME.previous-ID`, so that whatever a crash
//! leaves, one of the files opens the database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyError, KeyId};

/// A key with its line end takes 45 bytes in base64 and 65 in hexadecimal.
const MAX_LENGTH: u64 = 1_024;
/// What stands between the name of the file and the id of a key before.
const PREVIOUS: &str = ".previous-";

/// The file at a path, which need not be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyFile<'a>(&'a Path);

impl<'a> KeyFile<'a> {
    pub(super) fn at(path: &'a Path) -> Self {
        Self(path)
    }

    /// The text of the file, or `None` if it is not there.
    ///
    /// # Errors
    /// [`KeyError`] if it cannot be read, or others could have read or exchanged it.
    pub(super) fn read(self) -> Result<Option<Zeroizing<String>>, KeyError> {
        let path = self.0;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        // Asked of the open file, so that it cannot be exchanged in between.
        let metadata = file.metadata().map_err(|error| self.failed(error))?;
        let (mode, uid) = (metadata.mode() & 0o777, metadata.uid());
        if mode & 0o077 != 0 {
            return Err(KeyError::TooOpen { path: path.to_owned(), mode });
        }
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(KeyError::Foreign { path: path.to_owned(), uid });
        }
        let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH as usize));
        file.take(MAX_LENGTH).read_to_string(&mut text).map_err(|error| self.failed(error))?;
        Ok(Some(text))
    }

    /// Makes the file with this text, unless there is one. It appears under its name only when it is whole and
    /// on the disk, so a crash at any point leaves either no key or a good one.
    ///
    /// # Errors
    /// [`KeyError`] if it cannot be written, or others could exchange it.
    pub(super) fn make(self, text: &str) -> Result<(), KeyError> {
        let directory = self.directory();
        let metadata = fs::metadata(&directory).map_err(|error| self.failed(error))?;
        let (mode, uid) = (metadata.mode() & 0o777, metadata.uid());
        if mode & 0o077 != 0 {
            return Err(KeyError::DirectoryTooOpen { path: directory, mode });
        }
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(KeyError::Foreign { path: directory, uid });
        }
        self.appear(text, |draft| match fs::hard_link(draft, self.0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        })
    }

    /// Puts another key in the place of this one, whole or not at all.
    ///
    /// # Errors
    /// [`KeyError::File`] if it cannot be written; then the old one is still there.
    pub(super) fn replace(self, text: &str) -> Result<(), KeyError> {
        self.appear(text, |draft| fs::rename(draft, self.0))
    }

    /// Keeps a key beside this file until [`Self::forget_all`]. That it is kept already is fine.
    ///
    /// # Errors
    /// [`KeyError::File`] if it cannot be written.
    pub(super) fn keep(self, id: KeyId, text: &str) -> Result<(), KeyError> {
        KeyFile(&self.beside(id)).make(text)
    }

    /// Removes the keys that are kept beside this file.
    ///
    /// # Errors
    /// [`KeyError::File`] if one cannot be removed.
    pub(super) fn forget_all(self) -> Result<(), KeyError> {
        let kept = self.left_over()?;
        if kept.is_empty() {
            return Ok(());
        }
        let removed = kept.iter().try_for_each(|(path, _)| fs::remove_file(path));
        removed.and_then(|()| File::open(self.directory())?.sync_all()).map_err(|error| self.failed(error))
    }

    /// The keys that are kept beside this file, with their paths.
    ///
    /// # Errors
    /// [`KeyError`] if one cannot be read, or others could have read it.
    pub(super) fn left_over(self) -> Result<Vec<(PathBuf, Zeroizing<String>)>, KeyError> {
        let Some(start) = self.0.file_name().map(|name| format!("{}{PREVIOUS}", name.to_string_lossy()))
        else {
            return Ok(Vec::new());
        };
        let entries = match fs::read_dir(self.directory()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.failed(error))?;
            if entry.file_name().to_string_lossy().starts_with(&start) {
                let path = entry.path();
                let text = KeyFile(&path).read()?;
                found.extend(text.map(|text| (path, text)));
            }
        }
        Ok(found)
    }

    fn beside(self, id: KeyId) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(format!("{PREVIOUS}{id}"));
        name.into()
    }

    fn directory(self) -> PathBuf {
        match self.0.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// Writes a draft to the disk, has it put in its place and sees to it that the place is on the disk too.
    fn appear(self, text: &str, place: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), KeyError> {
        let directory = self.directory();
        let draft = directory.join(format!(".master.key.{:016x}", fastrand::u64(..)));
        let made = write(&draft, text).and_then(|()| place(&draft));
        let removed = match fs::remove_file(&draft) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let synced = made.and(removed).and_then(|()| File::open(&directory)?.sync_all());
        synced.map_err(|error| self.failed(error))
    }

    fn failed(self, source: io::Error) -> KeyError {
        KeyError::File { path: self.0.to_owned(), source }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::KeyFile;
    use crate::vault::{KeyError, MasterKey};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A directory as a daemon makes its own.
    fn private_dir() -> tempfile::TempDir {
        let mode = fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().unwrap()
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_leaves_no_draft() {
        let directory = private_dir();
        let path = directory.path().join("master.key");
        let file = KeyFile::at(&path);
        assert!(file.read().unwrap().is_none());
        file.make("first").unwrap();
        file.make("second").unwrap();
        assert_eq!(file.read().unwrap().unwrap().as_str(), "first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_is_replaced_is_kept_until_it_is_forgotten() {
        let directory = private_dir();
        let path = directory.path().join("master.key");
        let file = KeyFile::at(&path);
        let old = MasterKey::random().unwrap();
        file.make(&old.text()).unwrap();
        for _ in 0..2 {
            file.keep(old.id(), &old.text()).unwrap();
        }
        file.replace("new").unwrap();
        assert_eq!(file.read().unwrap().unwrap().as_str(), "new");
        let kept = file.left_over().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(MasterKey::parse(&kept[0].1).unwrap().id(), old.id());
        for path in [&path, &kept[0].0] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for _ in 0..2 {
            file.forget_all().unwrap();
        }
        assert!(file.left_over().unwrap().is_empty());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = private_dir();
        let path = directory.path().join("master.key");
        let file = KeyFile::at(&path);
        file.make("CANARY").unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = file.read().unwrap_err();
            assert!(matches!(error, KeyError::TooOpen { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 600") && !error.to_string().contains("CANARY"));
        }
    }

    #[test]
    fn no_key_is_made_in_a_directory_that_others_may_enter() {
        let directory = private_dir();
        let path = directory.path().join("master.key");
        for mode in [0o755, 0o770, 0o701] {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = KeyFile::at(&path).make("key").unwrap_err();
            assert!(matches!(error, KeyError::DirectoryTooOpen { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 700") && !path.exists());
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = private_dir();
        let path = directory.path().join("absent/master.key");
        let error = KeyFile::at(&path).make("text").unwrap_err();
        assert!(error.to_string().contains("absent/master.key"));
    }
}
