//! `audit`: who did what, and whether the record of it is as it was written.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::failure::Failure;
use super::{Context, table};
use crate::api::audit::{ActorKind, AuditPage, AuditRecord, AuditResult, Chain};
use crate::audit::{self, Head};
use crate::config;
use crate::store::Location;
use crate::vault::{self, KeySource};

/// The audit trail: who did what, when, and what came of it; for administrators
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp audit                                  # the newest 50 records
  minimcp audit ls --since 24h --action credential.
  minimcp audit ls --limit 1000 --json | jq -c '.items[]'
  minimcp audit verify                           # is the trail as it was written?
  minimcp audit verify --offline                 # the same without a daemon, on its machine

Every operation has two records: `begun`, from before its effect, and what came of it.
A use of credentials is `credential.open`, of an instance's token `instance.use`.")]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// List records, newest first
    Ls(Ls),
    /// Read the whole trail and name every record that was changed, dropped, moved, put in or cut off; exit
    /// code 1 if there is any
    Verify {
        /// Do it here and not in the daemon: reads the data directory, the database and the master key, and
        /// changes nothing
        #[arg(long)]
        offline: bool,
    },
}

#[derive(Debug, Args)]
struct Ls {
    /// Only those from this time on: `24h` for the last day, or a time such as 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<DateTime<Utc>>,
    /// Only those by or on behalf of this user
    #[arg(long, value_name = "USER_ID")]
    user: Option<Uuid>,
    /// Only this action, such as `credential.create`; with a dot at the end all that begin so
    #[arg(long)]
    action: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Default for Ls {
    fn default() -> Self {
        Self { since: None, user: None, action: None, limit: 50 }
    }
}

impl Audit {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or_else(|| AuditCommand::Ls(Ls::default())) {
            AuditCommand::Ls(ls) => ls.run(context).await,
            AuditCommand::Verify { offline } => {
                let chain = if offline { here(context).await? } else { at_the_daemon(context).await? };
                tell(context, &chain)
            }
        }
    }
}

impl Ls {
    async fn run(&self, context: &mut Context) -> Result<(), Failure> {
        let mut page = self.page(context, None).await?;
        while page.items.len() < self.limit
            && let Some(cursor) = page.next_cursor.take()
        {
            let next = self.page(context, Some(&cursor)).await?;
            page.items.extend(next.items);
            page.next_cursor = next.next_cursor.filter(|next| *next != cursor);
        }
        page.items.truncate(self.limit);
        if context.output.json() {
            let text = serde_json::to_string(&page)
                .map_err(|error| Failure::new(format!("the list could not be put together: {error}")))?;
            return context.output.text(&text);
        }
        if !page.chain.verified {
            context.output.note(
                "warning: the trail is not as it was written; `minimcp audit verify` says what is wrong",
            );
        }
        let head = ["seq", "at", "who", "action", "object", "result", "detail"];
        let mut list = table::table(&context.output, &head);
        for record in &page.items {
            list.add_row([
                Cell::new(record.seq),
                Cell::new(record.at.format("%Y-%m-%d %H:%M:%S")),
                Cell::new(who(record)),
                Cell::new(&record.action),
                Cell::new(object(record)),
                Cell::new(result(record.result)),
                Cell::new(detail(record)),
            ]);
        }
        table::align_right(&mut list, 0..1);
        context.output.table(&list, "No record fits.")
    }

    async fn page(&self, context: &Context, cursor: Option<&str>) -> Result<AuditPage, Failure> {
        let (since, user) =
            (self.since.map(|since| since.to_rfc3339()), self.user.map(|user| user.to_string()));
        let limit = self.limit.clamp(1, 500).to_string();
        let all = [
            ("since", since.as_deref()),
            ("user_id", user.as_deref()),
            ("action", self.action.as_deref()),
            ("limit", Some(limit.as_str())),
            ("cursor", cursor),
        ];
        let query: Vec<(&str, &str)> =
            all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        context.client.get("/v1/audit", &query).await?.read()
    }
}

async fn at_the_daemon(context: &Context) -> Result<Chain, Failure> {
    let answer = context.client.get("/v1/audit", &[("recheck", "true"), ("limit", "1")]).await?;
    Ok(answer.read::<AuditPage>()?.chain)
}

