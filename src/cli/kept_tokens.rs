//! Access tokens that were shown once, kept for `call`: one file per instance that only its owner can read.
//!
//! On the daemon's machine they lie in its data directory and go with it; elsewhere in the user's
//! configuration directory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::connection::{TOKEN_FILE, URL_FILE};

/// Where tokens are kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptTokens {
    /// Where they are looked for; new ones go to the first.
    dirs: Vec<PathBuf>,
}

impl KeptTokens {
    /// Those beside a daemon's data directory, or those of the user where there is no daemon.
    pub(crate) fn find(data_dir: &Path) -> Self {
        let config = match std::env::var_os("XDG_CONFIG_HOME") {
            Some(dir) => Some(PathBuf::from(dir)),
            None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")),
        };
        Self::of(data_dir, config.as_deref())
    }

    fn of(data_dir: &Path, config: Option<&Path>) -> Self {
        let beside = data_dir.join("tokens");
        let own = config.filter(|dir| dir.is_absolute()).map(|dir| dir.join("minimcp/tokens"));
        // Only who can read the daemon's own files keeps tokens beside them.
        let daemons = [TOKEN_FILE, URL_FILE].iter().any(|file| fs::File::open(data_dir.join(file)).is_ok());
        let dirs = if daemons { [Some(beside), own] } else { [own, Some(beside)] };
        Self { dirs: dirs.into_iter().flatten().collect() }
    }

    /// Keeps a token, in place of an older one, and tells where.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn keep(&self, instance: Uuid, token: &SecretString) -> io::Result<PathBuf> {
        let dir = self.dirs.first().ok_or_else(|| io::Error::other("there is no directory to keep it in"))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(instance.to_string());
        let fresh = dir.join(format!("{instance}.{}", Uuid::now_v7()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        let written = writeln!(file, "{}", token.expose_secret()).and_then(|()| fs::rename(&fresh, &path));
        if let Err(error) = written {
            // The error is what counts; what is left of the fresh file is unreadable to others.
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        Ok(path)
    }

    /// The token of an instance, where one is kept.
    pub(crate) fn of_instance(&self, instance: Uuid) -> Option<SecretString> {
        self.paths(instance).find_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            let token = text.trim();
            (!token.is_empty()).then(|| token.to_owned().into())
        })
    }

    /// Forgets the token of an instance.
    pub(crate) fn forget(&self, instance: Uuid) {
        for path in self.paths(instance) {
            // It may not be there; and without its instance it opens nothing.
            let _ = fs::remove_file(path);
        }
    }

    fn paths(&self, instance: Uuid) -> impl Iterator<Item = PathBuf> + '_ {
        self.dirs.iter().map(move |dir| dir.join(instance.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn kept(tokens: &KeptTokens, instance: Uuid) -> Option<String> {
        tokens.of_instance(instance).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_is_kept_for_its_owner_only_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(TOKEN_FILE), "x").unwrap();
        let tokens = KeptTokens::of(dir.path(), None);
        let instance = Uuid::now_v7();
        for token in ["first", "second"] {
            let path = tokens.keep(instance, &token.to_owned().into()).unwrap();
            assert!(path.starts_with(dir.path()));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let folder = fs::metadata(path.parent().unwrap()).unwrap();
            assert_eq!(folder.permissions().mode() & 0o777, 0o700);
            assert_eq!(kept(&tokens, instance).as_deref(), Some(token));
        }
        assert_eq!(fs::read_dir(dir.path().join("tokens")).unwrap().count(), 1);
        tokens.forget(instance);
        assert_eq!(kept(&tokens, instance), None);
    }

    #[test]
    fn away_from_the_daemon_they_are_kept_with_the_user_and_found_in_both_places() {
        let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let away = KeptTokens::of(data.path(), Some(home.path()));
        let instance = Uuid::now_v7();
        assert!(away.keep(instance, &"t".to_owned().into()).unwrap().starts_with(home.path()));
        fs::write(data.path().join(TOKEN_FILE), "x").unwrap();
        assert_eq!(kept(&KeptTokens::of(data.path(), Some(home.path())), instance).as_deref(), Some("t"));
    }
}
