//! From a connection to a handler: the rules for every request, then the gateway or the management API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use uuid::Uuid;
use warp::filters::BoxedFilter;

use super::audited::{Operation, REQUEST_ID};
use super::auth::Caller;
use super::call::Answer;
use super::context::Context;
use super::intake::{self, Bounds as BodyBounds};
use super::listener::{self, Bounds};
use super::loops::Loops;
use super::outgoing::Outgoing;
use super::own::OwnRoutes;
use super::traced::Traced;
use super::{auth, head, routes};
use crate::problem::{Code, ForTheLog, Problem};
use crate::traces;

/// How long a client may be silent within a body.
const BODY_IDLE: Duration = Duration::from_secs(10);

/// Answers every request of the daemon on this listener until the context's `stop` is cancelled and what was
/// under way has ended.
///
/// The loops are to be kept until the store is closed: what it opened there goes on needing them.
pub async fn run(listener: TcpListener, bounds: Bounds, loops: &Loops, context: Arc<Context>) {
    run_beside(listener, bounds, loops, context, None).await;
}

/// The same with routes of the embedding program.
pub async fn run_beside(
    listener: TcpListener,
    bounds: Bounds,
    loops: &Loops,
    context: Arc<Context>,
    own: Option<OwnRoutes>,
) {
    let stop = context.parts.stop.clone();
    let beside = TaskTracker::new();
    beside.spawn(Arc::clone(&context).note_use());
    beside.spawn(super::metrics::observe(Arc::clone(&context)));
    let edge = Arc::new(Edge {
        routes: routes::all(Arc::clone(&context), own),
        calls: TaskTracker::new(),
        managing: Handle::current(),
        context,
    });
    let answering = Arc::clone(&edge);
    listener::serve(listener, bounds, loops, stop, move |request, peer| {
        let edge = Arc::clone(&answering);
        async move { edge.answer(request, peer).await }
    })
    .await;
    edge.calls.close();
    beside.close();
    // Handlers outlive their clients, so a change that was begun is finished before the store is closed.
    if tokio::time::timeout(bounds.drain, edge.calls.wait()).await.is_err() {
        slog::warn!(edge.context.parts.log, "requests were still under way at the end"; "count" => edge.calls.len());
    }
    beside.wait().await;
}

struct Edge {
    context: Arc<Context>,
    routes: BoxedFilter<(Answer,)>,
    calls: TaskTracker,
    /// Where everything but the gateway's requests is answered: those shall not wait behind it.
    managing: Handle,
}

impl Edge {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Response<Outgoing> {
        let (head, body) = request.into_parts();
        if let Err(problem) = head::check(&self.context.parts.settings, &head) {
            return finished(problem.response().map(Into::into), &head.uri);
        }
        let mut traced = Traced::of(&self.context.parts.traces, &head);
        let request = Request::from_parts(head, body);
        let response = match traced.span.current() {
            None => self.respond(request, peer, &mut traced).await,
            // Boxed, so that requests that are not sampled are no larger for it.
            Some(current) => Box::pin(current.around(self.respond(request, peer, &mut traced))).await,
        };
        traced.answered(response)
    }

    async fn respond(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        traced: &mut Traced,
    ) -> Response<Outgoing> {
        if request.uri().path().starts_with("/i/") {
            let uri = request.uri().clone();
            let mut response = self.context.parts.gateway.answer(request, peer.ip(), traced).await;
            if response.status().is_server_error() && !matches!(response.body(), Outgoing::Relayed(_)) {
                self.name(&mut response, uri.path());
            }
            if response.status() == StatusCode::UNAUTHORIZED
                && let Err(problem) = self.context.failed(peer.ip())
            {
                return problem.response().map(Into::into);
            }
            return response;
        }
        let uri = request.uri().clone();
        let edge = Arc::clone(self);
        let managed = traces::carried(async move { edge.manage(request, peer).await });
        let managed = self.managing.spawn(managed);
        // Ends with its client, but for what was begun.
        let managed = AbortOnDropHandle::new(managed).await;
        let managed = managed.unwrap_or_else(|error| Err(Problem::internal(&error)));
        let response = managed.unwrap_or_else(|problem| problem.response().map(Into::into));
        if let Some(ForTheLog(cause)) = response.extensions().get() {
            slog::error!(self.context.parts.log, "a request failed"; "path" => uri.path(), "status" => response.status().as_u16(), "cause" => cause);
        }
        self.context.metrics.answered(response.status());
        finished(response, &uri)
    }

