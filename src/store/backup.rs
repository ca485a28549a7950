//! Copies of a SQLite database: made while it is in use, and put back in its place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::Utc;
use sea_orm::ConnectionTrait;

use super::{Location, StoreError, sqlite};

/// Why a copy was not made or not put in place.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another kind of database has tools of its own.
    #[error("the database is PostgreSQL: `pg_dump` copies it and `pg_restore` brings it back")]
    NotSqlite,
    /// The file is not to be overwritten.
    #[error("{0} is there already; choose another name")]
    Exists(PathBuf),
    /// There is no database to copy.
    #[error("there is no database in {0}; is --data-dir the daemon's?")]
    Missing(PathBuf),
    /// The copy is damaged.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the database as it is at one moment into a new file, for its owner alone, and answers its size in bytes.
///
/// # Errors
/// [`BackupError`]; then there is no file.
pub async fn back_up(location: &Location, file: &Path) -> Result<u64, BackupError> {
    let Location::Sqlite(database) = location else { return Err(BackupError::NotSqlite) };
    if fs::metadata(database).map_or(0, |file| file.len()) == 0 {
        return Err(BackupError::Missing(database.clone()));
    }
    // SQLite fills a file that is empty, so nobody else can read it at any moment.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let made = made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(file.to_owned()),
        _ => BackupError::File { path: file.to_owned(), source },
    })?;
    let copied = copy(database, file, &made).await;
    if copied.is_err() {
        let _ = fs::remove_file(file);
    }
    copied
}

async fn copy(database: &Path, file: &Path, made: &File) -> Result<u64, BackupError> {
    let failed = |source| BackupError::File { path: file.to_owned(), source };
    let connection = sqlite::onlooker(database).await?;
    let quoted = file.to_string_lossy().replace('\'', "''");
    let copied = connection.execute_unprepared(&format!("VACUUM INTO '{quoted}'")).await;
    connection.close().await.map_err(StoreError::from)?;
    copied.map_err(StoreError::from)?;
    sound(file).await?;
    made.sync_all().map_err(failed)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(made.metadata().map_err(failed)?.len())
}

/// Whether SQLite finds every page as it should be.
async fn sound(file: &Path) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged { path: file.to_owned(), what };
    let connection = sqlite::onlooker(file).await.map_err(|error| damaged(error.to_string()))?;
    let said = sqlite::integrity(&connection).await;
    connection.close().await.map_err(StoreError::from)?;
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(damaged(said)),
        Err(error) => Err(damaged(error.to_string())),
    }
}

/// A copy of a backup beside the database whose place it may take. Removed when dropped before that.
#[derive(Debug)]
pub struct Draft {
    location: Location,
    path: PathBuf,
    database: PathBuf,
}

impl Draft {
    /// Copies the backup, so that looking into it changes nothing of it.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn of(backup: &Path, location: &Location) -> Result<Self, BackupError> {
        let Location::Sqlite(database) = location else { return Err(BackupError::NotSqlite) };
        let failed = |source| BackupError::File { path: backup.to_owned(), source };
        let path = beside(database, ".restoring");
        let draft = Self { location: Location::Sqlite(path.clone()), path, database: database.clone() };
        draft.remove();
        let mut from = File::open(backup).map_err(failed)?;
        let mut to =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.path).map_err(failed)?;
        io::copy(&mut from, &mut to).map_err(failed)?;
        sound(&draft.path).await.map_err(|error| match error {
            BackupError::Damaged { what, .. } => BackupError::Damaged { path: backup.to_owned(), what },
            error => error,
        })?;
        Ok(draft)
    }

    /// Where the copy is, to be looked into.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Makes the copy the database. Answers where the one before is now, if there was one.
    ///
    /// # Errors
    /// [`BackupError::File`]; then the one before is where it was or under the name that the error tells.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, BackupError> {
        let time = Utc::now().format("%Y%m%dT%H%M%S%.3fZ");
        let aside = beside(&self.database, &format!(".before-{time}"));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::File { path, source }
        };
        File::open(&self.path).and_then(|copy| copy.sync_all()).map_err(failed(&self.path))?;
        let existed = self.database.exists();
        if existed {
            fs::hard_link(&self.database, &aside).map_err(failed(&aside))?;
            // A log belongs to its own database only: whatever it holds goes with the one before.
            for end in ["-wal", "-shm"] {
                let log = beside(&self.database, end);
                if log.exists() {
                    fs::rename(&log, beside(&aside, end)).map_err(failed(&log))?;
                }
            }
        }
        fs::rename(&self.path, &self.database).map_err(failed(&self.database))?;
        if let Some(directory) = self.database.parent() {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed(directory))?;
        }
        Ok(existed.then_some(aside))
    }

    fn remove(&self) {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.path, end));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The path with something behind its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
