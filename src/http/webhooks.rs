//! Webhooks: who is told of events over HTTP. A secret is shown once.

use chrono::{TimeDelta, Utc};
use minimcp_entities::{webhook, webhook_delivery};
use url::Url;
use uuid::Uuid;

use super::call::{Answer, Call, created, id, no_content, ok, page, shown};
use super::idempotency::{self, Key};
use super::users::plain;
use crate::api::problem::ProblemDocument;
use crate::api::webhook::{ChangeWebhook, CreateWebhook, Delivery, Webhook, WebhookWithSecret};
use crate::problem::{Code, Problem};
use crate::store::{Conflict, NewWebhook, StoreError, WebhookChange};
use crate::vault::Scope;
use crate::webhooks::{DeliveryState, EventKind, Reach, Refused, Secrets};

/// How long the secret before goes on signing, in seconds, where the caller does not say.
const OVERLAP: u32 = 86_400;

/// My webhooks, newest first; everybody's for operators and administrators.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<Webhook>)))]
pub(super) async fn list(call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    ok(&shown(call.parts().store.webhooks(own, &page).await?, |row| view(&call, row)))
}

/// Makes a webhook. The secret that its events are signed with is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", security(("token" = ["user"]), ("token" = ["admin"])), request_body = CreateWebhook,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = WebhookWithSecret), (status = 422, body = ProblemDocument), (status = 429, body = ProblemDocument)))]
pub(super) async fn create(call: Call) -> Answer {
    let user_id = call.caller()?.owns()?;
    call.no_query()?;
    let key = Key::of(&call, user_id)?;
    if let Some(first) = idempotency::first_answer(&call, key.as_ref()).await? {
        return Ok(first);
    }
    let request: CreateWebhook = call.read()?;
    let reach = request.scope.unwrap_or_default();
    if reach == Reach::All {
        call.caller()?.administers()?;
    }
    let host = reachable(&call, &request.url)?;
    let secrets = Secrets::random()?;
    let id = Uuid::now_v7();
    let new = NewWebhook {
        id,
        user_id,
        name: plain(request.name.unwrap_or_else(|| host.clone()))?,
        url: request.url,
        reach,
        events: once_each(request.events.unwrap_or_default()),
        sealed: call.parts().vault.seal(&Scope::webhook(user_id, &id, 1), &secrets.to_json())?,
        created_at: Utc::now(),
    };
    call.note("host", host);
    call.note("scope", reach.as_str());
    let about = bare(&new.row(), None);
    let made = WebhookWithSecret { about, secret: Some(secrets.text().to_owned()) };
    let answer = key.as_ref().map(|key| key.remembered(&call, None, &made)).transpose()?;
    match call.parts().store.create_webhook(new, answer).await {
        Ok(_) => created(&format!("/v1/webhooks/{id}"), &made),
        // Another request with the same key was faster.
        Err(error @ StoreError::Conflict { what: Conflict::IdempotencyKey }) => {
            idempotency::first_answer(&call, key.as_ref()).await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Webhook), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    call.no_query()?;
    ok(&view(&call, &call.parts().store.webhook_as_stored(id(&text)?, own).await?))
}

/// Changes a webhook. With `rotate_secret` it gets a new secret, which is in this answer and nowhere else; for
/// `overlap_seconds` events carry the signatures of both.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", security(("token" = ["owner"])), params(("id" = Uuid, Path)),
    request_body = ChangeWebhook,
    responses((status = 200, body = WebhookWithSecret), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn change(text: String, call: Call) -> Answer {
    let owner = call.caller()?.owns()?;
    call.no_query()?;
    let store = &call.parts().store;
    let row = store.webhook(id(&text)?, Some(owner)).await?;
    let request: ChangeWebhook = call.read()?;
    if let Some(url) = &request.url {
        call.note("host", reachable(&call, url)?);
    }
    let now = Utc::now();
    let (mut secrets, mut secret) = (None, None);
    if request.rotate_secret == Some(true) {
        let next = call.parts().webhooks.secrets(&row).map_err(unreadable)?.rotated()?;
        let sealed =
            call.parts().vault.seal(&Scope::webhook(owner, &row.id, row.version + 1), &next.to_json())?;
        let overlap = TimeDelta::seconds(request.overlap_seconds.unwrap_or(OVERLAP).into());
        secrets = Some((sealed, Some(now + overlap)));
        secret = Some(next.text().to_owned());
        call.note("rotated", true);
    } else if request.overlap_seconds.is_some() {
        let detail = "it goes with `rotate_secret`";
        return Err(Problem::at(Code::InvalidBody, "/overlap_seconds", detail));
    }
    let change = WebhookChange {
        name: request.name.map(plain).transpose()?,
        url: request.url,
        events: request.events.map(once_each),
        enabled: request.enabled,
        secrets,
    };
    let row = store.change_webhook(row.id, row.version, change, now).await?;
    ok(&WebhookWithSecret { about: view(&call, &row), secret })
}

/// Deletes a webhook with all that waits for it.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", security(("token" = ["owner"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(text: String, call: Call) -> Answer {
    let own = call.caller()?.writes()?;
    call.no_query()?;
    let store = &call.parts().store;
    let row = store.webhook_as_stored(id(&text)?, own).await?;
    store.delete_webhook(row.id).await?;
    no_content()
}

/// Sends a `webhook.test` event and answers how its one attempt ended.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", security(("token" = ["owner"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Delivery), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
pub(super) async fn test(text: String, call: Call) -> Answer {
    let owner = call.caller()?.owns()?;
    call.no_query()?;
    let parts = call.parts();
    let row = parts.store.webhook(id(&text)?, Some(owner)).await?;
    if !row.enabled {
        return Err(Problem::new(Code::WebhookDisabled, "enable it first: `{\"enabled\": true}`"));
    }
    let delivery = parts.webhooks.test(&row, Utc::now()).await?;
    call.note("delivered", delivery.state == DeliveryState::Delivered.as_str());
    ok(&sent(&delivery)?)
}

/// What was sent to a webhook and what waits for it, newest first. What is done with is forgotten after 7 days, and all
/// but the newest 500 of it.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<Delivery>), (status = 404, body = ProblemDocument)))]
pub(super) async fn deliveries(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    let store = &call.parts().store;
    let row = store.webhook_as_stored(id(&text)?, own).await?;
    let rows = store.deliveries(row.id, &page).await?;
    let items = rows.items.iter().map(sent).collect::<Result<Vec<_>, _>>()?;
    ok(&crate::api::Page { items, next_cursor: rows.next_cursor })
}

/// The host of a URL that something may be sent to.
fn reachable(call: &Call, url: &str) -> Result<String, Problem> {
    let refused = |refused: Refused| Problem::at(Code::ForbiddenTarget, "/url", refused.to_string());
    call.parts().webhooks.check(url).map_err(refused)?;
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.ok_or_else(|| refused(Refused::Malformed))
}

fn once_each(mut events: Vec<EventKind>) -> Vec<EventKind> {
    let mut seen = Vec::new();
    events.retain(|event| {
        let new = !seen.contains(event);
        seen.push(*event);
        new
    });
    events
}

fn unreadable(why: impl std::error::Error + 'static) -> Problem {
    let detail = "its secret cannot be opened; delete the webhook and make it anew";
    Problem::new(Code::Unreadable, detail).because(&why)
}

/// A webhook as this caller may see it.
fn view(call: &Call, row: &webhook::Model) -> Webhook {
    let parts = call.parts();
    let unusable = if parts.store.is_forged(row) {
        Some("it was changed outside of MiniMCP; delete it and make it anew".to_owned())
    } else {
        parts.webhooks.secrets(row).err().map(|error| error.to_string())
    };
    let webhook = bare(row, unusable);
    let owner = call.caller().is_ok_and(|caller| caller.user_id == row.user_id);
    if owner { webhook } else { Webhook { url: origin(&row.url), ..webhook } }
}

/// Scheme, host and port of a URL, and no more.
fn origin(url: &str) -> String {
    Url::parse(url)
        .map_or_else(|_| String::new(), |url| format!("{}/...", url.origin().ascii_serialization()))
}

fn bare(row: &webhook::Model, unusable: Option<String>) -> Webhook {
    Webhook {
        id: row.id,
        user_id: row.user_id,
        name: row.name.clone(),
        url: row.url.clone(),
        scope: Reach::from_name(&row.scope).unwrap_or_default(),
        events: EventKind::split(&row.events),
        enabled: row.enabled,
        disabled_reason: row.disabled_reason.clone(),
        failing_since: row.failing_since,
        previous_secret_until: row.previous_until.filter(|until| *until > Utc::now()),
        dropped: u64::try_from(row.dropped).unwrap_or_default(),
        unusable,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn sent(row: &webhook_delivery::Model) -> Result<Delivery, StoreError> {
    let corrupt = StoreError::Corrupt { table: "webhook_deliveries", column: "state" };
    let state = DeliveryState::from_name(&row.state).ok_or(corrupt)?;
    Ok(Delivery {
        id: row.id,
        event: row.event.clone(),
        state,
        attempts: u32::try_from(row.attempts).unwrap_or_default(),
        next_attempt_at: (state == DeliveryState::Pending).then_some(row.next_at),
        last_attempt_at: row.last_attempt_at,
        last_status: row.last_status.and_then(|status| u16::try_from(status).ok()),
        last_error: row.last_error.clone(),
        created_at: row.created_at,
        finished_at: row.finished_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_of_somebody_else_only_the_host_is_shown() {
        assert_eq!(origin("https://hooks.example/T0K3N?key=s3cret"), "https://hooks.example/...");
        assert_eq!(origin("http://10.0.0.1:81/x"), "http://10.0.0.1:81/...");
        assert_eq!(origin("?"), "");
    }
}
