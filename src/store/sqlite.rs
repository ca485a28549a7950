//! SQLite: one connection that writes, a few that read.
//!
//! What a database file promises depends on settings of each connection, so they are set and then asked for
//! again on every new one. WAL with `synchronous = FULL` loses no acknowledged commit in a power cut;
//! `secure_delete` overwrites what is deleted, because sealed credentials are only as safe as their key.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions as _, Connection, Row};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement,
};

use super::StoreError;

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for the connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that only read.
const READERS: u32 = 4;

/// `PRAGMA name` and the answer that every connection has to give.
const PROMISES: [(&str, &str); 5] = [
    ("journal_mode", "wal"),
    ("synchronous", "2"),
    ("foreign_keys", "1"),
    ("secure_delete", "1"),
    ("busy_timeout", "5000"),
];

/// The connection that writes; makes the file, for its owner alone.
pub(super) async fn writer(path: &Path) -> Result<DatabaseConnection, StoreError> {
    // SQLite gives the log beside the file the same permissions.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| unavailable(sqlx::Error::Io(error)))?;
    let one = SqlitePoolOptions::new().max_connections(1).min_connections(1);
    let sound = one.after_release(|connection, _| {
        Box::pin(async move {
            // After a commit that failed, SQLite may have rolled back or not, and the driver counts it as open: what
            // is written next would seem to be committed and be part of a transaction that never is. Such a
            // connection is closed, and the next caller gets a new one.
            let open = sqlx::query("ROLLBACK").execute(&mut *connection).await.is_ok();
            Ok(!open && !connection.is_in_transaction())
        })
    });
    connect(promising(path), sound).await
}

/// The connections that read; anything else is refused on them.
pub(super) async fn readers(path: &Path) -> Result<DatabaseConnection, StoreError> {
    let options = promising(path).pragma("query_only", "ON");
    connect(options, SqlitePoolOptions::new().max_connections(READERS)).await
}

/// A connection that changes neither the file nor its log. The file must exist.
pub(super) async fn onlooker(path: &Path) -> Result<DatabaseConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    open(options, SqlitePoolOptions::new().max_connections(1)).await.map_err(StoreError::from)
}

/// Moves the log into the file and empties it, so that nothing deleted is left in it. If a reader is in the
/// way, the next time does it.
pub(super) async fn empty_log(connection: &DatabaseConnection) -> Result<(), StoreError> {
    connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(())
}

/// What SQLite finds wrong with the file: `ok`, or the first things of it.
pub(super) async fn integrity(connection: &DatabaseConnection) -> Result<String, StoreError> {
    let statement = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check(3)");
    let rows = connection.query_all_raw(statement).await?;
    let said = rows.iter().map(|row| row.try_get_by_index::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(said.join("; "))
}

fn promising(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("secure_delete", "ON")
}

async fn connect(
    options: SqliteConnectOptions,
    pool: SqlitePoolOptions,
) -> Result<DatabaseConnection, StoreError> {
    // The pool would try again and again until its time is over, and not say why.
    let mut first = options.connect().await.map_err(unavailable)?;
    let broken = broken_promise(&mut first).await.map_err(unavailable)?;
    first.close().await.map_err(unavailable)?;
    if let Some(BrokenPromise { setting, wanted, found }) = broken {
        return Err(StoreError::Unsafe { setting, wanted, found });
    }
    let pool = pool.after_connect(|connection, _| {
        Box::pin(async move {
            match broken_promise(connection).await? {
                None => Ok(()),
                Some(promise) => Err(sqlx::Error::Configuration(Box::new(promise))),
            }
        })
    });
    Ok(open(options, pool).await?)
}

async fn open(options: SqliteConnectOptions, pool: SqlitePoolOptions) -> Result<DatabaseConnection, DbErr> {
    // The URL only selects the driver; path and settings come from `options`, so a path needs no escaping.
    let mut connect = ConnectOptions::new("sqlite:unused");
    connect
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |_| options.clone().disable_statement_logging())
        .map_sqlx_sqlite_pool_opts(move |_| pool.clone().acquire_timeout(ACQUIRE_TIMEOUT));
    Database::connect(connect).await
}

