//! What to paste into an MCP client so that it finds an instance.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An MCP client that configurations are known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum McpClient {
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    #[serde(rename = "vscode")]
    #[value(name = "vscode")]
    VsCode,
    /// The MCP Inspector.
    Inspector,
    /// Codex.
    Codex,
}

impl McpClient {
    /// Every client.
    pub const ALL: [Self; 5] = [Self::ClaudeCode, Self::Cursor, Self::VsCode, Self::Inspector, Self::Codex];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Inspector => "inspector",
            Self::Codex => "codex",
        }
    }
}

/// What to paste into an MCP client so that it finds an instance. Holds no token: the daemon does not know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientConfig {
    /// The client.
    pub client: McpClient,
    /// What the server is called there.
    pub name: String,
    /// The file it belongs in.
    pub file: String,
    /// `json` or `toml`.
    pub format: String,
    /// The text of the file, or the part of it that is this server's.
    pub snippet: String,
    /// A command that does the same, where the client has one.
    pub command: Option<String>,
    /// The variable that has to hold the access token in the client's environment, where it reads one.
    pub token_variable: Option<String>,
    /// Where to paste it and how the token gets there.
    pub instructions: String,
}
