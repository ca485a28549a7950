//! `credentials`: the secrets that servers run with. They go in and never come out.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use uuid::Uuid;

use super::credential_fields::Sources;
use super::failure::Failure;
use super::output::Output;
use super::resolve::{self, Candidate, telling_length};
use super::{Context, table, types, values};
use crate::api::Page;
use crate::api::credential::{CreateCredential, Credential, ReplaceCredential, ReplacedCredential};
use crate::api::mcp_type::McpType;
use crate::expiry::OnExpiry;

/// Credential sets: the secrets that servers run with
///
/// Values are encrypted by the daemon and are never shown again. On a terminal you are asked for them and
/// what you type is not shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp credentials                                          # list your sets
  minimcp credentials add github                               # asks for the fields
  minimcp credentials add github --name ci --from-env GITHUB_TOKEN=personal_access_token
  minimcp credentials update default --from-file key.pem=private_key")]
pub(crate) struct Credentials {
    #[command(subcommand)]
    command: Option<CredentialsCommand>,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    /// List your credential sets
    Ls,
    /// Store a credential set for servers of a type
    Add {
        /// The type, such as github; `minimcp types show TYPE` tells its fields
        #[arg(value_name = "TYPE")]
        mcp_type: String,
        /// What you call it
        #[arg(long, default_value = "default")]
        name: String,
        #[command(flatten)]
        sources: Sources,
        /// When the vendor will refuse it: a day or a time in RFC 3339
        #[arg(long, value_name = "WHEN", value_parser = values::moment)]
        expires_at: Option<DateTime<Utc>>,
        /// What happens to instances then
        #[arg(long, value_name = "WHAT")]
        on_expiry: Option<OnExpiry>,
    },
    /// Replace all fields of a credential set
    ///
    /// Running instances that use it get new processes, one after another, and go on serving meanwhile.
    Update {
        /// The set: its id, a unique prefix of it, or its name
        id: String,
        /// Call it this from now on
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        sources: Sources,
        /// When the vendor will refuse it: a day or a time in RFC 3339
        #[arg(long, value_name = "WHEN", value_parser = values::moment)]
        expires_at: Option<DateTime<Utc>>,
        /// What happens to instances then [default: as it is]
        #[arg(long, value_name = "WHAT")]
        on_expiry: Option<OnExpiry>,
        /// Wait until the instances that use it are replaced
        #[arg(long)]
        wait: bool,
    },
    /// Delete a credential set that no instance uses
    Rm {
        /// The set: its id, a unique prefix of it, or its name
        id: String,
    },
}

impl Credentials {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(CredentialsCommand::Ls) {
            CredentialsCommand::Ls => ls(context).await,
            CredentialsCommand::Add { mcp_type, name, sources, expires_at, on_expiry } => {
                let known = type_of(context, &mcp_type).await?.credential_fields;
                let fields = sources.collect(&known, prompt(&context.output))?;
                let body = CreateCredential { mcp_type, name, fields, expires_at, on_expiry };
                let answer = context.client.create("/v1/credentials", &body).await;
                let answer = answer.map_err(|failure| match failure.code() {
                    Some("exists") => failure
                        .next(format!("`minimcp credentials update {}` replaces its fields", body.name))
                        .next("or give the new one another --name"),
                    _ => failure,
                })?;
                said(context, &answer, "stored")
            }
            CredentialsCommand::Update { id, name, sources, expires_at, on_expiry, wait } => {
                let id = meant(context, &id, None).await?;
                let path = format!("/v1/credentials/{id}");
                let present: Credential = context.client.get(&path, &[]).await?.read()?;
                let known = type_of(context, &present.mcp_type).await?.credential_fields;
                let fields = sources.collect(&known, prompt(&context.output))?;
                let body = ReplaceCredential { fields, name, expires_at, on_expiry };
                let path = if wait { format!("{path}?wait=true") } else { path };
                let answer = context.client.put(&path, &body).await?;
                said(context, &answer, "replaced")?;
                said_of_instances(context, &answer)
            }
            CredentialsCommand::Rm { id } => {
                let id = meant(context, &id, None).await?;
                let answer = context.client.delete(&format!("/v1/credentials/{id}"), &[]).await;
                let answer = answer.map_err(|failure| match failure.code() {
                    Some("credential_in_use") => {
                        failure.next("`minimcp ls` lists the instances; remove those that use it")
                    }
                    _ => failure,
                })?;
                if context.output.json() {
                    return context.output.text(&answer.0);
                }
                context.output.line(format!("{id} is deleted"))
            }
        }
    }
}

