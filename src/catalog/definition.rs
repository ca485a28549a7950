//! What a type of server is, as administrators write it: in TOML, in JSON or over the API.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::package::{Package, PackageRegistry};

/// The recipe for instances of one type.
///
/// ```
/// use minimcp::catalog::TypeDefinition;
///
/// let definition = TypeDefinition::from_toml(
///     r#"
///     name = "notes"
///     display_name = "Notes"
///     command = "notes-server"
///     args = ["--port", "{port}"]
///
///     [health_check]
///     endpoint = "/health"
///     "#,
/// )?;
/// assert!(definition.check().is_ok());
/// # Ok::<(), minimcp::catalog::Malformed>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeDefinition {
    /// `^[a-z0-9][a-z0-9-]{0,62}$`
    #[schema(example = "github", pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    pub name: String,
    /// The name a person reads.
    #[schema(example = "GitHub MCP")]
    pub display_name: String,
    /// What its servers do.
    #[serde(default)]
    pub description: String,
    /// How MCP traffic reaches a server.
    #[serde(default)]
    pub lane: Lane,
    /// On the stdio lane, whether each session of the older protocol era has a process of its own. The newer era
    /// has no sessions: its clients share one process either way.
    #[serde(default)]
    pub sessions: Sessions,
    /// A Node script below the servers directory. Either this, `command` or `package`.
    #[serde(default)]
    #[schema(example = "dist/github.cjs")]
    pub server_script: Option<String>,
    /// A program: a name to look for, or an absolute path. Either this, `server_script` or `package`.
    #[serde(default)]
    pub command: Option<String>,
    /// A program in a package registry. Either this, `server_script` or `command`.
    #[serde(default)]
    pub package: Option<Package>,
    /// Arguments of the program. `{config.KEY}`, `{home}` and `{port}` are filled in for each launch; an argument
    /// whose key has no value is left out, and one with a list is repeated.
    #[serde(default)]
    pub args: Vec<String>,
    /// Where the server's MCP endpoint is.
    #[serde(default = "default_mcp_path")]
    pub mcp_path: String,
    /// The configuration a server gets unless its instance says otherwise. If it has keys, an instance may set
    /// no others. A value that is null or the empty string declares a key and gives it no value.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub config_template: Map<String, Value>,
    /// Keys of `config_template` that an instance may not set.
    #[serde(default)]
    pub config_locked: Vec<String>,
    /// What more there is to say about keys of `config_template`.
    #[serde(default)]
    pub config_fields: BTreeMap<String, ConfigField>,
    /// The kind of authentication the vendor asks for.
    #[serde(default = "default_required_auth")]
    #[schema(example = "personal_access_token")]
    pub required_auth: String,
    /// Scopes the credentials should have.
    #[serde(default, alias = "scopes")]
    pub required_scopes: Vec<String>,
    /// What the server can do, in words for people.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The fields of a credential set.
    #[serde(default)]
    pub credential_fields: CredentialFields,
    /// What the process tree of a server may use.
    #[serde(default)]
    pub resource_limits: ResourceLimits,
    /// How readiness and health are seen.
    #[serde(default)]
    pub health_check: HealthCheck,
    /// Variables that every server of the type gets. Nothing secret: they are shown to everybody. They have the
    /// same places as `args`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Credential field to the variable it is also handed over in, beside `CREDENTIALS`.
    #[serde(default)]
    pub env_map: BTreeMap<String, String>,
    /// How the credentials reach a server.
    #[serde(default)]
    pub credential_handover: CredentialHandover,
    /// Pre-started processes to keep ready; 0 is none.
    #[serde(default)]
    pub warm: u16,
    /// Whether a server keeps state of its callers between calls.
    #[serde(default)]
    pub stateful: bool,
    /// What it was imported from.
    #[serde(default)]
    pub source: Option<Source>,
}

/// What a type was imported from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name of the server in the registry, such as `io.github.owner/server`.
    pub name: String,
    /// The version of its description.
    pub version: String,
    /// The registry that it was fetched from; nothing if it came as a file.
    #[serde(default)]
    pub registry: Option<String>,
}

/// What more there is to say about a key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigField {
    /// What its value is.
    #[serde(default)]
    pub kind: ConfigKind,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Whether an instance has to have a value.
    #[serde(default)]
    pub required: bool,
    /// The only values there are, where there are any.
    #[serde(default)]
    pub choices: Vec<String>,
    /// For a path: directories that an absolute one may lie in. A relative path is below the directory of the
    /// instance.
    #[serde(default)]
    pub below: Vec<String>,
}

/// What the value of a key is. A list of such values is one, too, where the template has a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigKind {
    /// Text.
    #[default]
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The path of a file.
    File,
    /// The path of a directory, which is made if it is missing.
    Directory,
}

impl TypeDefinition {
    /// Whether its programs are run by Node.
    #[must_use]
    pub fn is_node(&self) -> bool {
        self.server_script.is_some()
            || self.command.as_deref() == Some("node")
            || self.package.as_ref().is_some_and(|package| package.registry == PackageRegistry::Npm)
    }

    /// Where the credentials of its servers can be seen.
    #[must_use]
    pub fn exposure(&self) -> CredentialsExposure {
        match self.credential_handover {
            CredentialHandover::Auto if self.is_node() => CredentialsExposure::Sealed,
            CredentialHandover::Auto | CredentialHandover::Environment => CredentialsExposure::Environment,
        }
    }
}