    /// Gives a request that the gateway could not pass on an id, by which client and log tell of the same one.
    fn name(&self, response: &mut Response<Outgoing>, path: &str) {
        let id = Uuid::now_v7().to_string();
        slog::warn!(self.context.parts.log, "a request did not get through the gateway"; "request_id" => &id, "path" => path, "status" => response.status().as_u16());
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
    }

    async fn manage(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Outgoing>, Problem> {
        let (mut head, body) = request.into_parts();
        let mut operation = None;
        if is_private(head.uri.path()) {
            let caller = auth::caller(&self.context, &head.headers, peer.ip()).await?;
            self.slow_down(&head, &caller)?;
            operation = Operation::of(&head, &caller, peer.ip(), &self.context.parts.trail);
            head.extensions.insert(operation.as_ref().map(Operation::notes).unwrap_or_default());
            head.extensions.insert(caller);
        }
        let http = &self.context.parts.settings.http;
        let bounds = BodyBounds { max: http.max_body, idle: BODY_IDLE, whole: http.request_timeout };
        let body = intake::read(&head.headers, body, bounds).await?;
        if head.method == Method::HEAD {
            // hyper knows what was asked and leaves the body out.
            head.method = Method::GET;
        }
        let request = Request::from_parts(head, Full::new(body));
        let service = TowerToHyperService::new(warp::service(self.routes.clone()));
        let trail = self.context.parts.trail.clone();
        let handled = async move {
            let handler = async { service.call(request).await.unwrap_or_else(|never| match never {}) };
            match operation {
                Some(operation) => operation.carry_out(&trail, handler).await,
                None => Ok(handler.await),
            }
        };
        // A task of its own: a client that leaves must not stop a change halfway.
        let answered =
            self.calls.spawn(traces::carried(handled)).await.map_err(|error| Problem::internal(&error))?;
        Ok(answered?.map(Outgoing::boxed))
    }

    /// Refuses who asks or makes too much, before a byte of the body is read.
    fn slow_down(&self, head: &Parts, caller: &Caller) -> Result<(), Problem> {
        let refused = |detail: &str, wait: Duration| {
            Problem::new(Code::TooManyRequests, detail).retry_after(wait.as_secs() + 1)
        };
        let asked = self.context.requests.take(caller.token_id.unwrap_or(caller.user_id));
        asked.map_err(|wait| refused("this token asks too often; slow down", wait))?;
        if creates(head) {
            let made = self.context.creations.take(caller.user_id);
            made.map_err(|wait| refused("you make new things too fast; slow down", wait))?;
        }
        Ok(())
    }
}

/// Whether a request makes something that the maker is counted for.
fn creates(head: &Parts) -> bool {
    let path = head.uri.path();
    head.method == Method::POST
        && (matches!(path, "/v1/instances" | "/v1/credentials" | "/v1/users" | "/v1/types")
            || path.starts_with("/v1/users/") && path.ends_with("/tokens"))
}

/// Whether a path is for callers with a token only. Deny by default: whatever is below `/v1`.
pub(super) fn is_private(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path == "/metrics"
}

/// What every answer carries.
fn finished(mut response: Response<Outgoing>, uri: &http::Uri) -> Response<Outgoing> {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_private(uri.path()) && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