/// The credential set that is meant, among those of the type if one is named.
pub(crate) async fn meant(context: &Context, wanted: &str, mcp_type: Option<&str>) -> Result<Uuid, Failure> {
    if let Some(id) = resolve::whole(wanted) {
        return Ok(id);
    }
    let page: Page<Credential> = context.client.list("/v1/credentials", &[]).await?.read()?;
    let candidates: Vec<Candidate> = page
        .items
        .into_iter()
        .filter(|set| mcp_type.is_none_or(|mcp_type| set.mcp_type == mcp_type))
        .map(|set| Candidate { id: set.id, name: Some(set.name), note: set.mcp_type })
        .collect();
    resolve::pick(wanted, &candidates, "credential set", "minimcp credentials")
}

async fn type_of(context: &Context, name: &str) -> Result<McpType, Failure> {
    context.client.get(&types::path(name), &[]).await.map_err(types::advised)?.read()
}

fn prompt(output: &Output) -> Option<fn(&str) -> std::io::Result<String>> {
    output.can_ask().then_some(|question: &str| rpassword::prompt_password(question))
}

/// What becomes of the instances that use a set whose fields were replaced.
fn said_of_instances(context: &mut Context, answer: &super::client::Answer) -> Result<(), Failure> {
    if context.output.json() {
        return Ok(());
    }
    let ReplacedCredential { replacing, not_replaced, .. } = answer.read()?;
    for id in not_replaced.iter().flatten() {
        context.output.line(format!("{id} goes on with the old fields; `minimcp show {id}` says why"))?;
    }
    match (replacing, not_replaced) {
        (0, _) => Ok(()),
        (running, None) => context.output.line(format!(
            "{running} running {} being replaced; `minimcp events` shows it",
            if running == 1 { "instance is" } else { "instances are" }
        )),
        (running, Some(left)) => {
            context.output.line(format!("{} of {running} running replaced", running as usize - left.len()))
        }
    }
}

async fn ls(context: &mut Context) -> Result<(), Failure> {
    let answer = context.client.list("/v1/credentials", &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<Credential> = answer.read()?;
    let ids: Vec<Uuid> = page.items.iter().map(|set| set.id).collect();
    let length = if context.output.terminal() { telling_length(&ids) } else { 36 };
    let mut list = table::table(&context.output, &["id", "name", "type", "hint", "fields", "expires"]);
    for set in &page.items {
        let expires = set.expires_at.map(|at| table::left(at, Utc::now()));
        list.add_row([
            Cell::new(&set.id.to_string()[..length]),
            Cell::new(&set.name),
            Cell::new(&set.mcp_type),
            Cell::new(table::or_nothing(set.hint.as_ref())),
            Cell::new(set.field_names.join(", ")),
            Cell::new(table::or_nothing(expires)),
        ]);
    }
    context
        .output
        .table(&list, "There are no credential sets yet. `minimcp credentials add TYPE` stores one.")
}

fn said(context: &mut Context, answer: &super::client::Answer, verb: &str) -> Result<(), Failure> {
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let set: Credential = answer.read()?;
    let fields = set.field_names.join(", ");
    context.output.line(format!("{} ({}) is {verb}: {fields}", set.name, set.id))?;
    // The name is enough where it needs no quotes: it is unique among the sets of the type.
    let id = set.id.to_string();
    let plain = set.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let handle = if plain { &set.name } else { &id };
    context.output.line(format!("Use it with:\n  minimcp create {} --credential {handle}", set.mcp_type))
}
