//! The way in to the servers: `/i/{id}/mcp` and below. Checks the token, counts, and passes on byte for byte.
//!
//! It never looks at the store, and judges by a body only where the server reads lines
//! ([`stdio`](crate::stdio)). The token does not reach the server, and what a server says about authentication does
//! not reach the client. Both MCP eras pass: it forwards what it is sent.

mod access;
mod answers;
mod counts;
mod headers;
mod lane;
mod methods;
mod path;
mod pipes;
mod rate;
mod relay;
mod sessions;
mod traced;
mod upstream;
mod uses;

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use minimcp_actors::Supervision;
use minimcp_actors::routes::{Call, InFlight, Route};
use minimcp_actors::state::Run;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use access::{AccessTable, Grant};
pub(crate) use path::plain_uuid;
pub(crate) use rate::Rate;
pub use relay::Relayed;
pub(crate) use traced::route_of;

use crate::api::audit::{Actor, AuditResult};
use crate::audit::{Entry, Trail, Unavailable};
use crate::config::GatewayLimits;
use crate::http::{Outgoing, Traced, bearer, linger, sole};
use crate::problem::{Code, Problem};
use crate::stdio::Stdio;
use crate::traces::Span;
use crate::vault::{Token, Vault};
use access::Admitted;
use answers::Listener;
use counts::{Counts, LaneKind};
use lane::{At, Serving};
use methods::Asks;
use relay::{Outbound, Told, TooLarge};
use sessions::SessionTable;
use upstream::{Answer, Asked, Failure, Upstream, Way};
use uses::Uses;

const SESSION: &str = "mcp-session-id";

/// The servers behind the gateway.
#[derive(Debug)]
pub struct Servers {
    /// Who supervises them, and knows where they are.
    pub supervision: Supervision,
    /// Who speaks with those on standard streams.
    pub stdio: Stdio,
}

/// The gateway.
pub struct Gateway {
    limits: GatewayLimits,
    vault: Vault,
    access: Arc<AccessTable>,
    supervision: Supervision,
    sessions: SessionTable,
    uses: Uses,
    trail: Trail,
    counts: Counts,
    upstream: Upstream,
    stdio: Stdio,
    restored: watch::Receiver<bool>,
    stop: CancellationToken,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway to these servers. Until `restored` says that the instances of the last
    /// daemon are there again, requests wait: nobody is turned away who will be let in a moment later. `trail`
    /// has who uses which token from where. `stop`
    /// ends listening streams when the daemon ends.
    #[must_use]
    pub fn new(
        limits: GatewayLimits,
        vault: Vault,
        access: Arc<AccessTable>,
        servers: Servers,
        trail: Trail,
        restored: watch::Receiver<bool>,
        stop: CancellationToken,
    ) -> Self {
        let Servers { supervision, stdio } = servers;
        // One for each request that may be under way: with fewer, a busy instance connects anew all the time.
        let upstream = Upstream::new(usize::try_from(limits.max_in_flight).unwrap_or(usize::MAX));
        let (sessions, uses, counts) = (SessionTable::new(), Uses::default(), Counts::new());
        Self {
            limits,
            vault,
            access,
            supervision,
            sessions,
            uses,
            trail,
            counts,
            upstream,
            stdio,
            restored,
            stop,
        }
    }

