//! A look at a database that changes nothing, not even its schema: enough to see whether the master key is
//! the right one before anything is opened for writing.

use minimcp_entities::{keyring, mcp_credential, mcp_instance, setting, user};
use sea_orm::{DatabaseConnection, EntityTrait, QuerySelect, Select};
use sea_orm_migration::SchemaManager;
use uuid::Uuid;

use super::settings::AUDIT_HEAD;
use super::{DEPLOYMENT_ID, KEY_CHECK, Location, StoreError, postgres, sqlite};

/// What there is to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The value under [`KEY_CHECK`].
    pub key_check: Option<Vec<u8>>,
    /// The value under [`DEPLOYMENT_ID`].
    pub deployment_id: Option<Vec<u8>>,
    /// The newest audit record, as it was noted last.
    pub audit_head: Option<Vec<u8>>,
    /// The data keys, wrapped.
    pub keyring: Vec<keyring::Model>,
    /// Whether there are users, credential sets or instances.
    pub holds_rows: bool,
}

impl Peek {
    /// Whether nothing would be lost with the database: then, and only then, a master key may be made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Looks at the database. One that does not exist yet is empty.
///
/// # Errors
/// [`StoreError::Unavailable`] if it cannot be reached, [`StoreError::Rejected`] if it is not a database.
pub async fn peek(location: &Location) -> Result<Peek, StoreError> {
    let connection = match location {
        Location::Sqlite(path) => {
            // SQLite takes a file of no bytes for an empty database, but not for reading only.
            if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
                return Ok(Peek::default());
            }
            sqlite::onlooker(path).await?
        }
        Location::Postgres(url) => postgres::connect(url).await?,
    };
    let seen = look(&connection).await;
    connection.close().await?;
    seen
}

async fn look(connection: &DatabaseConnection) -> Result<Peek, StoreError> {
    let schema = SchemaManager::new(connection);
    let mut peek = Peek::default();
    if schema.has_table("settings").await? {
        for row in setting::Entity::find().all(connection).await? {
            match row.key.as_str() {
                KEY_CHECK => peek.key_check = Some(row.value),
                AUDIT_HEAD => peek.audit_head = Some(row.value),
                DEPLOYMENT_ID => peek.deployment_id = Some(row.value),
                _ => {}
            }
        }
    }
    if schema.has_table("keyring").await? {
        peek.keyring = keyring::Entity::find().all(connection).await?;
    }
    // Only columns that every version of the schema has.
    let users = user::Entity::find().select_only().column(user::Column::Id);
    let credentials = mcp_credential::Entity::find().select_only().column(mcp_credential::Column::Id);
    let instances = mcp_instance::Entity::find().select_only().column(mcp_instance::Column::Id);
    peek.holds_rows = (schema.has_table("users").await? && any(users, connection).await?)
        || (schema.has_table("mcp_credentials").await? && any(credentials, connection).await?)
        || (schema.has_table("mcp_instances").await? && any(instances, connection).await?);
    Ok(peek)
}

async fn any<E: EntityTrait>(ids: Select<E>, connection: &DatabaseConnection) -> Result<bool, StoreError> {
    Ok(ids.into_tuple::<Uuid>().one(connection).await?.is_some())
}
