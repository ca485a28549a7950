//! From the queue to the receivers: one event at a time to each, many receivers at once.
//!
//! A receiver that hangs costs one of many places for the length of a time-out and then waits for its next turn, so it
//! delays nobody else. What was sent and not noted because the daemon died is sent again with the same `webhook-id`.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use minimcp_entities::{webhook, webhook_delivery};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use slog::{error, info, warn};
use uuid::Uuid;

use super::event::Happened;
use super::schedule::{Outcome, Verdict, judge};
use super::target::Refused;
use super::trust;
use super::{DeliveryState, EventKind, Webhooks};
use crate::store::{Settled, StoreError};

/// Receivers that are sent to at the same time.
const AT_ONCE: usize = 64;
/// The clock of the machine may be set, so it is looked at again after this long at the latest.
const LONGEST_NAP: Duration = Duration::from_secs(30);
/// After the store failed.
const RETRY: Duration = Duration::from_secs(2);

impl Webhooks {
    /// Sends what is due, for as long as it is polled.
    pub(super) async fn dispatch(&self) {
        let mut sending = FuturesUnordered::new();
        let mut busy: HashSet<Uuid> = HashSet::new();
        loop {
            let pause = match self.take(&mut busy, AT_ONCE).await {
                Ok((due, pause)) => {
                    sending.extend(due.into_iter().map(|delivery| self.attempt(delivery)));
                    pause
                }
                Err(error) => {
                    error!(self.0.log, "the queue of webhooks could not be read; it waits"; "error" => %error);
                    RETRY
                }
            };
            tokio::select! {
                Some(id) = sending.next() => {
                    busy.remove(&id);
                }
                () = self.0.queued.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What is due for receivers that are not busy, which are from now on, and how long to wait for more.
    async fn take(
        &self,
        busy: &mut HashSet<Uuid>,
        at_once: usize,
    ) -> Result<(Vec<webhook_delivery::Model>, Duration), StoreError> {
        let free = at_once.saturating_sub(busy.len());
        if free == 0 {
            // Whoever ends makes room.
            return Ok((Vec::new(), LONGEST_NAP));
        }
        let store = &self.0.store;
        let held: Vec<Uuid> = busy.iter().copied().collect();
        let due = store.due_deliveries(Utc::now(), &held, free as u64).await?;
        busy.extend(due.iter().map(|delivery| delivery.webhook_id));
        if busy.len() >= at_once {
            return Ok((due, LONGEST_NAP));
        }
        let held: Vec<Uuid> = busy.iter().copied().collect();
        let next = store.next_delivery_at(&held).await?;
        let pause = next.map_or(LONGEST_NAP, |next| (next - Utc::now()).to_std().unwrap_or_default());
        Ok((due, pause.min(LONGEST_NAP)))
    }

    /// Sends one event once and notes what came of it. Answers whose turn it was.
    async fn attempt(&self, delivery: webhook_delivery::Model) -> Uuid {
        let id = delivery.webhook_id;
        let webhook = loop {
            match self.0.store.webhook_as_stored(id, None).await {
                Ok(webhook) => break webhook,
                // It was deleted, and the delivery with it.
                Err(StoreError::NotFound(_)) => return id,
                Err(error) => self.pause(&error).await,
            }
        };
        let outcome = self.send(&webhook, &delivery).await;
        let now = Utc::now();
        let nth = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let event = EventKind::from_name(&delivery.event).unwrap_or(EventKind::Test);
        let chance = fastrand::f64() * 2.0 - 1.0;
        let Verdict { state, next_at, disable } =
            judge(&outcome, event, nth, &self.0.settings.retry, webhook.failing_since, chance, now);
        let settled = Settled {
            id: delivery.id,
            webhook_id: id,
            state,
            next_at,
            status: outcome.status,
            error: outcome.error,
            disable,
            at: now,
        };
        // Until it is noted the receiver stays busy, so that it does not get the same over and over again.
        while let Err(error) = self.0.store.settle_delivery(&settled).await {
            self.pause(&error).await;
        }
        self.0.attempts.send_modify(|attempts| *attempts += 1);
        self.say(&webhook, &delivery, &settled).await;
        id
    }

    async fn pause(&self, error: &StoreError) {
        error!(self.0.log, "what came of a webhook could not be noted; it waits"; "error" => %error);
        tokio::time::sleep(RETRY).await;
    }

    async fn say(&self, webhook: &webhook::Model, delivery: &webhook_delivery::Model, settled: &Settled) {
        let Settled { state, error, disable, .. } = settled;
        match state {
            DeliveryState::Delivered | DeliveryState::Pending => {}
            DeliveryState::Failed => {
                info!(self.0.log, "an event could not be delivered"; "webhook" => %webhook.id, "event" => &delivery.event,
                    "error" => error.as_deref().unwrap_or_default());
            }
        }
        let Some(reason) = disable else { return };
        warn!(self.0.log, "a webhook is disabled"; "webhook" => %webhook.id, "reason" => reason);
        let happened = Happened {
            kind: EventKind::WebhookDisabled,
            key: format!("disabled-{}", Uuid::now_v7()),
            user_id: Some(webhook.user_id),
            at: settled.at,
            data: json!({"webhook_id": webhook.id, "user_id": webhook.user_id, "name": webhook.name, "reason": reason}),
        };
        if let Err(error) = self.tell(happened).await {
            // The webhook itself says so, too.
            error!(self.0.log, "that a webhook is disabled could not be queued for others"; "error" => %error);
        }
    }

    /// One attempt. The body of the answer is never read.
    async fn send(&self, webhook: &webhook::Model, delivery: &webhook_delivery::Model) -> Outcome {
        let failed = |error: String| Outcome { status: None, error: Some(error) };
        if !webhook.enabled {
            return failed("the webhook was disabled".into());
        }
        if self.0.store.is_forged(webhook) {
            return failed(
                "the stored webhook was changed outside of MiniMCP; delete it and make it anew".into(),
            );
        }
        let url = match self.0.settings.allow.check(&webhook.url) {
            Ok(url) => url,
            Err(refused) => return failed(refused.to_string()),
        };
        let (id, now) = (delivery.id.to_string(), Utc::now());
        let with_previous = webhook.previous_until.is_some_and(|until| now < until);
        let signature = self
            .secrets(webhook)
            .and_then(|secrets| Ok(secrets.sign(&id, now.timestamp(), &delivery.payload, with_previous)?));
        let signature = match signature {
            Ok(signature) => signature,
            Err(error) => return failed(format!("its secret cannot be used: {error}")),
        };
        let request = self
            .0
            .client
            .post(url)
            .header("webhook-id", id)
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", signature)
            .header(CONTENT_TYPE, "application/json")
            .body(delivery.payload.clone());
        match request.send().await {
            Ok(answer) => {
                let status = answer.status();
                let error = if status.is_success() {
                    None
                } else if status.is_redirection() {
                    Some(format!("it answered {}, and redirects are not followed", status.as_u16()))
                } else {
                    Some(format!("it answered {}", status.as_u16()))
                };
                Outcome { status: Some(status.as_u16()), error }
            }
            Err(error) => failed(self.words(&error)),
        }
    }

    /// Why nothing came back, without what the URL may hold.
    fn words(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn Error = error;
        while let Some(source) = cause.source() {
            cause = source;
            if let Some(refused) = cause.downcast_ref::<Refused>() {
                return refused.to_string();
            }
            if let Some(words) = trust::words(cause) {
                return words;
            }
        }
        if error.is_timeout() {
            let timeout = humantime::format_duration(self.0.settings.timeout);
            format!("it did not answer within {timeout}")
        } else if error.is_connect() {
            format!("no connection: {cause}")
        } else {
            format!("the exchange broke: {cause}")
        }
    }
}
