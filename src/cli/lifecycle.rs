//! `stop`, `restart`, `restore`, `extend` and `rm`: orders to an instance.

use std::time::Duration;

use chrono::Utc;
use clap::Args;
use uuid::Uuid;

use super::client::Answer;
use super::failure::Failure;
use super::{Context, table, values, waiting};
use crate::api::instance::{ExtendLease, Instance, Status};

/// Which instance, and whether to wait for what was ordered.
#[derive(Debug, Args)]
pub(crate) struct Order {
    /// The instance: its id, a unique prefix of it, or its name
    pub(crate) id: String,
    /// Wait until it is done
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Stop an instance and keep its record
///
/// The server gets SIGTERM and, after the daemon's grace period, SIGKILL. `minimcp restart` starts it again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp stop work --wait")]
pub(crate) struct Stop {
    #[command(flatten)]
    order: Order,
}

/// Start a new run of an instance, in place of the present one if there is one
///
/// Restarts by command do not count against the restart budget.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp restart work --wait")]
pub(crate) struct Restart {
    #[command(flatten)]
    order: Order,
}

/// Give an instance a new end of its lease
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp extend work --ttl 2h     # two hours from now")]
pub(crate) struct Extend {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// How long from now
    #[arg(long, value_name = "TIME", value_parser = values::span)]
    ttl: Duration,
}

/// Stop an instance and delete it with its logs and tokens
///
/// The access token that was kept for `minimcp call` is removed too. On a terminal you are asked first;
/// elsewhere --yes is needed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp rm work --delete-credential --yes")]
pub(crate) struct Rm {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
    /// Delete its credential set too, where nothing else uses it
    #[arg(long)]
    delete_credential: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Stop {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        self.order.give(context, "stop", Status::Stopped).await
    }
}

impl Restart {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        self.order.give(context, "restart", Status::Running).await
    }
}

impl Order {
    /// Brings a disconnected instance back.
    pub(crate) async fn restore(self, context: &mut Context) -> Result<(), Failure> {
        self.give(context, "restore", Status::Running).await
    }

    async fn give(self, context: &mut Context, verb: &str, goal: Status) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let answer = context.client.post(&format!("/v1/instances/{id}/{verb}")).await;
        let mut answer = answer.map_err(|failure| advised(failure, id))?;
        if self.wait {
            answer = waiting::until(context, id, goal, Duration::from_secs(120)).await?;
        }
        said(context, &answer)
    }
}

impl Extend {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let lease = values::lease(self.ttl, Utc::now());
        let body = ExtendLease { expiration_minutes: lease.minutes, expires_at: lease.until };
        let answer = context.client.post_json(&format!("/v1/instances/{id}/extend"), &body).await?;
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        let instance: Instance = answer.read()?;
        let until = table::moment(instance.expires_at, Utc::now());
        context.output.line(format!("the lease of {} ends {until}", named(&instance)))
    }
}

impl Rm {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let path = format!("/v1/instances/{id}");
        if !self.yes {
            let instance: Instance = context.client.get(&path, &[]).await?.read()?;
            if !context.output.can_ask() {
                return Err(Failure::usage(format!("{} would be deleted with its logs", named(&instance)))
                    .next("add --yes to go on"));
            }
            let question =
                format!("Delete {}, which is {}, with its logs?", named(&instance), instance.status);
            if !context.output.confirm(&question)? {
                return Err(Failure::new("nothing was deleted"));
            }
        }
        let query: &[(&str, &str)] =
            if self.delete_credential { &[("delete_credential", "true")] } else { &[] };
        let spinner = context.output.spinner("waiting for its end");
        let answer = context.client.delete(&path, query).await?;
        drop(spinner);
        context.tokens.forget(id);
        if context.output.json() {
            context.output.text(&answer.0)
        } else {
            context.output.line(format!("{id} is deleted"))
        }
    }
}

/// What a person calls it.
pub(crate) fn named(instance: &Instance) -> String {
    match &instance.name {
        Some(name) => format!("{name} ({})", instance.id),
        None => instance.id.to_string(),
    }
}

fn said(context: &mut Context, answer: &Answer) -> Result<(), Failure> {
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let instance: Instance = answer.read()?;
    context.output.line(format!("{} is {}", named(&instance), instance.status))
}

/// What to do about a refusal, where there is something.
fn advised(failure: Failure, id: Uuid) -> Failure {
    match failure.code() {
        Some("not_disconnected") => failure.next(format!("`minimcp restart {id}` starts a new run of it")),
        Some("lease_ended") => {
            failure.next("`minimcp create TYPE` makes a new one; a lease that is over stays over")
        }
        _ => failure,
    }
}
