//! `keys`: what everything secret is encrypted under, and how to replace it.

use std::time::Duration;

use chrono::Utc;
use clap::{Args, Subcommand};

use super::client::Answer;
use super::failure::Failure;
use super::{Context, table};
use crate::api::key;

/// How long to wait between two questions of how far a rotation is.
const PAUSE: Duration = Duration::from_millis(200);

/// The keys that secrets are encrypted under; for administrators
///
/// One master key wraps a data key for each user, and those encrypt the users' credential sets. No key is ever
/// shown, only ids.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp keys             # ids, and how many records are under each
  minimcp keys rotate      # replace all of them while everything goes on

Where the daemon holds the master key in its own file, rotating makes a new one there. Where it is given from
outside, put the new key in MINIMCP_MASTER_KEY (or its file) and the old one in MINIMCP_MASTER_KEYS_PREVIOUS,
restart the daemon, rotate, and then take the old one away.
A backup opens with the master key of its day only: keep that key with it, or make a new backup after rotating.")]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: Option<KeysCommand>,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// List the keys, with how many records are under each
    Ls,
    /// Replace the master key and every data key, and encrypt every record anew
    Rotate {
        /// Do not wait until every record is encrypted anew
        #[arg(long)]
        no_wait: bool,
    },
}

impl Keys {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(KeysCommand::Ls) {
            KeysCommand::Ls => ls(context).await,
            KeysCommand::Rotate { no_wait } => rotate(context, no_wait).await,
        }
    }
}

async fn ls(context: &mut Context) -> Result<(), Failure> {
    let answer = context.client.get("/v1/keys", &[("limit", "500")]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let keys: key::Keys = answer.read()?;
    let mut rows = vec![
        ("master key", format!("{} in {}", keys.master_key_id, keys.master_key_place)),
        ("records", keys.records.to_string()),
    ];
    if let Some(next) = &keys.next_master_key_id {
        rows.push(("next master key", format!("{next}; `minimcp keys rotate` moves to it")));
    }
    if let Some(rotation) = &keys.rotation {
        rows.push((
            "rotating",
            format!("{} records and {} users left", rotation.records_left, rotation.users_left),
        ));
    }
    context.output.line(table::details(&rows))?;
    let mut list = table::table(&context.output, &["key", "purpose", "user", "records", "state", "made"]);
    let now = Utc::now();
    for key in &keys.items {
        list.add_row([
            key.id.clone(),
            key.purpose.clone(),
            table::or_nothing(key.user_id),
            key.records.to_string(),
            if key.active { "active".into() } else { "replaced".into() },
            table::moment(key.created_at, now),
        ]);
    }
    table::align_right(&mut list, 3..4);
    context.output.table(&list, "There are no keys.")?;
    if keys.next_cursor.is_some() {
        context.output.note("There are more; GET /v1/keys lists them page by page.");
    }
    Ok(())
}

async fn rotate(context: &mut Context, no_wait: bool) -> Result<(), Failure> {
    let before: key::Keys = context.client.get("/v1/keys", &[("limit", "1")]).await?.read()?;
    let mut answer = context.client.post("/v1/keys/rotate").await?;
    if !no_wait {
        answer = until_done(context, answer).await?;
    }
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let keys: key::Keys = answer.read()?;
    let (old, new) = (before.master_key_id, keys.master_key_id);
    context.output.line(match (&keys.rotation, old == new) {
        (Some(_), _) => format!("rotating to the master key {new}; `minimcp keys` shows how far it is"),
        (None, true) => {
            format!("every data key is new; the master key {new} was given from outside and stays")
        }
        (None, false) => format!("every key is new; the master key is {new}"),
    })?;
    if old != new {
        context.output.note(format!(
            "Backups from before need the master key {old}. Make a new one: minimcp backup FILE"
        ));
    }
    Ok(())
}

/// Waits with a bar. Going away does not stop the rotation.
async fn until_done(context: &Context, mut answer: Answer) -> Result<Answer, Failure> {
    let bar = context.output.bar("encrypting anew");
    loop {
        let keys: key::Keys = answer.read()?;
        let Some(rotation) = keys.rotation else { return Ok(answer) };
        bar.reached(keys.records.saturating_sub(rotation.records_left), keys.records);
        tokio::time::sleep(PAUSE).await;
        answer = context.client.get("/v1/keys", &[("limit", "1")]).await?;
    }
}
