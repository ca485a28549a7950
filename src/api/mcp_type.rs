//! Types: the recipes that instances are made from. A request to register or replace one is a
//! [`TypeDefinition`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use crate::catalog::{
    CredentialFields, FieldType, HealthCheck, HealthKind, Lane, ResourceLimits, Sessions, TypeDefinition,
};

/// A type of MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct McpType {
    /// Its name, such as `github`.
    pub name: String,
    /// The name a person reads.
    pub display_name: String,
    /// What its servers do.
    pub description: String,
    /// How MCP traffic reaches a server.
    pub lane: Lane,
    /// On the stdio lane, who has a process of their own.
    pub sessions: Sessions,
    /// The Node script it runs, below the servers directory.
    pub server_script: Option<String>,
    /// The program it runs, where it is no Node script.
    pub command: Option<String>,
    /// Arguments of the script or the program.
    pub args: Vec<String>,
    /// Where the server's MCP endpoint is.
    pub mcp_path: String,
    /// The configuration a server gets unless its instance says otherwise.
    #[schema(value_type = Object)]
    pub config_template: Map<String, Value>,
    /// Keys of the template that an instance may not set.
    pub config_locked: Vec<String>,
    /// The kind of authentication the vendor asks for, such as `oauth2`.
    pub required_auth: String,
    /// The scopes the credentials should have.
    pub required_scopes: Vec<String>,
    /// What a server can do.
    pub capabilities: Vec<String>,
    /// The fields of a credential set.
    pub credential_fields: CredentialFields,
    /// What a server may use at most.
    pub resource_limits: ResourceLimits,
    /// How readiness and health are seen.
    pub health_check: HealthCheck,
    /// Variables that every server of the type gets.
    pub env: BTreeMap<String, String>,
    /// Credential field to the variable it is also handed over in.
    pub env_map: BTreeMap<String, String>,
    /// Pre-started processes that are kept ready.
    pub warm: u16,
    /// Whether a server keeps state of its callers between calls.
    pub stateful: bool,
    /// Whether the daemon brings the type along and keeps it up to date.
    pub builtin: bool,
    /// When it was first stored.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}
