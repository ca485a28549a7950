//! `webhooks`: who is told of events over HTTP.

use std::time::Duration;

use chrono::Utc;
use clap::{Args, Subcommand};
use comfy_table::Cell;
use uuid::Uuid;

use super::failure::Failure;
use super::resolve::{self, Candidate, telling_length};
use super::{Context, table, values};
use crate::api::Page;
use crate::api::webhook::{
    ChangeWebhook, CreateWebhook, Delivery, DeliveryState, EventKind, Reach, Webhook, WebhookWithSecret,
};

/// Webhooks: have a program told over HTTP what happens to your instances and credentials
///
/// Each event is signed as Standard Webhooks (standardwebhooks.com) has it, with a secret that is shown once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  minimcp webhooks                                               # list yours
  minimcp webhooks add https://hooks.example.org/minimcp
  minimcp webhooks add https://a.example/x --event instance.expired,instance.failed
  minimcp webhooks test hooks.example.org
  minimcp webhooks rotate hooks.example.org --overlap 2h         # a new secret; the old one signs for two more hours")]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    command: Option<WebhooksCommand>,
}

#[derive(Debug, Subcommand)]
enum WebhooksCommand {
    /// List webhooks
    Ls,
    /// Make a webhook and show its secret, this once
    Add {
        /// Where events are posted to: https, at a public address
        // Not `url`: that is where the daemon is, and our token would go to the webhook.
        #[arg(value_name = "URL")]
        to: String,
        /// What you call it [default: the host of the URL]
        #[arg(long)]
        name: Option<String>,
        /// Which events, such as instance.expired [default: all]
        #[arg(long = "event", value_delimiter = ',', value_parser = event)]
        events: Vec<EventKind>,
        /// Hear of everybody's events and the daemon's own, as an administrator
        #[arg(long)]
        all: bool,
    },
    /// Change where a webhook leads and what it hears of
    Change {
        /// The webhook: id, a unique prefix of it, or name
        id: String,
        /// Where events are posted to from now on
        #[arg(long, value_name = "URL")]
        to: Option<String>,
        /// What you call it
        #[arg(long)]
        name: Option<String>,
        /// Which events from now on; `all` for all of them
        #[arg(long = "event", value_delimiter = ',')]
        events: Vec<String>,
        /// Send again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send nothing more; what waits is given up
        #[arg(long)]
        disable: bool,
    },
    /// Make a new secret and show it, this once
    Rotate {
        /// The webhook: id, a unique prefix of it, or name
        id: String,
        /// How long events are signed with the old secret, too, at most 7d
        #[arg(long, value_name = "TIME", value_parser = values::span_or_zero, default_value = "1d")]
        overlap: Duration,
    },
    /// Send a test event now and show what came of it
    Test {
        /// The webhook: id, a unique prefix of it, or name
        id: String,
    },
    /// Show what was sent and what waits
    Deliveries {
        /// The webhook: id, a unique prefix of it, or name
        id: String,
    },
    /// Delete a webhook
    Rm {
        /// The webhook: id, a unique prefix of it, or name
        id: String,
    },
}

impl Webhooks {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(WebhooksCommand::Ls) {
            WebhooksCommand::Ls => ls(context).await,
            WebhooksCommand::Add { to, name, events, all } => {
                let events = (!events.is_empty()).then_some(events);
                add(context, CreateWebhook { url: to, name, scope: all.then_some(Reach::All), events }).await
            }
            WebhooksCommand::Change { id, to, name, events, enable, disable } => {
                let events = wanted(&events)?;
                let enabled = (enable || disable).then_some(enable);
                let body = ChangeWebhook { url: to, name, events, enabled, ..ChangeWebhook::default() };
                if body == ChangeWebhook::default() {
                    return Err(Failure::usage("say what to change, such as --event all; --help lists it"));
                }
                change(context, &id, &body).await
            }
            WebhooksCommand::Rotate { id, overlap } => {
                let overlap = Some(values::whole_seconds(overlap));
                let body = ChangeWebhook {
                    rotate_secret: Some(true),
                    overlap_seconds: overlap,
                    ..ChangeWebhook::default()
                };
                change(context, &id, &body).await
            }
            WebhooksCommand::Test { id } => test(context, &id).await,
            WebhooksCommand::Deliveries { id } => deliveries(context, &id).await,
            WebhooksCommand::Rm { id } => rm(context, &id).await,
        }
    }
}

fn event(name: &str) -> Result<EventKind, String> {
    EventKind::from_name(name.trim()).ok_or_else(|| {
        let known: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("there is no such event; there are {}", known.join(", "))
    })
}

/// Which events to hear of from now on, if that is to change.
fn wanted(names: &[String]) -> Result<Option<Vec<EventKind>>, Failure> {
    match names {
        [] => Ok(None),
        [all] if all == "all" => Ok(Some(Vec::new())),
        names => {
            let events = names.iter().map(|name| event(name)).collect::<Result<Vec<_>, _>>();
            events.map(Some).map_err(Failure::usage)
        }
    }
}

async fn meant(context: &Context, wanted: &str) -> Result<Uuid, Failure> {
    if let Some(id) = resolve::whole(wanted) {
        return Ok(id);
    }
    let page: Page<Webhook> = context.client.list("/v1/webhooks", &[]).await?.read()?;
    let candidates: Vec<Candidate> = page
        .items
        .into_iter()
        .map(|webhook| Candidate { id: webhook.id, name: Some(webhook.name), note: webhook.url })
        .collect();
    resolve::pick(wanted, &candidates, "webhook", "minimcp webhooks")
}

