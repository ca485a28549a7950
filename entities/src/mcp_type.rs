//! `mcp_types`: the recipes that instances are made from.

use sea_orm::entity::prelude::*;

/// One type of server. The JSON columns have the shapes of `catalog::definition` in the root crate.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mcp_types")]
pub struct Model {
    /// `^[a-z0-9][a-z0-9-]{0,62}$`
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The name a person reads.
    pub display_name: String,
    /// What its servers do.
    #[sea_orm(column_type = "Text")]
    pub description: String,
    /// `http` or `stdio`: how MCP traffic reaches a run.
    pub lane: String,
    /// `per_session` or `shared`: on the stdio lane, who has a process of their own.
    pub sessions: String,
    /// A Node script below the servers directory; either this, `command` or `package`.
    pub server_script: Option<String>,
    /// A program; either this, `server_script` or `package`.
    pub command: Option<String>,
    /// `{registry, name, version, integrity, bin}` of a program in a package registry; instead of the other two.
    #[sea_orm(column_type = "JsonBinary")]
    pub package: Option<Json>,
    /// Arguments: a list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub args: Json,
    /// Where the server's MCP endpoint is, such as `/mcp`.
    pub mcp_path: String,
    /// The configuration a server gets unless its instance says otherwise: an object.
    #[sea_orm(column_type = "JsonBinary")]
    pub config_template: Json,
    /// Keys of the template that an instance may not change: a list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub config_locked: Json,
    /// Key of the template to `{kind, description, required, choices, below}`: an object, or nothing.
    #[sea_orm(column_type = "JsonBinary")]
    pub config_fields: Option<Json>,
    /// The kind of authentication the vendor asks for, such as `oauth2`; `none` where there is none.
    pub required_auth: String,
    /// Scopes the credentials should have: a list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub required_scopes: Json,
    /// What the server can do, in words for people: a list of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub capabilities: Json,
    /// `{required, optional, field_types, primary}`
    #[sea_orm(column_type = "JsonBinary")]
    pub credential_fields: Json,
    /// `{max_memory_mb, max_cpu_percent}`
    #[sea_orm(column_type = "JsonBinary")]
    pub resource_limits: Json,
    /// `{kind, endpoint, interval_seconds, timeout_seconds, start_timeout_seconds}`
    #[sea_orm(column_type = "JsonBinary")]
    pub health_check: Json,
    /// Variables that every server of the type gets: an object of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub env: Json,
    /// Credential field to the variable it is also handed over in: an object of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub env_map: Json,
    /// `auto` or `environment`: how the credentials reach a server.
    pub credential_handover: String,
    /// Pre-started processes to keep ready; 0 is none.
    pub warm: i32,
    /// Whether a server keeps state of its callers between calls.
    pub stateful: bool,
    /// `{name, version, registry}` of what it was imported from.
    #[sea_orm(column_type = "JsonBinary")]
    pub source: Option<Json>,
    /// Whether the daemon brings the type along and keeps it up to date.
    pub builtin: bool,
    /// When the type was first stored.
    pub created_at: DateTimeUtc,
    /// When it was last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