/// The first promise that a connection does not keep.
async fn broken_promise(connection: &mut SqliteConnection) -> Result<Option<BrokenPromise>, sqlx::Error> {
    for (setting, wanted) in PROMISES {
        let row =
            sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA {setting}"))).fetch_one(&mut *connection).await?;
        // journal_mode answers a word, the others a number.
        let found = row
            .try_get::<String, _>(0)
            .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))?;
        if found != wanted {
            return Ok(Some(BrokenPromise { setting, wanted, found }));
        }
    }
    Ok(None)
}

#[derive(Debug, thiserror::Error)]
#[error("{setting} is {found}, not {wanted}")]
struct BrokenPromise {
    setting: &'static str,
    wanted: &'static str,
    found: String,
}

fn unavailable(error: sqlx::Error) -> StoreError {
    DbErr::Conn(RuntimeErr::SqlxError(error.into())).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

    use super::{
        SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous, StoreError, broken_promise, connect,
        promising, readers, writer,
    };

    #[tokio::test]
    async fn every_connection_keeps_every_promise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("minimcp.db");
        for (connection, expected) in [(writer(&path).await.unwrap(), 1), (readers(&path).await.unwrap(), 4)]
        {
            let pool = connection.get_sqlite_connection_pool();
            let mut held = Vec::new();
            while let Some(connection) = pool.try_acquire() {
                held.push(connection);
            }
            while held.len() < expected {
                held.push(pool.acquire().await.unwrap());
            }
            for connection in &mut held {
                assert!(broken_promise(connection).await.unwrap().is_none());
            }
            assert_eq!(pool.size(), expected as u32);
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_a_promise_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("minimcp.db");
        let sound = || promising(&path).create_if_missing(true);
        for (options, broken) in [
            (sound().journal_mode(SqliteJournalMode::Delete), "journal_mode"),
            (sound().synchronous(SqliteSynchronous::Normal), "synchronous"),
            (sound().foreign_keys(false), "foreign_keys"),
            (sound().pragma("secure_delete", "OFF"), "secure_delete"),
        ] {
            let error = connect(options, SqlitePoolOptions::new()).await.unwrap_err();
            assert!(matches!(error, StoreError::Unsafe { setting, .. } if setting == broken), "{error:?}");
        }
    }

    #[tokio::test]
    async fn what_is_committed_after_a_commit_that_failed_is_committed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("minimcp.db");
        let writer = writer(&path).await.unwrap();
        for table in [
            "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
            "CREATE TABLE child (of INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
        ] {
            writer.execute_unprepared(table).await.unwrap();
        }
        for id in 1..4 {
            let failing = writer.begin().await.unwrap();
            failing.execute_unprepared("INSERT INTO child VALUES (77)").await.unwrap();
            assert!(failing.commit().await.is_err(), "its parent is missing");
            let next = writer.begin().await.unwrap();
            next.execute_unprepared(&format!("INSERT INTO parent VALUES ({id})")).await.unwrap();
            next.commit().await.unwrap();
            let readers = readers(&path).await.unwrap();
            let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM parent");
            let count = readers.query_one_raw(count).await.unwrap().unwrap();
            assert_eq!(count.try_get_by_index::<i64>(0).unwrap(), id, "others see it");
        }
    }

    #[tokio::test]
    async fn readers_cannot_write_and_the_file_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("minimcp.db");
        let writer = writer(&path).await.unwrap();
        writer.execute_unprepared("CREATE TABLE t (n INTEGER)").await.unwrap();
        let readers = readers(&path).await.unwrap();
        assert!(readers.execute_unprepared("INSERT INTO t VALUES (1)").await.is_err());
        for file in std::fs::read_dir(directory.path()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_a_failure_that_may_pass() {
        let directory = tempfile::tempdir().unwrap();
        let error = writer(&directory.path().join("absent/minimcp.db")).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
}
