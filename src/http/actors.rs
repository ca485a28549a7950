//! The actor tree as it runs. For operators.

use chrono::Utc;
use minimcp_actors::meter::ActorStatus;
use uuid::Uuid;
use warp::path::Tail;

use super::call::{Answer, Call, ok};
use crate::api::Page;
use crate::api::actor::Actor;
use crate::api::problem::ProblemDocument;
use crate::problem::{Code, Problem};

/// Every actor, by path.
#[utoipa::path(get, path = "/v1/actors", tag = "watching", security(("token" = ["operator"]), ("token" = ["admin"])),
    responses((status = 200, body = Page<Actor>), (status = 403, body = ProblemDocument)))]
pub(super) async fn list(call: Call) -> Answer {
    call.caller()?.operates()?;
    call.no_query()?;
    ok(&Page { items: all(&call), next_cursor: None })
}

/// One actor, such as `/v1/actors/supervisor`, or with those below it where there are any.
#[utoipa::path(get, path = "/v1/actors/{path}", tag = "watching", security(("token" = ["operator"]), ("token" = ["admin"])), params(("path" = String, Path)),
    responses((status = 200, body = Page<Actor>), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(tail: Tail, call: Call) -> Answer {
    call.caller()?.operates()?;
    call.no_query()?;
    let path = format!("/{}", tail.as_str().trim_end_matches('/'));
    let below = format!("{path}/");
    let items: Vec<Actor> =
        all(&call).into_iter().filter(|actor| actor.path == path || actor.path.starts_with(&below)).collect();
    if items.is_empty() {
        return Err(Problem::new(
            Code::ActorNotFound,
            "there is no such actor; `GET /v1/actors` lists those there are",
        ));
    }
    ok(&Page { items, next_cursor: None })
}

fn all(call: &Call) -> Vec<Actor> {
    call.parts().supervision.actors().into_iter().map(|actor| view(call, actor)).collect()
}

fn view(call: &Call, actor: ActorStatus) -> Actor {
    let now = Utc::now();
    let instance = actor.path.rsplit('/').next().and_then(|name| Uuid::try_parse(name).ok());
    let snapshot = instance.and_then(|id| call.parts().supervision.registry().get(id));
    Actor {
        state: snapshot.as_ref().map(|snapshot| snapshot.status.into()),
        restarts_in_window: snapshot.as_ref().map(|snapshot| snapshot.restarts_in_window),
        path: actor.path,
        kind: actor.kind.into(),
        generation: actor.generation,
        mailbox_depth: actor.mailbox_depth,
        messages_handled: actor.messages_handled,
        last_message_age_ms: actor
            .last_message_at
            .map(|at| (now - at).num_milliseconds().try_into().unwrap_or(0)),
        started_at: actor.started_at,
        uptime_seconds: (now - actor.started_at).num_seconds().try_into().unwrap_or(0),
    }
}