async fn here(context: &Context) -> Result<Chain, Failure> {
    let data_dir = Some(context.client.connection().data_dir.clone());
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(error.to_string())
            .next("give the same --data-dir, settings and master key as the daemon has")
    };
    let flags = config::Flags { data_dir, ..config::Flags::default() };
    let settings = config::load(&flags).map_err(|error| failed(&error))?.settings;
    let location = Location::parse(settings.database_url.expose_secret()).map_err(|error| failed(&error))?;
    let key =
        KeySource::from_environment(settings.data_dir.join("master.key")).map_err(|error| failed(&error))?;
    let seen = vault::look(&location, &key).await.map_err(|error| failed(&error))?;
    let (peek, vault) = seen.ok_or_else(|| failed(&"there is no database, so there is no trail"))?;
    let head = peek.audit_head.as_deref().and_then(Head::from_bytes).ok_or_else(|| {
        Failure::new("the database does not know how long the trail is, so a missing end would not be seen")
            .next("start the daemon once, and see what `minimcp audit ls --action audit.` says")
    })?;
    let dir = settings.data_dir.join("audit");
    audit::verify(dir.clone(), vault.audit_key(), head)
        .map_err(|error| failed(&format!("{}: {error}", dir.display())))
}

fn tell(context: &mut Context, chain: &Chain) -> Result<(), Failure> {
    if context.output.json() {
        let text = serde_json::to_string(chain)
            .map_err(|error| Failure::new(format!("the result could not be put together: {error}")))?;
        context.output.text(&text)?;
    } else {
        for problem in &chain.problems {
            context.output.line(&problem.detail)?;
        }
        if chain.more_problems > 0 {
            context.output.line(format!("and {} more", chain.more_problems))?;
        }
    }
    if !chain.verified {
        let count = chain.problems.len() as u64 + chain.more_problems;
        return Err(Failure::new(format!("the trail is not as it was written: {count} findings"))
            .next("keep the files of data/audit as they are, and find out who can write there")
            .next("`minimcp audit ls --action audit.` shows what the daemon itself has noticed"));
    }
    if !context.output.json() {
        let (from, to) = (chain.from_seq, chain.to_seq);
        context
            .output
            .line(format!("All {} records are as they were written, {from} to {to}.", chain.records))?;
    }
    Ok(())
}

fn who(record: &AuditRecord) -> String {
    let actor = &record.actor;
    let who = match (actor.kind, actor.user_id) {
        (ActorKind::User, Some(user_id)) => user_id.to_string(),
        (ActorKind::User, None) => "user".to_owned(),
        (ActorKind::InstanceToken, _) => "instance token".to_owned(),
        (ActorKind::Nobody, _) => "nobody".to_owned(),
        (ActorKind::Daemon, _) => "daemon".to_owned(),
    };
    actor.address.as_ref().map_or(who.clone(), |address| format!("{who} from {address}"))
}

fn object(record: &AuditRecord) -> String {
    let Some(object) = &record.object else { return table::NOTHING.to_owned() };
    object.id.as_ref().map_or_else(|| object.kind.clone(), |id| format!("{} {id}", object.kind))
}

fn result(result: AuditResult) -> &'static str {
    match result {
        AuditResult::Begun => "begun",
        AuditResult::Done => "done",
        AuditResult::Refused => "refused",
        AuditResult::Failed => "failed",
    }
}

fn detail(record: &AuditRecord) -> String {
    let words = record.detail.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    words.collect::<Vec<String>>().join(" ")
}

/// A span back from now, or a time.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let back: Duration = humantime::parse_duration(text)
        .map_err(|_| "write a span such as 24h or 7d, or a time such as 2030-01-31T12:00:00Z".to_owned())?;
    Utc::now()
        .checked_sub_signed(chrono::Duration::from_std(back).map_err(|error| error.to_string())?)
        .ok_or_else(|| "that is before all time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_back_or_a_time() {
        let day = Utc::now() - moment("24h").unwrap();
        assert!((day.num_seconds() - 86_400).abs() < 60);
        assert_eq!(moment("2030-01-31T12:00:00Z").unwrap().timestamp(), 1_896_091_200);
        assert!(moment("yesterday").is_err());
    }
}