/// How the credentials reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialHandover {
    /// In a sealed memory file if Node runs the server, else in the environment.
    #[default]
    Auto,
    /// In the environment: for a Node program that lists its variables or passes them on to its own children.
    Environment,
}

/// Where the credentials of a running server can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialsExposure {
    /// Nowhere outside of its memory: they came in a sealed memory file that is closed.
    Sealed,
    /// In its environment: whoever runs as the same user reads them for as long as it lives, and so does every
    /// program that it starts.
    Environment,
}

/// How MCP traffic reaches a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Streamable HTTP on the port in `PORT`.
    #[default]
    Http,
    /// Newline-delimited JSON-RPC on its standard streams.
    Stdio,
}

/// Who has a process of their own on the stdio lane, in the protocol era that has sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sessions {
    /// Each session: a server may ask its client, log to it and keep state for it.
    #[default]
    PerSession,
    /// Nobody: all sessions share one process, which is told that its client can do nothing of its own. Fewer
    /// processes, for servers that only answer.
    Shared,
}

/// The fields of a credential set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialFields {
    /// Fields that have to be there.
    #[serde(default, alias = "required_fields")]
    pub required: Vec<String>,
    /// Fields that may be there.
    #[serde(default, alias = "optional_fields")]
    pub optional: Vec<String>,
    /// The type of each field; `string` where it is missing.
    #[serde(default)]
    pub field_types: BTreeMap<String, FieldType>,
    /// The field whose end serves as a hint; `api_key`, `personal_access_token`, `client_secret` or the first
    /// required one where it is missing.
    #[serde(default)]
    pub primary: Option<String>,
}

impl CredentialFields {
    /// Every field, the required ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.required.iter().chain(&self.optional).map(String::as_str)
    }

    /// The type of a field.
    #[must_use]
    pub fn type_of(&self, field: &str) -> FieldType {
        self.field_types.get(field).copied().unwrap_or_default()
    }

    /// The field whose end serves as a hint.
    #[must_use]
    pub fn primary(&self) -> Option<&str> {
        if let Some(primary) = &self.primary {
            return Some(primary);
        }
        ["api_key", "personal_access_token", "client_secret"]
            .into_iter()
            .find(|known| self.names().any(|name| name == *known))
            .or_else(|| self.names().next())
    }
}

/// The type of a credential field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    #[default]
    String,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl FieldType {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// What the process tree of a server may use. A limit that is missing is not enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceLimits {
    /// Resident memory in MiB, 16 to 1,048,576.
    #[serde(default, deserialize_with = "number_or_digits")]
    #[schema(value_type = Option<u32>)]
    pub max_memory_mb: Option<u32>,
    /// CPU in percent of one core, 1 to 100,000: 150 is one and a half cores.
    #[serde(default, deserialize_with = "number_or_digits")]
    #[schema(value_type = Option<u32>)]
    pub max_cpu_percent: Option<u32>,
    /// Processes and threads together, 16 to 1,000,000; the daemon's `max-processes` where it is missing.
    #[serde(default, deserialize_with = "number_or_digits", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    pub max_processes: Option<u32>,
}

/// How readiness and health are seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// What is asked.
    #[serde(default)]
    pub kind: HealthKind,
    /// The path of an `http` check.
    #[serde(default)]
    #[schema(example = "/health")]
    pub endpoint: Option<String>,
    /// Seconds between two checks of a running server, 1 to 86,400.
    #[serde(default = "default_interval")]
    pub interval_seconds: u32,
    /// Seconds until a check counts as missed, 1 to 300.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u32,
    /// Seconds from launch to ready, 1 to 3,600.
    #[serde(default = "default_start_timeout")]
    pub start_timeout_seconds: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            kind: HealthKind::Http,
            endpoint: Some("/health".to_owned()),
            interval_seconds: default_interval(),
            timeout_seconds: default_timeout(),
            start_timeout_seconds: default_start_timeout(),
        }
    }
}

/// What a health check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// `GET endpoint` has to answer 200.
    #[default]
    Http,
    /// The MCP endpoint has to answer with JSON-RPC.
    Mcp,
    /// The port has to accept a connection.
    Tcp,
    /// Nothing is asked of the server: over standard streams it is ready once its process is there, over HTTP once
    /// its port accepts a connection.
    Process,
}

/// A text that is not a definition at all. Says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl TypeDefinition {
    /// From the text of a TOML file. What it says is not checked yet: see [`Self::check`].
    ///
    /// # Errors
    /// [`Malformed`] if it is not TOML, lacks a field or has one too many.
    pub fn from_toml(text: &str) -> Result<Self, Malformed> {
        toml::from_str(text).map_err(|error| Malformed(error.to_string()))
    }

    /// From the text of a JSON file. What it says is not checked yet: see [`Self::check`].
    ///
    /// # Errors
    /// [`Malformed`] if it is not JSON, lacks a field or has one too many.
    pub fn from_json(text: &str) -> Result<Self, Malformed> {
        serde_json::from_str(text).map_err(|error| Malformed(error.to_string()))
    }
}

fn default_mcp_path() -> String {
    "/mcp".to_owned()
}

fn default_required_auth() -> String {
    "none".to_owned()
}

fn default_interval() -> u32 {
    30
}

fn default_timeout() -> u32 {
    5
}

fn default_start_timeout() -> u32 {
    30
}

/// The integration guide writes limits as `"512"`, so digits in quotes are as welcome as a number.
fn number_or_digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(u32),
        Digits(String),
    }
    match Option::<Given>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Given::Number(number)) => Ok(Some(number)),
        Some(Given::Digits(digits)) => digits.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests;
