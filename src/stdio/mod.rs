//! The stdio lane: any server that speaks over its standard streams, as a full server of Streamable HTTP.
//!
//! The supervisor tells of the runs that come and go ([`board`]); the [`gateway`](crate::gateway) has let a request
//! in, counted it and bound its session to its token before it comes here. [`edge`] holds it against the rules of
//! its era, [`modern`] and [`legacy`] send it to a child and [`reply`] makes an answer of what comes back.
//!
//! A [`child`] has one task that writes and one that reads. Its [`switch`] knows who waits for what; messages pass
//! as they are, but for ids that are spliced ([`splice`]). Whatever a client does, the reader never waits for it
//! ([`outbox`]), so one slow client is nobody else's business, and no output of a child is ever left unread.

mod board;
mod child;
mod counts;
mod edge;
mod era;
mod frame;
mod greeting;
mod legacy;
mod modern;
mod note;
mod outbox;
mod parts;
mod reply;
mod rpc;
mod sessions;
mod splice;
mod sse;
mod switch;
mod tools;
mod wiring;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Response};
use minimcp_actors::Supervision;
use minimcp_actors::launch::pipes::Wiring;
use minimcp_actors::routes::{Call, InFlight, Route};
use minimcp_actors::state::Run;
use prometheus_client::registry::Registry;
use slog::Logger;
use uuid::Uuid;

use crate::config::GatewayLimits;
use crate::http::Outgoing;
use crate::problem::{Code, Problem};
use crate::store::Store;
use board::Board;
use child::NotSent;
use edge::Manner;
use era::{EraBook, Greeted};
pub(crate) use note::Note;
use rpc::Refusal;

/// Longest body of a request, in bytes: common servers close their input when more than 10 MB wait in it.
pub(crate) const MAX_BODY: usize = 9 * 1024 * 1024;

/// Bounds of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Sessions per instance.
    pub sessions: u32,
    /// Sessions that nobody has used for this long are ended.
    pub session_idle: Duration,
}

impl Bounds {
    /// The bounds that the settings give.
    #[must_use]
    pub fn of(limits: &GatewayLimits) -> Self {
        Self { sessions: limits.max_sessions, session_idle: limits.session_idle }
    }
}

/// The lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stdio(Arc<Board>);

/// Ready when a stream that only listens has to end.
pub(crate) struct Over(pub(crate) Pin<Box<dyn Future<Output = ()> + Send>>);

impl fmt::Debug for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Over")
    }
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    /// The instance.
    pub(crate) id: Uuid,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// The session that its token may use.
    pub(crate) session: Option<&'a str>,
    pub(crate) route: &'a Arc<Route>,
    /// For how long the server may say nothing.
    pub(crate) patience: Duration,
    /// For how long a process may be on its way.
    pub(crate) wait: Duration,
    /// What ends a stream that only listens.
    pub(crate) over: Option<Over>,
    pub(crate) now_ms: i64,
    /// Both are kept for as long as the answer is under way.
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) call: Option<Call>,
    /// Whether the server has said something about it, which shows that it is well.
    pub(crate) heard: bool,
}

/// Why there is no answer of a server.
#[derive(Debug)]
pub(crate) enum NotAnswered {
    /// Its run is over and has heard nothing of the request.
    Gone,
    /// The protocol refuses it.
    Refused(Refusal),
    /// We do.
    Problem(Problem),
}

type Answered = Result<Response<Outgoing>, NotAnswered>;

impl From<Refusal> for NotAnswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Problem> for NotAnswered {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<NotSent> for NotAnswered {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::Gone => Self::Gone,
            NotSent::Busy => {
                let detail = "the server does not read what it was sent before; see `diagnose`";
                Self::Problem(Problem::new(Code::InstanceBusy, detail))
            }
            NotSent::Late => {
                let detail = "the server did not answer in time; see `diagnose`";
                Self::Problem(Problem::new(Code::UpstreamTimeout, detail))
            }
        }
    }
}

impl Stdio {
    /// A lane whose tasks run on the runtime of the caller. What is found out about types is kept in the store.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(bounds: Bounds, store: Store, log: Logger) -> Self {
        let book = EraBook::new(store, log.clone());
        Self(Board::new(tokio::runtime::Handle::current(), bounds, book, log))
    }

    /// What a launcher connects runs with.
    #[must_use]
    pub fn wiring(&self) -> Arc<dyn Wiring> {
        Arc::new(self.clone())
    }

    /// Tells who supervises the processes of sessions. Until then there are none.
    pub fn supervised_by(&self, supervision: Supervision) {
        self.0.supervised_by(supervision);
    }

    /// Registers what the lane counts.
    pub fn register(&self, registry: &mut Registry) {
        self.0.counts.register(registry);
    }

    /// Answers a request for the server of a run.
    pub(crate) async fn answer(&self, run: Run, exchange: &mut Exchange<'_>) -> Answered {
        let board = &self.0;
        let served = board.served(exchange.id, run).ok_or(NotAnswered::Gone)?;
        let Some(greeted) = served.greeted() else {
            let detail = "the server is still on its way; try again";
            return Err(Problem::new(Code::InstanceNotReady, detail).retry_after(5).into());
        };
        let only_modern =
            matches!(greeted, Greeted::Modern { .. }) && board.book.speaks_both(&served.note) == Some(false);
        match *exchange.method {
            Method::POST => {}
            Method::GET | Method::DELETE if only_modern => return modern::not_allowed(exchange.method),
            Method::GET if exchange.session.is_none() && is_modern(&greeted) => {
                return modern::not_allowed(exchange.method);
            }
            Method::GET => return legacy::listen(board, exchange),
            Method::DELETE if exchange.session.is_none() && is_modern(&greeted) => {
                return modern::not_allowed(exchange.method);
            }
            Method::DELETE => return legacy::close(board, exchange),
            _ => return modern::not_allowed(exchange.method),
        }
        let message = edge::read(exchange.headers, exchange.body)?;
        let to = |refusal: Refusal| NotAnswered::from(refusal.to(message.id()));
        match (edge::manner(exchange.headers, &message).map_err(to)?, &greeted) {
            (Manner::Modern, Greeted::Modern { versions }) => {
                modern::answer(&served, exchange, &message, versions).await
            }
            (Manner::Modern, Greeted::Legacy { .. }) => {
                // None of the codes of the newer era: a client of both takes those for a server of that era.
                let words =
                    "the server speaks versions of the protocol up to 2025-11-25 only; send `initialize`";
                Err(to(Refusal::bad(rpc::INVALID_REQUEST, words)))
            }
            (Manner::Legacy, Greeted::Modern { versions }) if only_modern => {
                let requested = message.param(&["protocolVersion"]).unwrap_or_default();
                Err(to(match message.outline.method.as_str() {
                    "initialize" => Refusal::version(versions, &requested),
                    _ => Refusal::bad(rpc::HEADER_MISMATCH, "send MCP-Protocol-Version"),
                }))
            }
            (Manner::Legacy, _) => legacy::answer(board, &served, exchange, &message).await,
        }
    }
}

fn is_modern(greeted: &Greeted) -> bool {
    matches!(greeted, Greeted::Modern { .. })
}
