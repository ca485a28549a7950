//! PostgreSQL: one pool for reading and writing.

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::StoreError;

const CONNECTIONS: u32 = 8;
/// How long a caller waits for a connection, and a connection for the server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most time of one statement, so that a stalled server does not stall the daemon.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects to the database at `url`.
pub(super) async fn connect(url: &str) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(CONNECTIONS)
        .connect_timeout(TIMEOUT)
        .acquire_timeout(TIMEOUT)
        .statement_timeout(STATEMENT_TIMEOUT)
        .set_application_name("minimcp")
        .sqlx_logging(false);
    Ok(Database::connect(options).await?)
}
