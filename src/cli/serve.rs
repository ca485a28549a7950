//! `serve`: the daemon itself.

use clap::Args;
use minimcp_actors::launch::gate::Gate;

use super::failure::Failure;
use super::output::Output;
use crate::config;

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
        let _ = (loaded, gate);
        Err(Failure::new("this build has no daemon yet"))
    }
}
