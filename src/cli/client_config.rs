//! `client-config`: what to paste into an MCP client.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::Context;
use super::failure::Failure;
use crate::api::client_config::{ClientConfig, McpClient};
use crate::api::instance::Instance;
use crate::instances::client_config;

/// Show what to paste into an MCP client so that it finds an instance
///
/// The client reads the access token from a variable or asks for it. With --token it is put in: that of
/// MINIMCP_INSTANCE_TOKEN, else the one that `create` or `token` kept on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp client-config work --client claude-code > .mcp.json
  minimcp client-config work --client vscode --token")]
pub(crate) struct Show {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// The client
    #[arg(long, value_enum, default_value = "claude-code")]
    client: McpClient,
    /// Put the access token in
    #[arg(long)]
    token: bool,
}

impl Show {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let path = format!("/v1/instances/{id}");
        let config: ClientConfig = if self.token {
            let given = std::env::var("MINIMCP_INSTANCE_TOKEN").ok().map(SecretString::from);
            let token = given.or_else(|| context.tokens.of_instance(id)).ok_or_else(|| {
                Failure::new("no access token of this instance is known here")
                    .next("set MINIMCP_INSTANCE_TOKEN to it")
                    .next(format!("`minimcp token {id}` makes a new one"))
            })?;
            let instance: Instance = context.client.get(&path, &[]).await?.read()?;
            let name = instance.name.as_deref().unwrap_or(&instance.mcp_type);
            client_config::of(self.client, name, &instance.access_url, Some(token.expose_secret()))
        } else {
            let query = [("client", self.client.as_str())];
            context.client.get(&format!("{path}/client-config"), &query).await?.read()?
        };
        if context.output.json() {
            let text = serde_json::to_string(&config);
            let unwritable = |error| Failure::new(format!("it cannot be written: {error}"));
            return context.output.line(text.map_err(unwritable)?);
        }
        // What is to be read goes beside what is to be pasted, so that a redirection holds the snippet alone.
        context.output.note(&config.instructions);
        if let Some(command) = &config.command {
            context.output.note(format!("command: {command}"));
        }
        context.output.line(config.snippet.trim_end())
    }
}
