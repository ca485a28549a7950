//! Types: the recipes that instances are made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::instance::DeclaredLimits;

/// A type of MCP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct McpType {
    /// Its name, such as `github`.
    pub name: String,
    /// The name a person reads.
    pub display_name: String,
    /// What its servers do.
    pub description: String,
    /// How MCP traffic reaches a server: `http` or `stdio`.
    pub lane: String,
    /// The Node script it runs, below the servers directory.
    pub server_script: Option<String>,
    /// The program it runs, where it is no Node script.
    pub command: Option<String>,
    /// The program's arguments.
    pub args: Vec<String>,
    /// The configuration a server gets unless its instance says otherwise.
    #[schema(value_type = Object)]
    pub config_template: Map<String, Value>,
    /// The kind of authentication the vendor asks for, such as `oauth2`.
    pub required_auth: String,
    /// The scopes the credentials should have.
    pub required_scopes: Vec<String>,
    /// What a server can do.
    pub capabilities: Vec<String>,
    /// The fields of a credential set.
    pub credential_fields: CredentialFields,
    /// What a server may use at most.
    pub resource_limits: DeclaredLimits,
    /// How readiness and health are seen.
    pub health_check: HealthCheck,
    /// Whether a server keeps state of its callers between calls.
    pub stateful: bool,
    /// Whether the daemon brings the type along.
    pub builtin: bool,
}

/// The fields of a credential set of a type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialFields {
    /// Those that have to be there.
    pub required: Vec<String>,
    /// Those that may be there.
    pub optional: Vec<String>,
    /// The type of each, such as `string`.
    pub field_types: BTreeMap<String, String>,
    /// The one whose last characters are shown as a hint.
    pub primary: Option<String>,
}

/// How the readiness and health of a server are seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthCheck {
    /// `http`, `tcp`, `mcp` or `process`.
    pub kind: String,
    /// The path that is asked.
    pub endpoint: Option<String>,
    /// Between two checks.
    pub interval_seconds: u32,
    /// What one check may take.
    pub timeout_seconds: u32,
    /// From launch to ready.
    pub start_timeout_seconds: u32,
}
