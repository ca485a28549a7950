//! `serve`: the daemon itself.

use std::path::Path;

use clap::Args;
use minimcp_actors::launch::gate::Gate;
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use crate::config::{self, Settings};
use crate::store::StoreError;

/// Run the daemon
///
/// Needs nothing: everything it keeps lies in ./data unless told otherwise, the administrator's token is
/// written there, and it listens on 127.0.0.1:7878. Settings come from flags, else MINIMCP_* variables, else
/// minimcp.toml.
///
/// The master key is made beside an empty database, in master.key. To give one instead, set MINIMCP_MASTER_KEY
/// (base64 or hexadecimal of 32 bytes) or MINIMCP_MASTER_KEY_FILE, or hand it over as the systemd credential
/// minimcp.key; keys that were replaced go into MINIMCP_MASTER_KEYS_PREVIOUS, separated by semicolons. Exit code 78
/// says that the key is missing or wrong.
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
            return print(&loaded.report, &mut output);
        }
        let ready = |settings: &Settings, new_token: Option<&Path>| {
            // A person gets a word; whoever collects logs has the log.
            if output.terminal() {
                output.note(greeting(settings, new_token));
            }
        };
        crate::runtime::serve(loaded, gate, ready).await.map_err(|error| {
            let failure = if error.is_setup() { Failure::setup } else { Failure::new };
            let next = "`minimcp doctor`, with the same --data-dir, tells what to mend";
            match error.of_store() {
                // A file that was damaged in the right place looks like one of another schema.
                Some(StoreError::Rejected(reason)) => failure(format!("{error}: {reason}"))
                    .next(next)
                    .next("if the database was damaged: `minimcp restore --backup FILE` brings a copy back"),
                _ => failure(error.to_string()).next(next),
            }
        })
    }
}

fn print(report: &config::Report, output: &mut Output) -> Result<(), Failure> {
    if !output.json() {
        return output.text(&report.to_string());
    }
    let settings = report
        .0
        .iter()
        .map(|line| (line.key.to_owned(), json!({"value": line.value, "origin": line.origin.to_string()})));
    output.line(Value::Object(settings.collect()))
}

/// What to type next, for a terminal whose working directory is this one.
fn greeting(settings: &Settings, new_token: Option<&Path>) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "minimcp".into());
    let dir = settings.data_dir.display();
    let usual = std::env::current_dir().is_ok_and(|here| settings.data_dir == here.join("data"));
    let minimcp = if usual { program } else { format!("{program} --data-dir {dir}") };
    let mut lines = vec![format!("MiniMCP is ready at {}", settings.public_url)];
    lines.extend(
        new_token.map(|file| format!("The administrator's token is new and lies in {}", file.display())),
    );
    lines.extend([
        "In another terminal, from this directory:".to_owned(),
        format!("  {minimcp} create everything --name demo --ttl 30m --wait"),
        format!("  {minimcp} call demo echo --arg message=hello"),
        format!("  {minimcp} ls"),
        "Ctrl-C ends the daemon and its servers; they come back with it.".to_owned(),
    ]);
    lines.join("\n")
}
