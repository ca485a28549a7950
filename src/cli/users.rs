//! `users`: who may use the daemon, and how much of it. For administrators.

use chrono::Utc;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::Cell;
use uuid::Uuid;

use super::failure::Failure;
use super::resolve::{self, Candidate, telling_length};
use super::{Context, client, table};
use crate::api::Page;
use crate::api::me::UserLimits;
use crate::api::user::{ChangeUser, CreateUser, Role, User, WantedLimits};

/// The users of the daemon; for administrators
///
/// A new user can do nothing until they have a token: `minimcp tokens add` makes one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp users                                    # list them
  minimcp users add una --max-running 5
  minimcp tokens add laptop --user una             # what una needs to begin
  minimcp users set una --role operator --max-running default
  minimcp users rm una --delete-instances")]
pub(crate) struct Users {
    #[command(subcommand)]
    command: Option<UsersCommand>,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// List the users
    Ls,
    /// Make a user
    Add {
        /// What the user is called
        name: String,
        /// What the user may do
        #[arg(long, value_enum, default_value = "user")]
        role: RoleName,
        #[command(flatten)]
        limits: Limits,
    },
    /// Show a user with what they have
    Show {
        /// The user: id, a unique prefix of it, or name
        user: String,
    },
    /// Change a user
    Set {
        /// The user: id, a unique prefix of it, or name
        user: String,
        /// Call the user this from now on
        #[arg(long)]
        name: Option<String>,
        /// What the user may do from now on
        #[arg(long, value_enum)]
        role: Option<RoleName>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Delete a user with their tokens and credential sets
    Rm {
        /// The user: id, a unique prefix of it, or name
        user: String,
        /// End and delete their instances first
        #[arg(long)]
        delete_instances: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// A number of things, or `default` for what the daemon allows everybody.
#[derive(Debug, Clone, Copy, Default, Args)]
struct Limits {
    /// Instances the user may have, or `default`
    #[arg(long, value_name = "N", value_parser = limit)]
    max_instances: Option<Limit>,
    /// Instances of the user that may run at once, or `default`
    #[arg(long, value_name = "N", value_parser = limit)]
    max_running: Option<Limit>,
    /// Credential sets the user may have, or `default`
    #[arg(long, value_name = "N", value_parser = limit)]
    max_credentials: Option<Limit>,
}

/// A limit as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u32>);

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "default" => Ok(Limit(None)),
        text => text
            .parse()
            .map(|count| Limit(Some(count)))
            .map_err(|_| "write a whole number, or default".into()),
    }
}

impl Limits {
    fn wanted(self) -> Option<WantedLimits> {
        let wanted = WantedLimits {
            max_instances: self.max_instances.map(|limit| limit.0),
            max_running: self.max_running.map(|limit| limit.0),
            max_credentials: self.max_credentials.map(|limit| limit.0),
        };
        (wanted != WantedLimits::default()).then_some(wanted)
    }
}

/// A role as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleName {
    /// Everything
    Admin,
    /// Reads everything but secrets, changes nothing
    Operator,
    /// Everything with what is theirs
    User,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Operator => Self::Operator,
            RoleName::User => Self::User,
        }
    }
}

impl Users {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(UsersCommand::Ls) {
            UsersCommand::Ls => ls(context).await,
            UsersCommand::Add { name, role, limits } => {
                let body = CreateUser { name, role: Some(role.into()), limits: limits.wanted() };
                let answer = context.client.create("/v1/users", &body).await?;
                if context.output.json() {
                    return context.output.text(&answer.0);
                }
                let user: User = answer.read()?;
                context.output.line(format!(
                    "{} ({}) is made, with the role {}",
                    user.name,
                    user.id,
                    user.role.as_str()
                ))?;
                context.output.line(format!(
                    "A token lets them in:\n  minimcp tokens add first --user {}",
                    handle(&user)
                ))
            }
            UsersCommand::Show { user } => {
                let path = format!("/v1/users/{}", meant(context, &user).await?);
                let answer = context.client.get(&path, &[]).await?;
                shown(context, &answer)
            }
            UsersCommand::Set { user, name, role, limits } => {
                let body = ChangeUser { name, role: role.map(Into::into), limits: limits.wanted().map(Some) };
                if body == ChangeUser::default() {
                    return Err(Failure::usage("nothing is to change").next("minimcp users set --help"));
                }
                let path = format!("/v1/users/{}", meant(context, &user).await?);
                let answer = context.client.patch(&path, &body).await?;
                shown(context, &answer)
            }
            UsersCommand::Rm { user, delete_instances, yes } => {
                rm(context, &user, delete_instances, yes).await
            }
        }
    }
}

