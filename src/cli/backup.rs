//! `backup`: a copy of the database while the daemon goes on.

use std::path::PathBuf;

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;

use super::connection::Globals;
use super::failure::Failure;
use super::output::Output;
use crate::config::{self, Settings};
use crate::store::{self, Location};

/// Copy the database into a file, while the daemon goes on
///
/// The copy is whole and of one moment. Secrets in it stay encrypted, so it opens with the master key only:
/// keep that key, and keep it apart. Works on the machine of the daemon, with its --data-dir.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp backup /var/backups/minimcp-$(date +%F).db
  minimcp restore --backup /var/backups/minimcp-2026-11-22.db     # with the daemon stopped")]
pub(crate) struct Backup {
    /// The file to make; one that is there is never overwritten
    file: PathBuf,
}

impl Backup {
    pub(crate) async fn run(self, globals: &Globals, output: &mut Output) -> Result<(), Failure> {
        let settings = settings(globals)?;
        let spinner = output.spinner("copying the database");
        let copied = store::back_up(&location(&settings)?, &self.file).await;
        drop(spinner);
        let bytes = copied.map_err(|error| Failure::new(error.to_string()))?;
        let file = self.file.display().to_string();
        if output.json() {
            return output.line(json!({"file": file, "bytes": bytes}));
        }
        output.line(format!("{file} holds the database, {}", super::table::bytes(bytes)))?;
        output.note(format!(
            "It opens with the master key only, which is not in it. Keep a copy of {} in another place.",
            settings.data_dir.join("master.key").display()
        ));
        Ok(())
    }
}

/// The settings of the daemon of this machine.
pub(super) fn settings(globals: &Globals) -> Result<Settings, Failure> {
    let flags = config::Flags { data_dir: globals.data_dir.clone(), ..config::Flags::default() };
    let loaded = config::load(&flags).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(loaded.settings)
}

pub(super) fn location(settings: &Settings) -> Result<Location, Failure> {
    Location::parse(settings.database_url.expose_secret()).map_err(|error| Failure::usage(error.to_string()))
}
