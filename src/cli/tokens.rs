//! `tokens`: what lets a person or a program in to the API.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use uuid::Uuid;

use super::failure::Failure;
use super::resolve::{self, Candidate, telling_length};
use super::{Context, table, users, values};
use crate::api::Page;
use crate::api::me::Me;
use crate::api::user::{ApiToken, CreateToken, CreatedToken};

/// API tokens: your own, or those of another user for administrators
///
/// A token is shown once, when it is made. Instances have tokens of their own: `minimcp token` replaces those.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp tokens                                   # list yours
  minimcp tokens add ci --expires 90d
  minimcp tokens add laptop --user una             # for somebody else, as an administrator
  minimcp tokens rm ci")]
pub(crate) struct Tokens {
    #[command(subcommand)]
    command: Option<TokensCommand>,
}

#[derive(Debug, Subcommand)]
enum TokensCommand {
    /// List tokens
    Ls {
        #[command(flatten)]
        of: Of,
    },
    /// Make a token and show it, this once
    Add {
        /// What you call it
        name: String,
        #[command(flatten)]
        of: Of,
        /// For how long it works, such as 90d; for ever unless given
        #[arg(long, value_name = "TIME", value_parser = values::span)]
        expires: Option<Duration>,
    },
    /// Revoke a token; it is refused from then on
    Rm {
        /// The token: id, a unique prefix of it, or name
        id: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose tokens.
#[derive(Debug, Args)]
struct Of {
    /// The user: id, a unique prefix of it, or name [default: you]
    #[arg(long)]
    user: Option<String>,
}

impl Tokens {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(TokensCommand::Ls { of: Of { user: None } }) {
            TokensCommand::Ls { of } => ls(context, &of).await,
            TokensCommand::Add { name, of, expires } => add(context, name, &of, expires).await,
            TokensCommand::Rm { id, of } => rm(context, &id, &of).await,
        }
    }
}

impl Of {
    /// The route of the tokens.
    async fn path(&self, context: &Context) -> Result<String, Failure> {
        let id = match &self.user {
            Some(user) => users::meant(context, user).await?,
            None => context.client.get("/v1/me", &[]).await?.read::<Me>()?.id,
        };
        Ok(format!("/v1/users/{id}/tokens"))
    }
}

async fn ls(context: &mut Context, of: &Of) -> Result<(), Failure> {
    let path = of.path(context).await?;
    let answer = context.client.list(&path, &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<ApiToken> = answer.read()?;
    let ids: Vec<Uuid> = page.items.iter().map(|token| token.id).collect();
    let length = if context.output.terminal() { telling_length(&ids) } else { 36 };
    let mut list = table::table(&context.output, &["id", "name", "ends in", "state", "expires", "last used"]);
    let now = Utc::now();
    for token in &page.items {
        let used = token.last_used_at.map(|at| format!("{} ago", table::span((now - at).num_seconds())));
        list.add_row([
            Cell::new(&token.id.to_string()[..length]),
            Cell::new(&token.name),
            Cell::new(&token.hint),
            Cell::new(state(token, now)),
            Cell::new(table::or_nothing(token.expires_at.map(|at| table::left(at, now)))),
            Cell::new(table::or_nothing(used)),
        ]);
    }
    context.output.table(&list, "There are no tokens. `minimcp tokens add NAME` makes one.")
}

fn state(token: &ApiToken, now: DateTime<Utc>) -> &'static str {
    match token.expires_at {
        _ if token.revoked_at.is_some() => "revoked",
        Some(end) if end <= now => "expired",
        _ => "valid",
    }
}

async fn add(context: &mut Context, name: String, of: &Of, expires: Option<Duration>) -> Result<(), Failure> {
    let path = of.path(context).await?;
    let end = expires.map(|span| {
        let span = chrono::Duration::from_std(span).ok().and_then(|span| Utc::now().checked_add_signed(span));
        span.unwrap_or(DateTime::<Utc>::MAX_UTC)
    });
    let answer = context.client.create(&path, &CreateToken { name, expires_at: end }).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let CreatedToken { about, token } = answer.read()?;
    let until = match about.expires_at {
        Some(end) => format!("works until {}", table::moment(end, Utc::now())),
        None => "works until it is revoked".into(),
    };
    let rows =
        [("token", token.clone()), ("", format!("shown this once; {until}")), ("id", about.id.to_string())];
    context.output.line(table::details(&rows))?;
    context.output.line(format!(
        "\nUse it:\n  export MINIMCP_URL={} MINIMCP_TOKEN={token}\nRevoke it:\n  minimcp tokens rm {}{}",
        context.client.connection().url,
        about.id,
        of.user.as_ref().map_or(String::new(), |user| format!(" --user {user}"))
    ))
}

async fn rm(context: &mut Context, wanted: &str, of: &Of) -> Result<(), Failure> {
    let id = match resolve::whole(wanted) {
        Some(id) => id,
        None => {
            let page: Page<ApiToken> = context.client.list(&of.path(context).await?, &[]).await?.read()?;
            let now = Utc::now();
            let candidates: Vec<Candidate> = page
                .items
                .into_iter()
                .filter(|token| state(token, now) == "valid")
                .map(|token| Candidate {
                    id: token.id,
                    name: Some(token.name),
                    note: format!("ends in {}", token.hint),
                })
                .collect();
            resolve::pick(wanted, &candidates, "token", "minimcp tokens")?
        }
    };
    let answer = context.client.delete(&format!("/v1/tokens/{id}"), &[]).await;
    let answer = answer.map_err(|failure| match failure.code() {
        Some("last_administrator") => failure.next("`minimcp tokens add NAME` makes another one"),
        _ => failure,
    })?;
    if context.output.json() {
        context.output.text(&answer.0)
    } else {
        context.output.line(format!("{id} is revoked"))
    }
}
