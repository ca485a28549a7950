//! Every request that changes something is recorded before its handler runs, and again with what came of it.
//! It is done here, around all handlers, so that none can forget it: without the first record there is no
//! effect.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use http::{HeaderName, HeaderValue, Method, header, request};
use serde_json::{Map, Value};
use utoipa::Modify;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use uuid::Uuid;
use warp::reply::Response;

use super::auth::Caller;
use super::routes;
use crate::api::audit::{Actor, AuditResult};
use crate::audit::{Entry, Trail};
use crate::problem::{Code, Problem};

/// Carries the id under which the trail knows the request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const PROBLEM: &str = "application/problem+json";

/// What a handler wants to have said about its operation in the second record. Never a secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Map<String, Value>>>);

impl Notes {
    pub(super) fn add(&self, name: &str, value: impl Into<Value>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.into());
    }

    fn take(&self) -> Map<String, Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An operation that is recorded.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    entry: Entry,
    request_id: Uuid,
    kind: String,
    notes: Notes,
}

impl Operation {
    /// The operation that a request of this caller is; `None` if it only reads.
    pub(super) fn of(head: &request::Parts, caller: &Caller, address: IpAddr, trail: &Trail) -> Option<Self> {
        if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return None;
        }
        let path = head.uri.path();
        let named =
            routes::template_of(&head.method, path).map(|template| Named::of(&head.method, template, path));
        // What fits no route has no effect either; should it have one, it is in the trail.
        let Named { kind, verb, id } = named.unwrap_or_else(|| Named {
            kind: "request".into(),
            verb: head.method.as_str().to_ascii_lowercase(),
            id: Some(path.to_owned()),
        });
        let actor = Actor::user(caller.user_id, caller.token_id, address);
        let request_id = Uuid::now_v7();
        let mut entry = Entry::new(actor, format!("{kind}.{verb}"), AuditResult::Begun);
        entry.request_id = Some(request_id);
        let (known, strange) = match id {
            Some(id) if is_name(&id) => (Some(id), None),
            other => (None, other),
        };
        entry = entry.about(&kind, known.as_deref());
        if let Some(strange) = strange {
            entry = entry.with("given_mark", trail.mark(strange.as_bytes()));
        }
        Some(Self { entry, request_id, kind, notes: Notes::default() })
    }

    /// Where the handler may say more.
    pub(super) fn notes(&self) -> Notes {
        self.notes.clone()
    }

    /// Records, runs the handler, and records what came of it.
    ///
    /// # Errors
    /// `audit_unavailable` if the first record cannot be written; then the handler does not run. If only the
    /// second cannot, the answer is what the handler says: it has happened and was recorded as begun.
    pub(super) async fn carry_out(
        self,
        trail: &Trail,
        handler: impl Future<Output = Response>,
    ) -> Result<Response, Problem> {
        trail.record(self.entry.clone()).await?;
        let answered = AssertUnwindSafe(handler).catch_unwind().await;
        // The trail itself says aloud that it cannot be written.
        let _ = trail.record(self.outcome(answered.as_ref().ok())).await;
        let mut response = answered.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Ok(id) = HeaderValue::from_str(&self.request_id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    /// The second record. What was made is known by its place in the answer.
    fn outcome(&self, response: Option<&Response>) -> Entry {
        let mut entry = self.entry.clone();
        entry.detail.append(&mut self.notes.take());
        let Some(response) = response else {
            entry.result = AuditResult::Failed;
            return entry.with("cause", "the handler panicked");
        };
        let status = response.status();
        entry.result = match status.as_u16() {
            200..=399 => AuditResult::Done,
            400..=499 => AuditResult::Refused,
            _ => AuditResult::Failed,
        };
        let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        if let Some((_, id)) = place.and_then(|place| place.rsplit_once('/')) {
            entry = entry.about(&self.kind, Some(id));
        }
        if let Some(code) = response.extensions().get::<Code>() {
            entry = entry.with("code", code.as_str());
        }
        entry.with("status", status.as_u16())
    }
}

/// Whether this can be the id or the name of something. Anything else in a path may be a secret that was put in
/// the wrong place, and is known by its mark alone.
fn is_name(given: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    given.len() <= 63 && given.bytes().all(is_plain)
}

/// How the trail names what a request does.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    kind: String,
    verb: String,
    id: Option<String>,
}

impl Named {
    /// From the words of the route: `POST /v1/credentials` is `credential.create`, `POST /v1/instances/{id}/stop`
    /// is `instance.stop`, `POST /v1/users/{id}/tokens` is `token.create`.
    fn of(method: &Method, template: &str, path: &str) -> Self {
        let parts = || template.split('/').zip(path.split('/')).skip(2);
        let is_place = |part: &str| part.starts_with('{');
        let words: Vec<&str> = parts().map(|(part, _)| part).filter(|part| !is_place(part)).collect();
        let id = parts().filter(|(part, _)| is_place(part)).map(|(_, given)| given.to_owned()).last();
        let one = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
        let (first, last) = (words.first().copied().unwrap_or("api"), words.last().copied().unwrap_or("api"));
        let by_method = match *method {
            Method::POST => "create",
            Method::PUT => "replace",
            Method::PATCH => "change",
            Method::DELETE => "delete",
            _ => "do",
        };
        if words.len() > 1 && !last.ends_with('s') {
            return Self { kind: one(first), verb: last.to_owned(), id };
        }
        // What is made below something else has no id yet.
        let id = id.filter(|_| *method != Method::POST);
        Self { kind: one(last), verb: by_method.to_owned(), id }
    }
}

/// Has the document say that whatever changes something needs the trail.
pub(super) struct FailsClosed;

impl Modify for FailsClosed {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let changing = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in changing.into_iter().flatten() {
                let words = "Nothing was changed: `audit_unavailable`, or another part is not ready";
                let problem = Content::new(Some(Ref::from_schema_name("ProblemDocument")));
                let answer = ResponseBuilder::new().description(words).content(PROBLEM, problem).build();
                operation.responses.responses.entry("503".into()).or_insert(RefOr::T(answer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_route_say_what_it_does_and_to_what() {
        let named = |method: Method, template: &str, path: &str| {
            let Named { kind, verb, id } = Named::of(&method, template, path);
            format!("{kind}.{verb} {}", id.unwrap_or_default())
        };
        for (method, template, path, expected) in [
            (Method::POST, "/v1/credentials", "/v1/credentials", "credential.create "),
            (Method::PUT, "/v1/types/{name}", "/v1/types/github", "type.replace github"),
            (Method::PATCH, "/v1/users/{id}", "/v1/users/7", "user.change 7"),
            (Method::DELETE, "/v1/instances/{id}", "/v1/instances/7", "instance.delete 7"),
            (Method::POST, "/v1/instances/{id}/stop", "/v1/instances/7/stop", "instance.stop 7"),
            (Method::POST, "/v1/instances/{id}/token", "/v1/instances/7/token", "instance.token 7"),
            (Method::POST, "/v1/users/{id}/tokens", "/v1/users/7/tokens", "token.create "),
            (Method::DELETE, "/v1/tokens/{id}", "/v1/tokens/7", "token.delete 7"),
            (Method::POST, "/v1/keys/rotate", "/v1/keys/rotate", "key.rotate "),
            (Method::POST, "/v1/types/import", "/v1/types/import", "type.import "),
        ] {
            assert_eq!(named(method, template, path), expected);
        }
    }
}
