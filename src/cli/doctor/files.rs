//! What lies in the data directory: who may read it, whether the key fits, whether the store opens.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::Finding;
use crate::cli::connection::TOKEN_FILE;
use crate::config::Settings;
use crate::store::{self, Location};
use crate::vault::{self, KeySource, UnlockError};

/// The data directory: there, ours and nobody else's.
pub(super) fn data_dir(dir: &Path) -> Finding {
    const NAME: &str = "data dir";
    let shown = dir.display();
    let seen = match std::fs::metadata(dir) {
        Ok(seen) => seen,
        Err(error) if error.kind() == ErrorKind::NotFound => return missing(dir),
        Err(error) => {
            return Finding::fail(NAME, format!("{shown}: {error}"), "make it readable, or choose another");
        }
    };
    if !seen.is_dir() {
        return Finding::fail(
            NAME,
            format!("{shown} is no directory"),
            "move it away, or give another --data-dir",
        );
    }
    let own = rustix::process::geteuid().as_raw();
    if seen.uid() != own {
        let detail = format!("{shown} belongs to the user with uid {}, you are {own}", seen.uid());
        return Finding::warn(NAME, detail, "run the daemon as the owner");
    }
    if rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err() {
        return Finding::fail(NAME, format!("{shown} cannot be written to"), format!("chmod u+w {shown}"));
    }
    match seen.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Finding::ok(NAME, format!("{shown} (mode {mode:03o})")),
        mode => Finding::warn(
            NAME,
            format!("{shown} is open to others (mode {mode:03o})"),
            format!("chmod 700 {shown}"),
        ),
    }
}

/// Whether the first start can make it.
fn missing(dir: &Path) -> Finding {
    const NAME: &str = "data dir";
    let above = dir.ancestors().skip(1).find(|above| above.exists());
    match above {
        Some(above) if rustix::fs::access(above, rustix::fs::Access::WRITE_OK).is_ok() => {
            Finding::ok(NAME, format!("{} is made at the first start", dir.display()))
        }
        _ => {
            Finding::fail(NAME, format!("{} cannot be made", dir.display()), "choose another with --data-dir")
        }
    }
}

/// The administrator's token: for its owner only.
pub(super) fn admin_token(dir: &Path) -> Finding {
    const NAME: &str = "admin token";
    let file = dir.join(TOKEN_FILE);
    match std::fs::metadata(&file) {
        Ok(seen) if seen.permissions().mode() & 0o077 != 0 => {
            let mode = seen.permissions().mode() & 0o777;
            let detail = format!("{} can be read by others (mode {mode:03o})", file.display());
            Finding::fail(NAME, detail, format!("chmod 600 {} and consider a new token", file.display()))
        }
        Ok(_) => Finding::ok(NAME, file.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Finding::ok(NAME, "is made at the first start"),
        Err(error) => {
            Finding::warn(NAME, format!("{}: {error}", file.display()), "run it as the daemon's user")
        }
    }
}

/// The master key, the store, and whether they belong together.
pub(super) async fn key_and_store(settings: &Settings) -> Vec<Finding> {
    let source = match KeySource::from_environment(settings.data_dir.join("master.key")) {
        Ok(source) => source,
        Err(error) => {
            return vec![Finding::fail("master key", error.to_string(), "see to the key first")];
        }
    };
    let key = match source.load() {
        Ok(Some(key)) => Finding::ok("master key", format!("{} in {}", key.id(), source.place())),
        Ok(None) => Finding::ok("master key", "is made at the first start"),
        Err(error) => {
            Finding::fail("master key", error.to_string(), "no credential can be opened without it")
        }
    };
    let location = match Location::parse(settings.database_url.expose_secret()) {
        Ok(location) => location,
        Err(error) => {
            return vec![key, Finding::fail("store", error.to_string(), "mend `database-url`")];
        }
    };
    vec![key, store(&location, &source).await]
}

async fn store(location: &Location, source: &KeySource) -> Finding {
    const NAME: &str = "store";
    let looked = tokio::time::timeout(Duration::from_secs(10), vault::check(location, source)).await;
    match looked {
        Ok(Ok(())) => match store::peek(location).await {
            Ok(seen) if seen.is_empty() => {
                Finding::ok(NAME, format!("{location} is empty or made at the first start"))
            }
            _ => Finding::ok(NAME, format!("{location} opens, and the master key fits")),
        },
        // Told in the line of the key.
        Ok(Err(UnlockError::Key(_))) => {
            Finding::warn(NAME, format!("{location} opens, the key cannot be tried"), "see to the key first")
        }
        Ok(Err(error)) => Finding::fail(NAME, error.to_string(), format!("see to {location}")),
        Err(_) => Finding::fail(NAME, format!("{location} does not answer"), "is the database there?"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_data_directory_is_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let with = |mode| {
            std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
            data_dir(dir.path()).level
        };
        assert_eq!(with(0o700), Level::Ok);
        assert_eq!(with(0o755), Level::Warn);
        assert_eq!(data_dir(&dir.path().join("not/there")).level, Level::Ok);
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(data_dir(&dir.path().join("file")).level, Level::Fail);
    }

    #[test]
    fn a_token_that_others_can_read_has_to_be_mended() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(admin_token(dir.path()).level, Level::Ok);
        let file = dir.path().join(TOKEN_FILE);
        std::fs::write(&file, "x").unwrap();
        for (mode, level) in [(0o600, Level::Ok), (0o644, Level::Fail)] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(admin_token(dir.path()).level, level);
        }
    }

    #[tokio::test]
    async fn a_store_that_is_none_and_a_new_one_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let key = KeySource::file(dir.path().join("master.key"));
        assert_eq!(store(&Location::Sqlite(dir.path().join("new.db")), &key).await.level, Level::Ok);
        assert!(!dir.path().join("new.db").exists() && !dir.path().join("master.key").exists());
        std::fs::write(dir.path().join("text.db"), "this is no database, however long it may be").unwrap();
        assert_eq!(store(&Location::Sqlite(dir.path().join("text.db")), &key).await.level, Level::Fail);
    }
}
