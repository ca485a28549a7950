//! `restore`: an instance that lost its server, or the whole database from a backup.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::backup::{location, settings};
use super::connection::Globals;
use super::failure::Failure;
use super::output::Output;
use super::{Context, lifecycle};
use crate::runtime::take_data_dir;
use crate::store;
use crate::vault::{KeySource, unlock};

/// Bring a disconnected instance back, or the database from a backup
///
/// With an instance, it is asked of the daemon. With --backup, the daemon has to be stopped: the copy is checked
/// first (is it whole, does the master key open it, was no row changed), and the database that is there is moved
/// aside, never removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp restore work --wait
  minimcp restore --backup /var/backups/minimcp-2026-11-22.db --data-dir /var/lib/minimcp")]
pub(crate) struct Restore {
    /// A backup that `minimcp backup` has made, to become the database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "wait"])]
    backup: Option<PathBuf>,
    /// The instance: its id, a unique prefix of it, or its name
    #[arg(required_unless_present = "backup")]
    id: Option<String>,
    /// Wait until it runs
    #[arg(long)]
    wait: bool,
}

impl Restore {
    pub(crate) async fn run(self, globals: &Globals, mut output: Output) -> Result<(), Failure> {
        if let Some(file) = &self.backup {
            return database(file, globals, &mut output).await;
        }
        let order = lifecycle::Order { id: self.id.unwrap_or_default(), wait: self.wait };
        order.restore(&mut Context::new(globals, output)?).await
    }
}

async fn database(backup: &Path, globals: &Globals, output: &mut Output) -> Result<(), Failure> {
    let settings = settings(globals)?;
    let refused = |why: String| {
        Failure::new(why).next("nothing was changed; the database that is there is still the one in use")
    };
    let _alone = take_data_dir(&settings.data_dir)
        .map_err(|error| refused(error.to_string()).next("stop the daemon first"))?;
    let spinner = output.spinner("checking the backup");
    let draft =
        store::Draft::of(backup, &location(&settings)?).await.map_err(|error| refused(error.to_string()))?;
    if store::peek(draft.location()).await.map_err(|error| refused(error.to_string()))?.is_empty() {
        return Err(refused(format!("{} holds no database of MiniMCP", backup.display())));
    }
    let key = KeySource::from_environment(settings.data_dir.join("master.key"))
        .map_err(|error| refused(error.to_string()))?;
    if key.load().map_err(|error| refused(error.to_string()))?.is_none() {
        let place = key.place();
        return Err(refused(format!(
            "there is no master key in {place}; put the key of the backup there first"
        )));
    }
    let (copy, _) = unlock(draft.location(), &key).await.map_err(|error| refused(error.to_string()))?;
    let altered = copy.altered_rows().await.map_err(|error| refused(error.to_string()))?;
    if let Some((what, id)) = altered.first() {
        let why = format!(
            "in the backup, {} rows were changed by something else; the first is the {what} {id}",
            altered.len()
        );
        return Err(refused(why).next("take an older backup"));
    }
    let users = copy.count_users().await.map_err(|error| refused(error.to_string()))?;
    copy.close().await.map_err(|error| refused(error.to_string()))?;
    let aside = draft.put_in_place().map_err(|error| Failure::new(error.to_string()))?;
    drop(spinner);
    let aside = aside.map(|path| path.display().to_string());
    if output.json() {
        return output
            .line(json!({"restored": backup.display().to_string(), "users": users, "moved_aside": aside}));
    }
    output.line(format!("{} is the database now, with {users} users", backup.display()))?;
    if let Some(aside) = aside {
        output.note(format!("The one before is {aside}; remove it when you need it no more."));
    }
    output.note("Start the daemon: minimcp serve");
    Ok(())
}
