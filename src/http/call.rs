//! A request on its way to its handler, and the answer back.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use uuid::Uuid;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::audited::Notes;
use super::auth::Caller;
use super::context::{Context, Parts};
use super::head::sole;
use super::json;
use super::query::Query;
use crate::gateway::plain_uuid;
use crate::problem::{Code, Problem};
use crate::store::{Page, PageRequest};

/// What a handler answers.
pub(super) type Answer = Result<Response, Problem>;

/// A request on its way to its handler.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) context: Arc<Context>,
    caller: Option<Caller>,
    notes: Notes,
    pub(super) headers: HeaderMap,
    query: String,
    pub(super) body: Bytes,
}

impl Call {
    /// Makes a call of whatever request arrives.
    pub(super) fn filter(context: Arc<Context>) -> BoxedFilter<(Self,)> {
        let query = warp::query::raw().or(warp::any().map(String::new)).unify();
        warp::any()
            .map(move || Arc::clone(&context))
            .and(warp::ext::optional::<Caller>())
            .and(warp::ext::optional::<Notes>())
            .and(warp::header::headers_cloned())
            .and(query)
            .and(warp::body::bytes())
            .map(|context, caller, notes: Option<Notes>, headers, query, body| {
                let notes = notes.unwrap_or_default();
                Self { context, caller, notes, headers, query, body }
            })
            .boxed()
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.context.parts
    }

    /// Who is calling. Every route that is not for everybody asks this first.
    pub(super) fn caller(&self) -> Result<&Caller, Problem> {
        let missing = || Problem::new(Code::Unauthorized, "this route needs an API token");
        self.caller.as_ref().ok_or_else(missing)
    }

    /// Has the audit trail say more about what this request did, once it is done. Never a secret.
    pub(super) fn note(&self, name: &str, value: impl Into<serde_json::Value>) {
        self.notes.add(name, value);
    }

    /// Whether the instances of earlier daemons are under supervision again, which changes of instances need.
    pub(super) fn restored(&self) -> Result<(), Problem> {
        if *self.parts().restored.borrow() {
            return Ok(());
        }
        Err(Problem::new(Code::Unavailable, "instances are being restored; try again").retry_after(2))
    }

    pub(super) fn query(&self) -> Query {
        Query::new(&self.query)
    }

    /// The route takes no parameters.
    pub(super) fn no_query(&self) -> Result<(), Problem> {
        self.query().end()
    }

    /// The body as a value.
    pub(super) fn read<T: DeserializeOwned + ToSchema>(&self) -> Result<T, Problem> {
        json::parse(&self.headers, &self.body)
    }

    /// The one value of a header, as text.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        sole(&self.headers, name).ok_or_else(|| {
            Problem::new(Code::InvalidHeader, format!("send `{name}` once, in printable characters"))
        })
    }
}

/// The id in a path.
pub(super) fn id(text: &str) -> Result<Uuid, Problem> {
    let wrong =
        || Problem::new(Code::InvalidId, "an id is a UUID, such as 0190b2a0-7c3e-7000-8000-000000000000");
    plain_uuid(text).ok_or_else(wrong)
}

/// Which page the query asks for.
pub(super) fn page(query: &mut Query) -> Result<PageRequest, Problem> {
    let limit = query.parse("limit", "a number from 1 to 500")?;
    if limit.is_some_and(|limit: u32| limit == 0 || limit > 500) {
        return Err(Problem::new(Code::InvalidQuery, "`limit` has to be a number from 1 to 500"));
    }
    Ok(PageRequest::new(limit, query.text("cursor")?.as_deref())?)
}

/// A page of rows as callers see it.
pub(super) fn shown<R, T>(page: Page<R>, show: impl Fn(&R) -> T) -> crate::api::Page<T> {
    crate::api::Page { items: page.items.iter().map(show).collect(), next_cursor: page.next_cursor }
}

/// An answer with a JSON body.
pub(super) fn json_answer(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
    Ok(with_body(status, "application/json", Bytes::from(body)))
}

/// 200 with a JSON body.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    json_answer(StatusCode::OK, value)
}

/// 201 with a JSON body and the place of what was made.
pub(super) fn created(place: &str, value: &impl Serialize) -> Answer {
    let mut response = json_answer(StatusCode::CREATED, value)?;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// 202 with a JSON body.
pub(super) fn accepted(value: &impl Serialize) -> Answer {
    json_answer(StatusCode::ACCEPTED, value)
}

/// 204.
pub(super) fn no_content() -> Answer {
    Ok(warp::Reply::into_response(StatusCode::NO_CONTENT))
}

/// An answer with a body that is there already.
pub(super) fn with_body(status: StatusCode, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}

/// Sets a header.
pub(super) fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}
