//! `mcp_credentials`: sets of secrets, sealed.

use sea_orm::entity::prelude::*;

/// One credential set of one user for one type.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mcp_credentials")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose secrets they are.
    pub user_id: Uuid,
    /// The type they are for.
    pub mcp_type: String,
    /// What the owner calls the set; unique for a user and type.
    pub name: String,
    /// The fields as a JSON object, encrypted; the format is that of `vault::seal` in the root crate.
    pub sealed: Vec<u8>,
    /// The id of the master key that `sealed` needs.
    pub key_id: String,
    /// The last four characters of the primary field, where that gives little away.
    pub hint: Option<String>,
    /// Names of the fields that are set: a list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub field_names: Json,
    /// 1 for the first content, one more for each change; part of what the seal covers.
    pub version: i64,
    /// When the vendor will refuse them.
    pub expires_at: Option<DateTimeUtc>,
    /// What happens then: `warn`, `block_new` or `stop`.
    pub on_expiry: String,
    /// When the set was made.
    pub created_at: DateTimeUtc,
    /// When its fields were last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
