//! Types: the recipes that instances are made from. A request to register or replace one is a
//! [`TypeDefinition`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use crate::catalog::{
    ConfigField, ConfigKind, CredentialFields, FieldType, HealthCheck, HealthKind, Lane, Package,
    PackageRegistry, ResourceLimits, Sessions, Source, TypeDefinition,
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
    /// The package it runs a program of.
    pub package: Option<Package>,
    /// How the installation of the package stands; nothing for a type without one.
    pub installation: Option<Installation>,
    /// Arguments of the program, with places that are filled for each launch.
    pub args: Vec<String>,
    /// Where the server's MCP endpoint is.
    pub mcp_path: String,
    /// The configuration a server gets unless its instance says otherwise.
    #[schema(value_type = Object)]
    pub config_template: Map<String, Value>,
    /// Keys of the template that an instance may not set.
    pub config_locked: Vec<String>,
    /// What more there is to say about keys of the template.
    pub config_fields: BTreeMap<String, ConfigField>,
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
    /// What it was imported from.
    pub source: Option<Source>,
    /// Whether the daemon brings the type along and keeps it up to date.
    pub builtin: bool,
    /// When it was first stored.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// How the installation of a package stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Installation {
    /// Where it stands.
    pub status: InstallationStatus,
    /// Why it failed and what to do.
    pub detail: Option<String>,
    /// When it was installed.
    pub installed_at: Option<DateTime<Utc>>,
    /// What installed it, such as `npm 11.19.1`.
    pub installed_by: Option<String>,
    /// The hash of what was installed.
    pub integrity: Option<String>,
    /// How many packages were installed with it, itself included.
    pub packages: Option<u64>,
}

/// Where an installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstallationStatus {
    /// Not there. It is installed when an instance needs it.
    Absent,
    /// Being installed.
    Installing,
    /// There.
    Installed,
    /// It could not be installed; the next start that needs it tries again.
    Failed,
}