    /// Registers what the gateway counts.
    pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.counts.register(registry);
        self.stdio.register(registry);
    }

    /// Answers a request whose path begins with `/i/` and whose host and origin were checked.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
        traced: &mut Traced,
    ) -> Response<Outgoing> {
        let begun = Instant::now();
        let (asks, look) = Asks::of_head(request.method(), request.headers());
        if let Some(revision) =
            traced.span.is_recorded().then(|| traced::revision(request.headers())).flatten()
        {
            traced.span.set("mcp.protocol.version", revision);
        }
        let id = path::target(request.uri().path()).map(|target| target.id);
        let asking = Asking { asks, told: look.then(Told::default), lane: OnceLock::new(), traced };
        let passed = self.pass(request, from, &asking).await;
        let response = passed.unwrap_or_else(|problem| problem.response().map(Into::into));
        let lane = asking.lane.get().copied().unwrap_or(LaneKind::Http);
        let method = asking.settled().method;
        self.counts.add(lane, method, response.status(), begun.elapsed());
        self.describe(&mut traced.span, id, lane, method);
        response
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
        asking: &Asking<'_>,
    ) -> Result<Response<Outgoing>, Problem> {
        let (head, mut body) = request.into_parts();
        let target = path::target(head.uri.path())
            .ok_or_else(|| Problem::new(Code::RouteNotFound, "MCP endpoints are at /i/{instance_id}/mcp"))?;
        let id = target.id;
        self.wait_for_restore().await?;
        let now = Utc::now();
        let admitted = self.admit(id, &head.headers, now).inspect_err(|_| self.denied(id, from))?;
        let session = self.session(id, &head.headers, &admitted)?;
        let route = self.supervision.routes().get(id).ok_or_else(not_here)?;
        let in_flight = self.enter(&route, &admitted, now)?;
        self.uses
            .recorded((id, admitted.token, from), Instant::now(), self.use_of(id, &admitted, from))
            .await?;
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length| length > self.limits.max_body as u64) {
            linger(&mut body).await;
            return Err(self.too_large());
        }

        let deadline = Instant::now() + self.limits.wait;
        let span = &asking.traced.span;
        let first = lane::serving(&self.supervision, id, &route, None, deadline, span).await?;
        if first.1 == At::Pipes {
            let _ = asking.lane.set(LaneKind::Stdio);
            let asked =
                pipes::Asked { id, head: &head, rest: target.rest, session: session.as_deref(), asking };
            return self.over_pipes(asked, body, &route, &admitted, in_flight, (first, deadline)).await;
        }
        let path = server_path(admitted.mcp_path(), target.rest, head.uri.query());
        let ends = head.method == Method::DELETE;
        let listens = head.method == Method::GET || asking.asks.method.as_str() == "subscriptions/listen";
        let asked = Asked { method: head.method, path, headers: head.headers };
        let body = Outbound::new(body, self.limits.max_body, asking.told.clone());
        let (way, run, call) = self.reach(id, &route, (first, deadline), span).await?;
        if let Some(session) = &session
            && !self.sessions.is_known_to(id, session, &admitted.token, run)
        {
            return Err(no_session());
        }
        let response = self.forward(way, &asked, body, asking, &admitted).await?;
        let asked = (asking.settled(), listens);
        self.relay(id, &route, &admitted, asked, response, (in_flight, call)).inspect(|response| {
            if let Some(session) = session.filter(|_| ends)
                && response.status().is_success()
            {
                self.sessions.forget(id, &session);
            }
        })
    }

    /// Counts a call of a tool, if it is one that the server has.
    fn count_tool(&self, id: Uuid, asks: &Asks, admitted: &Admitted) {
        if let Some(tool) = asks.tool.as_deref()
            && admitted.tools().has(tool)
            && let Some(snapshot) = self.supervision.registry().get(id)
        {
            self.counts.add_tool(&snapshot.kind, tool);
        }
    }

    async fn wait_for_restore(&self) -> Result<(), Problem> {
        if *self.restored.borrow() {
            return Ok(());
        }
        let mut restored = self.restored.clone();
        match tokio::time::timeout(self.limits.wait, restored.wait_for(|restored| *restored)).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let detail = "the daemon is still bringing its instances back; try again";
                Err(Problem::new(Code::Unavailable, detail).retry_after(5))
            }
        }
    }

    fn admit(&self, id: Uuid, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Admitted, Problem> {
        let shown = bearer(headers).and_then(|shown| Token::parse(shown).ok()).ok_or_else(unauthorized)?;
        self.access.admit(id, &self.vault.hash(&shown), now).ok_or_else(unauthorized)
    }

    fn denied(&self, id: Uuid, from: IpAddr) {
        let entry = Entry::new(Actor::nobody(from), "authentication.fail", AuditResult::Refused);
        self.trail.denied(entry.about("instance", Some(&id.to_string())).with("at", "gateway"));
    }

    /// Has it recorded that the token is used from an address.
    async fn use_of(&self, id: Uuid, admitted: &Admitted, from: IpAddr) -> Result<(), Unavailable> {
        let owner = self.supervision.registry().get(id).map(|snapshot| snapshot.owner);
        let entry = Entry::new(Actor::instance_token(owner, from), "instance.use", AuditResult::Done)
            .about("instance", Some(&id.to_string()))
            .with("token", self.trail.mark(&admitted.token));
        self.trail.record(entry).await.map(drop)
    }

    /// The session that the request belongs to, if its token may use it.
    fn session(&self, id: Uuid, headers: &HeaderMap, admitted: &Admitted) -> Result<Option<String>, Problem> {
        let session = sole(headers, SESSION).ok_or_else(|| {
            Problem::new(Code::InvalidHeader, "send one Mcp-Session-Id of printable characters")
        })?;
        match session {
            Some(session) if !self.sessions.claim(id, session, &admitted.token) => Err(no_session()),
            session => Ok(session.map(Into::into)),
        }
    }

    fn enter(
        &self,
        route: &Arc<Route>,
        admitted: &Admitted,
        now: DateTime<Utc>,
    ) -> Result<InFlight, Problem> {
        admitted.rate().take().map_err(|wait| {
            Problem::new(Code::TooManyRequests, "this token sends more requests than it may; slow down")
                .retry_after(wait.as_secs() + 1)
        })?;
        let in_flight = route.enter(now.timestamp_millis());
        if route.in_flight() > self.limits.max_in_flight {
            let detail = format!("{} requests are under way; wait for one", self.limits.max_in_flight);
            return Err(Problem::new(Code::InstanceBusy, detail));
        }
        Ok(in_flight)
    }

    /// A way to the run that serves, or to the next one if nobody listens there any more.
    async fn reach(
        &self,
        id: Uuid,
        route: &Arc<Route>,
        (mut serving, deadline): (Serving, Instant),
        span: &Span,
    ) -> Result<(Way, Run, Call), Problem> {
        loop {
            let (run, at, call) = serving;
            let At::Port(addr, uid) = at else { return Err(broken("the server has another lane now")) };
            match self.upstream.connect(addr, uid).await {
                Ok(way) => return Ok((way, run, call)),
                Err(_) => {
                    serving = lane::serving(&self.supervision, id, route, Some(run), deadline, span).await?;
                }
            }
        }
    }

    /// Sends the request and waits for the head of its answer.
    async fn forward(
        &self,
        way: Way,
        asked: &Asked,
        body: Outbound,
        asking: &Asking<'_>,
        admitted: &Admitted,
    ) -> Result<Response<Answer<Outbound>>, Problem> {
        let calling = asking.calls(At::Port(way.addr(), None));
        let sent = way.send(asked, body, self.limits.idle_timeout).await;
        asking.called(&calling, admitted, sent.as_ref().map(Response::status).map_err(Failure::kind));
        sent.map_err(|failure| match failure {
            Failure::Client(error) if error.is::<TooLarge>() => self.too_large(),
            Failure::Silent => {
                let detail = "the server sent nothing for too long; see `diagnose`";
                Problem::new(Code::UpstreamTimeout, detail)
            }
            Failure::Ended | Failure::Broken(_) | Failure::Unreadable(_) | Failure::Client(_) => {
                broken("the server ended or broke off before it answered")
            }
        })
    }

    fn relay(
        &self,
        id: Uuid,
        route: &Arc<Route>,
        admitted: &Admitted,
        (asks, listens): (&Asks, bool),
        response: Response<Answer<Outbound>>,
        (in_flight, call): (InFlight, Call),
    ) -> Result<Response<Outgoing>, Problem> {
        let (head, body) = response.into_parts();
        if head.status == StatusCode::UNAUTHORIZED {
            // Its challenge would send the client looking for an authorization server on our loopback.
            return Err(broken("the server asks for credentials of its own; look at its credential set"));
        }
        if let Some(Some(session)) = sole(&head.headers, SESSION)
            && !self.sessions.claim(id, session, &admitted.token)
        {
            return Err(broken("the server gave out the session of another token"));
        }
        if !head.status.is_server_error() {
            route.succeeded(Utc::now().timestamp_millis());
        }
        let mut learns = None;
        if head.status.is_success() {
            self.count_tool(id, asks, admitted);
            learns = Listener::of(asks, &head.headers, admitted.tools(), route);
        }
        let streams = head.headers.get(header::CONTENT_TYPE).is_some_and(is_event_stream);
        // A stream may be silent for as long as it likes: clients listen for events that may never come.
        let patience = (!streams).then_some(self.limits.idle_timeout);
        // A listener has nothing to lose when the daemon or its token ends; a call gets the time to finish.
        let listens = streams && listens;
        let over = listens.then(|| self.over(admitted));
        // Nor has it when its run is replaced: that one need not wait for it.
        let call = (!listens).then_some(call);
        let relayed = Relayed::new(body, (in_flight, call), patience, over, learns);
        Ok(Response::from_parts(head, Outgoing::Relayed(relayed)))
    }

    /// Ready when nobody may listen any more who is admitted like this.
    fn over(&self, admitted: &Admitted) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (stop, over) = (self.stop.clone(), admitted.over());
        Box::pin(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = over => {}
            }
        })
    }

    fn too_large(&self) -> Problem {
        Problem::new(Code::BodyTooLarge, format!("send at most {} bytes", self.limits.max_body))
    }
}

