//! The file of the master key: readable by its owner alone, written once, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::KeyError;

/// A key with its line end takes 45 bytes in base64 and 65 in hexadecimal.
const MAX_LENGTH: u64 = 1_024;

/// The text of the file, or `None` if it is not there.
///
/// # Errors
/// [`KeyError`] if it cannot be read, or others could have read or exchanged it.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(failed)?;
    let (mode, uid) = (metadata.mode() & 0o777, metadata.uid());
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen { path: path.to_owned(), mode });
    }
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(KeyError::Foreign { path: path.to_owned(), uid });
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_LENGTH as usize));
    file.take(MAX_LENGTH).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Makes the file with this text, unless there is one. It appears under its name only when it is whole and on
/// the disk, so a crash at any point leaves either no key or a good one.
///
/// # Errors
/// [`KeyError::File`] if it cannot be written.
pub(super) fn make(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let draft = directory.join(format!(".master.key.{:016x}", fastrand::u64(..)));
    let made = write(&draft, text).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    made.and(removed).and_then(|()| File::open(&directory)?.sync_all()).map_err(failed)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{make, read};
    use crate::vault::KeyError;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_leaves_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        assert!(read(&path).unwrap().is_none());
        make(&path, "first").unwrap();
        make(&path, "second").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_str(), "first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        make(&path, "CANARY").unwrap();
        for mode in [0o640, 0o604, 0o660, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyError::TooOpen { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 600") && !error.to_string().contains("CANARY"));
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("absent/master.key");
        let error = make(&path, "text").unwrap_err();
        assert!(error.to_string().contains("absent/master.key"));
    }
}
