//! Directories that become packages by one rename, and leave nothing if they do not.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::catalog::manifest::{MANIFEST, Manifest};

/// Where installations are under way, below the directory of all packages and so on the same file system.
const STAGING: &str = ".staging";

/// Makes the directory of all packages and removes what earlier daemons did not finish.
pub(super) fn open(packages_dir: &Path) -> io::Result<()> {
    make(packages_dir)?;
    fs::set_permissions(packages_dir, fs::Permissions::from_mode(0o755))?;
    let staging = packages_dir.join(STAGING);
    match fs::remove_dir_all(&staging) {
        // An installer that outlived its daemon may still write; the next start removes that.
        Err(error) if error.kind() != io::ErrorKind::NotFound && !staging.is_dir() => return Err(error),
        _ => {}
    }
    make(&staging)
}

fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Lets every server read what is in this directory, and keeps it from changing files that others run. Answers the
/// directories in it.
fn close(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let mut below = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below.push(entry.path());
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o100;
            let mode = if executable == 0 { 0o444 } else { 0o555 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(below)
}

/// The directories in this one by name; none if it is not there.
pub(super) fn directories(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let (Ok(name), true) = (entry.file_name().into_string(), entry.file_type()?.is_dir()) {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// A directory for one installation, gone with this value unless it is kept.
#[derive(Debug)]
pub(super) struct Stage {
    base: PathBuf,
    path: PathBuf,
}

impl Stage {
    pub(super) fn new(packages_dir: &Path) -> io::Result<Self> {
        let path = fresh(packages_dir);
        make(&path)?;
        Ok(Self { base: packages_dir.to_owned(), path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it the package at `place`, whatever was there before, with its record. Blocks.
    pub(super) fn keep_as(self, place: &Path, manifest: &Manifest) -> io::Result<()> {
        let record = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
        fs::write(self.path.join(MANIFEST), record)?;
        let mut entries = vec![self.path.clone()];
        while let Some(directory) = entries.pop() {
            entries.extend(close(&directory)?);
        }
        // All of it is on the disk before its name is.
        rustix::fs::syncfs(fs::File::open(&self.path)?)?;
        if let Some(parent) = place.parent() {
            make(parent)?;
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
        }
        if place.exists() {
            remove(&self.base, place)?;
        }
        fs::rename(&self.path, place)?;
        match place.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // After a rename there is nothing; what cannot be removed now, the next start removes.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the package at `place`: by one rename, so that no half of it can be run. Blocks.
pub(super) fn remove(packages_dir: &Path, place: &Path) -> io::Result<()> {
    let aside = fresh(packages_dir);
    match fs::rename(place, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::remove_dir_all(aside),
    }
}

fn fresh(packages_dir: &Path) -> PathBuf {
    packages_dir.join(STAGING).join(Uuid::new_v4().simple().to_string())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::catalog::PackageRegistry;
    use crate::catalog::program::read_manifest;

    fn manifest() -> Manifest {
        Manifest {
            registry: PackageRegistry::Npm,
            name: "x".into(),
            version: "1.0.0".into(),
            integrity: vec!["sha512-x".into()],
            programs: [("x".to_owned(), "x.js".to_owned())].into(),
            python: None,
            resolved: Vec::new(),
            installed_at: DateTime::UNIX_EPOCH,
            installed_by: "npm 1".into(),
        }
    }

    fn in_staging(base: &Path) -> usize {
        fs::read_dir(base.join(STAGING)).unwrap().count()
    }

    #[test]
    fn what_is_kept_takes_its_place_whole_and_what_is_not_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("packages");
        open(&base).unwrap();
        let place = base.join("npm/x@1.0.0");
        let dropped = Stage::new(&base).unwrap();
        fs::write(dropped.path().join("half"), "").unwrap();
        drop(dropped);
        assert_eq!((in_staging(&base), place.exists()), (0, false));

        for content in ["old", "new"] {
            let stage = Stage::new(&base).unwrap();
            fs::write(stage.path().join("x.js"), content).unwrap();
            stage.keep_as(&place, &manifest()).unwrap();
            assert_eq!(fs::read_to_string(place.join("x.js")).unwrap(), content);
            assert_eq!(read_manifest(&place), Some(manifest()));
            assert_eq!(in_staging(&base), 0);
        }
        assert_eq!(directories(&base.join("npm")).unwrap(), [("x@1.0.0".to_owned(), place.clone())]);
        remove(&base, &place).unwrap();
        remove(&base, &place).unwrap();
        assert_eq!((in_staging(&base), place.exists()), (0, false));
    }

    #[test]
    fn what_an_earlier_daemon_did_not_finish_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        std::mem::forget(Stage::new(dir.path()).unwrap());
        assert_eq!(in_staging(dir.path()), 1);
        open(dir.path()).unwrap();
        assert_eq!(in_staging(dir.path()), 0);
    }
}