/// What a request asks for: as its head says, or as its body turns out to say.
struct Asking<'a> {
    asks: Asks,
    told: Option<Told>,
    /// Which lane it took, if that is another one than to a port.
    lane: OnceLock<LaneKind>,
    traced: &'a Traced,
}

impl Asking<'_> {
    /// Hears the whole body, if its head does not say it all.
    fn hear(&self, body: &[u8]) {
        if let Some(told) = &self.told
            && let Some(asks) = Asks::of_body(body)
        {
            // Nobody else tells.
            let _ = told.set(asks);
        }
    }

    /// As far as is known by now.
    fn settled(&self) -> &Asks {
        self.told.as_ref().and_then(|told| told.get()).unwrap_or(&self.asks)
    }
}

/// The path at the server: its MCP endpoint, what came after ours, and the query as it was.
fn server_path(mcp_path: &str, rest: &str, query: Option<&str>) -> PathAndQuery {
    let path = match query {
        Some(query) => format!("{mcp_path}{rest}?{query}"),
        None => format!("{mcp_path}{rest}"),
    };
    // The type's path is checked when the type is stored and the rest has been a path before.
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(path))
        .unwrap_or_else(|_| PathAndQuery::from_static("/mcp"))
}

fn is_event_stream(value: &HeaderValue) -> bool {
    value.as_bytes().get(..17).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}

fn unauthorized() -> Problem {
    Problem::new(
        Code::Unauthorized,
        "send the instance's access token as `Authorization: Bearer mmcp_inst_...`",
    )
}

fn no_session() -> Problem {
    Problem::new(Code::SessionNotFound, "there is no such session; initialize a new one")
}

fn not_here() -> Problem {
    Problem::new(Code::InstanceNotServing, "the instance is being deleted")
}

fn broken(what: &str) -> Problem {
    Problem::new(Code::BadUpstream, format!("{what}; see `diagnose`"))
}