/// The user that is meant.
pub(crate) async fn meant(context: &Context, wanted: &str) -> Result<Uuid, Failure> {
    if let Some(id) = resolve::whole(wanted) {
        return Ok(id);
    }
    let page: Page<User> = context.client.list("/v1/users", &[]).await?.read()?;
    let candidate =
        |user: User| Candidate { id: user.id, name: Some(user.name), note: user.role.as_str().into() };
    let candidates: Vec<Candidate> = page.items.into_iter().map(candidate).collect();
    resolve::pick(wanted, &candidates, "user", "minimcp users")
}

async fn ls(context: &mut Context) -> Result<(), Failure> {
    let answer = context.client.list("/v1/users", &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<User> = answer.read()?;
    let ids: Vec<Uuid> = page.items.iter().map(|user| user.id).collect();
    let length = if context.output.terminal() { telling_length(&ids) } else { 36 };
    let head = ["id", "name", "role", "instances", "running", "credentials", "age"];
    let mut list = table::table(&context.output, &head);
    for user in &page.items {
        let limits = user.effective_limits;
        list.add_row([
            Cell::new(&user.id.to_string()[..length]),
            Cell::new(&user.name),
            Cell::new(user.role.as_str()),
            Cell::new(most(limits.max_instances)),
            Cell::new(most(limits.max_running)),
            Cell::new(most(limits.max_credentials)),
            Cell::new(table::span((Utc::now() - user.created_at).num_seconds())),
        ]);
    }
    context.output.table(&list, "There are no users.")
}

fn most(limit: Option<u32>) -> String {
    limit.map_or_else(|| "any number".into(), |limit| format!("up to {limit}"))
}

fn shown(context: &mut Context, answer: &client::Answer) -> Result<(), Failure> {
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let user: User = answer.read()?;
    let usage = user.usage.unwrap_or_default();
    let UserLimits { max_instances, max_running, max_credentials } = user.effective_limits;
    let line = |has: u64, limit: Option<u32>, own: Option<u32>| {
        let whose = if own.is_some() { "" } else { " (default)" };
        format!("{has}, {}{whose}", most(limit))
    };
    let rows = [
        ("name", user.name.clone()),
        ("id", user.id.to_string()),
        ("role", user.role.as_str().into()),
        ("instances", line(usage.instances, max_instances, user.limits.max_instances)),
        ("running", line(usage.running, max_running, user.limits.max_running)),
        ("credentials", line(usage.credentials, max_credentials, user.limits.max_credentials)),
        ("made", table::moment(user.created_at, Utc::now())),
    ];
    context.output.line(table::details(&rows))
}

async fn rm(context: &mut Context, wanted: &str, with_instances: bool, yes: bool) -> Result<(), Failure> {
    let path = format!("/v1/users/{}", meant(context, wanted).await?);
    if !yes {
        let user: User = context.client.get(&path, &[]).await?.read()?;
        let usage = user.usage.unwrap_or_default();
        let many = |number: u64, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
        let sets = many(usage.credentials, "credential set");
        let goes = match with_instances {
            true => format!("{}, {sets} and all tokens", many(usage.instances, "instance")),
            false => format!("{sets} and all tokens"),
        };
        let what = format!("{} with {goes}", user.name);
        if !context.output.can_ask() {
            return Err(Failure::usage(format!("{what} would be deleted")).next("add --yes to go on"));
        }
        if !context.output.confirm(&format!("Delete {what}?"))? {
            return Err(Failure::new("nothing was deleted"));
        }
    }
    let query: &[(&str, &str)] = if with_instances { &[("delete_instances", "true")] } else { &[] };
    let spinner = context.output.spinner("waiting for the ends");
    let answer = context.client.delete(&path, query).await.map_err(|failure| match failure.code() {
        Some("user_in_use") => failure.next("--delete-instances ends and deletes them too"),
        _ => failure,
    })?;
    drop(spinner);
    if context.output.json() {
        context.output.text(&answer.0)
    } else {
        context.output.line(format!("{wanted} is deleted"))
    }
}

/// What to type for a user: the name, where it needs no quotes.
fn handle(user: &User) -> String {
    let plain = user.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
    if plain { user.name.clone() } else { user.id.to_string() }
}
