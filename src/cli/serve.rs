//! `serve`: the daemon itself.

use std::path::Path;

use clap::Args;
use minimcp_actors::launch::gate::Gate;

use super::failure::Failure;
use super::output::Output;
use crate::config::{self, Settings};
use crate::runtime;

/// Run the daemon
///
/// Needs nothing: everything it keeps lies in ./data unless told otherwise, the administrator's token is
/// written there, and it listens on 127.0.0.1:7878. Settings come from flags, else MINIMCP_* variables, else
/// minimcp.toml.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp serve
  minimcp serve --data-dir /var/lib/minimcp --set ports=30000-30999
  minimcp serve --print-config")]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: config::Flags,
    /// Show every setting and where it came from, and end
    #[arg(long)]
    print_config: bool,
}

impl Serve {
    pub(crate) async fn run(self, gate: Gate, mut output: Output) -> Result<(), Failure> {
        let loaded = config::load(&self.flags).map_err(|error| {
            Failure::usage(error.to_string()).next("`minimcp serve --help` shows how settings are given")
        })?;
        if self.print_config {
            return output.text(&loaded.report.to_string());
        }
        let mut greeted = Ok(());
        let ready = |settings: &Settings, token: Option<&Path>| greeted = output.text(&greeting(settings, token));
        runtime::serve(loaded, gate, ready).await.map_err(|error| Failure::new(error.to_string()))?;
        greeted
    }
}

/// What to type next. `token` is the file of a token that was just made.
fn greeting(settings: &Settings, token: Option<&Path>) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "minimcp".into());
    let data = settings.data_dir.display();
    let mut text = format!("MiniMCP listens on {}; everything it keeps is in {data}.\n", settings.public_url);
    if let Some(token) = token {
        text += &format!("This is the first run: the administrator's token is in {}.\n", token.display());
    }
    text += &format!(
        "\nIn another terminal, from this directory:\n\
        \n  {program} create everything --name demo --ttl 30m --wait\
        \n  {program} call demo echo --arg message=hello\
        \n  {program} ls\n\n\
        Ctrl-C ends the daemon and its servers; they come back with it.\n"
    );
    text
}
