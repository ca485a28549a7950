//! Importing a type from the description that a registry of MCP servers has of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::mcp_type::{McpType, TypeDefinition};

/// What is to become a type, and whether it may.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportType {
    /// A `server.json`, as the registry of MCP servers has it. Either this or `name`.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    pub server: Option<Value>,
    /// The name of a server in the configured registry. Either this or `server`.
    #[schema(example = "io.github.owner/server")]
    #[serde(default)]
    pub name: Option<String>,
    /// The version in the registry; the newest where it is missing.
    #[serde(default)]
    pub version: Option<String>,
    /// What the type is to be called; by the server's name where it is missing.
    #[serde(default)]
    pub type_name: Option<String>,
    /// Whether it may run here. Nothing is stored without it.
    #[serde(default)]
    pub approve: bool,
    /// The digest of what was shown and is approved. With another one, nothing is stored.
    #[serde(default)]
    pub digest: Option<String>,
}

/// What an import amounts to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportedType {
    /// Whether it was stored.
    pub stored: bool,
    /// The type as it would be, or is.
    pub definition: TypeDefinition,
    /// The command that every server of the type would run, word by word. Places in braces are filled for each
    /// instance.
    pub command: Vec<String>,
    /// The variables that it would get beside those of every server: what they hold, or whose field fills them.
    pub environment: BTreeMap<String, String>,
    /// What deserves a second look. That there is nothing proves nothing: the program may do anything.
    pub dangers: Vec<Danger>,
    /// What else there is to know.
    pub warnings: Vec<String>,
    /// What `digest` has to be to approve exactly this.
    pub digest: String,
    /// The type, once it is stored.
    #[serde(rename = "type")]
    pub mcp_type: Option<McpType>,
}

/// Something that deserves a second look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Danger {
    /// What sort of thing.
    pub kind: DangerKind,
    /// What was found.
    pub found: String,
    /// Where it was found.
    pub at: String,
}

/// The sorts of things that deserve a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DangerKind {
    /// A shell, or what only a shell understands.
    Shell,
    /// More rights than the daemon's.
    Privileges,
    /// A program that deletes.
    Deletion,
    /// A program that reaches the network, or an address there.
    Network,
    /// A path outside of the directory of the instance.
    PathOutside,
    /// An option by which interpreters load more code.
    LoadsCode,
}