async fn ls(context: &mut Context) -> Result<(), Failure> {
    let answer = context.client.list("/v1/webhooks", &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<Webhook> = answer.read()?;
    let ids: Vec<Uuid> = page.items.iter().map(|webhook| webhook.id).collect();
    let length = if context.output.terminal() { telling_length(&ids) } else { 36 };
    let mut list = table::table(&context.output, &["id", "name", "url", "scope", "events", "state"]);
    for webhook in &page.items {
        let events: Vec<&str> = webhook.events.iter().map(|event| event.as_str()).collect();
        list.add_row([
            Cell::new(&webhook.id.to_string()[..length]),
            Cell::new(&webhook.name),
            Cell::new(&webhook.url),
            Cell::new(webhook.scope.as_str()),
            Cell::new(if events.is_empty() { "all".to_owned() } else { events.join(", ") }),
            Cell::new(state(webhook)),
        ]);
    }
    context.output.table(&list, "There are no webhooks. `minimcp webhooks add URL` makes one.")
}

/// How it fares, in a few words.
fn state(webhook: &Webhook) -> String {
    match webhook {
        Webhook { unusable: Some(why), .. } => why.clone(),
        Webhook { enabled: false, disabled_reason: Some(why), .. } => format!("disabled: {why}"),
        Webhook { enabled: false, .. } => "disabled".into(),
        Webhook { failing_since: Some(since), .. } => {
            format!("failing for {}", table::span((Utc::now() - *since).num_seconds()))
        }
        Webhook { .. } => "ok".into(),
    }
}

async fn add(context: &mut Context, body: CreateWebhook) -> Result<(), Failure> {
    let answer = context.client.create("/v1/webhooks", &body).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let made: WebhookWithSecret = answer.read()?;
    with_secret(context, &made)?;
    context.output.line(format!("\nTry it:\n  minimcp webhooks test {}", made.about.id))
}

async fn change(context: &mut Context, wanted: &str, body: &ChangeWebhook) -> Result<(), Failure> {
    let id = meant(context, wanted).await?;
    let answer = context.client.patch(&format!("/v1/webhooks/{id}"), body).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let changed: WebhookWithSecret = answer.read()?;
    if changed.secret.is_some() {
        return with_secret(context, &changed);
    }
    context.output.line(format!("{} ({id}) is changed: {}", changed.about.name, state(&changed.about)))
}

fn with_secret(context: &mut Context, made: &WebhookWithSecret) -> Result<(), Failure> {
    let secret = made.secret.clone().unwrap_or_default();
    let both = match made.about.previous_secret_until {
        Some(until) => format!("; the one before signs until {}", table::moment(until, Utc::now())),
        None => String::new(),
    };
    let rows = [
        ("secret", secret),
        ("", format!("shown this once{both}")),
        ("id", made.about.id.to_string()),
        ("url", made.about.url.clone()),
    ];
    context.output.line(table::details(&rows))
}

async fn test(context: &mut Context, wanted: &str) -> Result<(), Failure> {
    let id = meant(context, wanted).await?;
    let answer = context.client.post(&format!("/v1/webhooks/{id}/test")).await?;
    let delivery: Delivery = answer.read()?;
    if context.output.json() {
        context.output.text(&answer.0)?;
    }
    match delivery.state {
        DeliveryState::Delivered if context.output.json() => Ok(()),
        DeliveryState::Delivered => {
            context.output.line(format!("delivered: it answered {}", table::or_nothing(delivery.last_status)))
        }
        DeliveryState::Pending => Err(Failure::new("it waits behind other events")
            .next(format!("`minimcp webhooks deliveries {id}` shows what comes of it"))),
        DeliveryState::Failed => {
            Err(Failure::new(format!("not delivered: {}", table::or_nothing(delivery.last_error)))
                .next("check the URL and that the receiver answers 2xx within the time-out"))
        }
    }
}

async fn deliveries(context: &mut Context, wanted: &str) -> Result<(), Failure> {
    let id = meant(context, wanted).await?;
    let answer = context.client.list(&format!("/v1/webhooks/{id}/deliveries"), &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<Delivery> = answer.read()?;
    let mut list =
        table::table(&context.output, &["queued", "event", "state", "attempts", "status", "error", "next"]);
    let now = Utc::now();
    for delivery in &page.items {
        list.add_row([
            Cell::new(format!("{} ago", table::span((now - delivery.created_at).num_seconds()))),
            Cell::new(&delivery.event),
            Cell::new(delivery.state.as_str()),
            Cell::new(delivery.attempts),
            Cell::new(table::or_nothing(delivery.last_status)),
            Cell::new(table::or_nothing(delivery.last_error.as_ref())),
            Cell::new(table::or_nothing(delivery.next_attempt_at.map(|at| table::left(at, now)))),
        ]);
    }
    context.output.table(&list, "Nothing was sent yet. `minimcp webhooks test ID` sends something.")
}

async fn rm(context: &mut Context, wanted: &str) -> Result<(), Failure> {
    let id = meant(context, wanted).await?;
    let answer = context.client.delete(&format!("/v1/webhooks/{id}"), &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    context.output.line(format!("{id} is deleted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_as_the_api_names_them_and_all_takes_the_choice_back() {
        assert_eq!(wanted(&[]).unwrap(), None);
        assert_eq!(wanted(&["all".into()]).unwrap(), Some(Vec::new()));
        let two = wanted(&["instance.failed".into(), "audit.failing".into()]).unwrap().unwrap();
        assert_eq!(two, [EventKind::InstanceFailed, EventKind::AuditFailing]);
        assert!(wanted(&["all".into(), "instance.failed".into()]).is_err());
        assert!(event("instance.gone").unwrap_err().contains("instance.killed"));
    }
}
