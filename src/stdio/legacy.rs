//! The older era (2025-11-25 and before): clients have sessions. Each session has a process of its own, which is
//! exact, or many share one that we have initialized, which costs less.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode};
use tokio::time::Instant;

use super::board::{Board, Reserved, Seat, Served};
use super::child::Child;
use super::edge::Message;
use super::era::{self, Greeted, NotGreeted};
use super::outbox::{Next, Weight};
use super::parts::Ending;
use super::rpc::{self, Refusal};
use super::sessions::{self, SessionId};
use super::splice::{self, Kind};
use super::sse::{Events, Source};
use super::{Answered, Exchange, NotAnswered, reply};
use crate::catalog::Sessions;
use crate::problem::{Code, Problem};

/// The header that names a session.
pub(super) const SESSION: &str = "mcp-session-id";

/// Answers a POST of the older era.
pub(super) async fn answer(
    board: &Arc<Board>,
    served: &Arc<Served>,
    exchange: &mut Exchange<'_>,
    message: &Message,
) -> Answered {
    let is_initialize = message.outline.kind == Kind::Request && message.outline.method == "initialize";
    let refused =
        |words: &str| Err(NotAnswered::from(Refusal::bad(rpc::INVALID_REQUEST, words).to(message.id())));
    match exchange.session {
        None if is_initialize => open(board, served, exchange, message).await,
        None => refused("send `initialize` first, and then the Mcp-Session-Id that its answer gives"),
        Some(_) if is_initialize => {
            refused("the session is initialized; leave Mcp-Session-Id out for another")
        }
        Some(session) => {
            let (id, seat) = board.session(exchange.id, session).ok_or_else(no_session)?;
            let _used = board.used(&seat, exchange.now_ms);
            match within(exchange, &id, &seat, message).await {
                // Its process is over, and so is the session.
                Err(NotAnswered::Gone) => Err(no_session().into()),
                answered => answered,
            }
        }
    }
}

/// Begins a session.
async fn open(
    board: &Arc<Board>,
    served: &Arc<Served>,
    exchange: &mut Exchange<'_>,
    message: &Message,
) -> Answered {
    let modern = match served.greeted() {
        Some(Greeted::Modern { versions }) => Some(versions),
        _ => None,
    };
    let only_modern = |versions: &[String]| {
        let requested = message.param(&["protocolVersion"]).unwrap_or_default();
        NotAnswered::from(Refusal::version(versions, &requested).to(message.id()))
    };
    if let (Some(versions), Some(false)) = (&modern, board.book.speaks_both(&served.note)) {
        return Err(only_modern(versions));
    }
    let reserved = board.reserve(served).ok_or_else(|| {
        let detail = format!(
            "the instance has {} sessions, which is all it may; end one with DELETE, or let one expire",
            board.bounds.sessions
        );
        Problem::new(Code::InstanceBusy, detail).retry_after(60)
    })?;
    let id = sessions::new_id().map_err(|error| Problem::internal(&error))?;
    let welcome = match served.note.sessions {
        Sessions::PerSession => own(board, served, reserved, exchange, message, &id, modern.is_some()).await,
        Sessions::Shared => share(board, served, reserved, exchange, message, &id).await,
    };
    match (welcome, modern) {
        (Err(NoSession::OnlyModern), Some(versions)) => {
            board.book.note_both(&served.note, false);
            Err(only_modern(&versions))
        }
        (Err(NoSession::OnlyModern), None) => {
            let detail = "the server refuses to be initialized; see `logs`";
            Err(Problem::new(Code::BadUpstream, detail).into())
        }
        (Err(NoSession::Other(not_answered)), _) => Err(not_answered),
        (Ok(response), modern) => {
            if modern.is_some() {
                board.book.note_both(&served.note, true);
            }
            Ok(response)
        }
    }
}

/// Why there is no session.
enum NoSession {
    /// The server speaks the newer era only.
    OnlyModern,
    Other(NotAnswered),
}

impl<E: Into<NotAnswered>> From<E> for NoSession {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Starts a process for the session, which hears the client's own `initialize`.
async fn own(
    board: &Arc<Board>,
    served: &Arc<Served>,
    reserved: Reserved,
    exchange: &mut Exchange<'_>,
    message: &Message,
    session: &SessionId,
    is_modern: bool,
) -> Result<Response<crate::http::Outgoing>, NoSession> {
    let started = board.start_part(served, exchange.wait).await;
    let (part, child) = started.map_err(|why| Problem::new(Code::BadUpstream, why.to_string()))?;
    let part = Ending::unless_kept(board, part);
    child.belong_to(Arc::clone(session));
    let underway = child.call(&message.text, &message.outline, Some(Arc::clone(session)), None, false)?;
    let answer = answer_to(exchange, &underway, &child, session, message).await?;
    if let Some(code) = std::str::from_utf8(&answer).ok().and_then(era::error_code) {
        // Whatever it says: a server of the newer era that will not be initialized does not speak the older one.
        if is_modern {
            return Err(NoSession::OnlyModern);
        }
        let status =
            if code == i64::from(rpc::INTERNAL_ERROR) { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        return Ok(rpc::answer(status, answer));
    }
    child.set_initialized();
    board.seat(reserved, Arc::clone(session), child, part.keep());
    Ok(with_session(rpc::answer(StatusCode::OK, answer), session))
}

/// The answer to a request, when nothing that comes before it may be told yet: it is told in the session.
async fn answer_to(
    exchange: &mut Exchange<'_>,
    underway: &super::child::Underway,
    child: &Child,
    session: &SessionId,
    message: &Message,
) -> Result<bytes::Bytes, NotAnswered> {
    let answer = async {
        loop {
            match underway.outbox.next().await {
                Next::Message(Weight::Last, answer) => return Some(answer),
                Next::Message(_, early) => {
                    if let (Ok(early), Some(own)) =
                        (std::str::from_utf8(&early), child.switch().session(session))
                    {
                        own.tell(early);
                    }
                }
                Next::End(_) => return None,
            }
        }
    };
    match tokio::time::timeout(exchange.wait, answer).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => {
            let words = "the server ended when it was initialized; see `logs`";
            let lost = Refusal::new(StatusCode::BAD_GATEWAY, rpc::INTERNAL_ERROR, words);
            Err(lost.to(message.id()).into())
        }
        Err(_) => {
            let words = "the server does not answer `initialize`; see `diagnose`";
            let late = Refusal::new(StatusCode::GATEWAY_TIMEOUT, rpc::INTERNAL_ERROR, words);
            Err(late.to(message.id()).into())
        }
    }
}

/// Gives the session a place at the child that all share, which was initialized once and for all.
async fn share(
    board: &Arc<Board>,
    served: &Arc<Served>,
    reserved: Reserved,
    exchange: &mut Exchange<'_>,
    message: &Message,
    session: &SessionId,
) -> Result<Response<crate::http::Outgoing>, NoSession> {
    let (child, welcome) = shared_child(board, served, exchange.wait).await?;
    if !child.add_session(Arc::clone(session)) {
        return Err(super::child::NotSent::Gone.into());
    }
    let id = message.id().unwrap_or("null");
    let outline = splice::Outline::of(&welcome).map_err(|_| no_session())?;
    let edits = outline.ids.iter().map(|span| (span.clone(), id.to_owned())).collect();
    let answer = splice::replaced(&welcome, edits);
    board.seat(reserved, Arc::clone(session), child, None);
    Ok(with_session(rpc::answer(StatusCode::OK, answer.into()), session))
}

/// The child that all sessions share: the first one of the run, or another if that one speaks the newer era.
async fn shared_child(
    board: &Arc<Board>,
    served: &Arc<Served>,
    patience: std::time::Duration,
) -> Result<(Arc<Child>, Arc<str>), NoSession> {
    if let Some(Greeted::Legacy { welcome }) = served.greeted() {
        return Ok((Arc::clone(&served.child), welcome));
    }
    // Whoever needs it meanwhile waits for the same one.
    let mut shared = served.shared.lock().await;
    if let Some((child, welcome)) = shared.as_ref().filter(|(child, _)| !child.switch().lost) {
        return Ok((Arc::clone(child), Arc::clone(welcome)));
    }
    let started = board.start_part(served, patience).await;
    let (part, child) = started.map_err(|why| Problem::new(Code::BadUpstream, why.to_string()))?;
    let part = Ending::unless_kept(board, part);
    let welcome = era::initialize(&child, patience).await.map_err(|why| match why {
        NotGreeted::OtherEra | NotGreeted::Refused => NoSession::OnlyModern,
        NotGreeted::NotSent(not_sent) => not_sent.into(),
    })?;
    child.share_sessions();
    child.set_initialized();
    // It ends with the run.
    part.keep();
    *shared = Some((Arc::clone(&child), Arc::clone(&welcome)));
    Ok((child, welcome))
}

/// A message of a session.
async fn within(
    exchange: &mut Exchange<'_>,
    session: &SessionId,
    seat: &Seat,
    message: &Message,
) -> Answered {
    if let Some(own) = seat.child.switch().session(session) {
        own.used(Instant::now());
    }
    let is_shared = seat.part.is_none();
    let method = message.outline.method.as_str();
    match message.outline.kind {
        Kind::Request if is_shared => in_common(exchange, session, seat, message).await,
        Kind::Request => forward(exchange, session, seat, message).await,
        Kind::Notification if method == "notifications/cancelled" => {
            if let Some(line) = cancellation(session, &seat.child, message) {
                seat.child.tell(line)?;
            }
            Ok(rpc::empty(StatusCode::ACCEPTED))
        }
        // What one of many says about itself is none of the others' business.
        Kind::Notification | Kind::Response if is_shared => Ok(rpc::empty(StatusCode::ACCEPTED)),
        Kind::Notification | Kind::Response => {
            seat.child.tell(message.text.clone())?;
            Ok(rpc::empty(StatusCode::ACCEPTED))
        }
    }
}

async fn forward(
    exchange: &mut Exchange<'_>,
    session: &SessionId,
    seat: &Seat,
    message: &Message,
) -> Answered {
    let own = Some(Arc::clone(session));
    let underway = seat.child.call(&message.text, &message.outline, own, None, false)?;
    reply::first(exchange, underway, message.id(), false, |_| StatusCode::OK).await
}

/// The cancellation as the child knows the request; `None` if it has no such request.
fn cancellation(session: &SessionId, child: &Child, message: &Message) -> Option<String> {
    let params = message.outline.params.as_ref()?;
    let span = splice::member(&message.text, params, "requestId")?;
    let id = child.switch().call_of(session, &message.text[span.clone()])?;
    Some(splice::replaced(&message.text, vec![(span, id.to_string())]))
}

/// A request of one of many sessions at one child.
async fn in_common(
    exchange: &mut Exchange<'_>,
    session: &SessionId,
    seat: &Seat,
    message: &Message,
) -> Answered {
    let here = || rpc::answer(StatusCode::OK, rpc::result(message.id().unwrap_or("null"), "{}").into());
    let uri = || message.param(&["uri"]);
    let child = &seat.child;
    match message.outline.method.as_str() {
        // The log of a child that many share is nobody's, so its level is nobody's either.
        "ping" | "logging/setLevel" => Ok(here()),
        "resources/subscribe" => {
            let Some(uri) = uri() else { return forward(exchange, session, seat, message).await };
            let first = {
                let known = child.is_subscribed(&uri);
                child.switch().session(session).is_some_and(|own| own.subscribe(&uri)) && !known
            };
            if !first {
                return Ok(here());
            }
            let answered = forward(exchange, session, seat, message).await;
            if !answered.as_ref().is_ok_and(|response| response.status().is_success()) {
                child.switch().session(session).map(|own| own.unsubscribe(&uri));
            }
            answered
        }
        "resources/unsubscribe" => {
            let Some(uri) = uri() else { return forward(exchange, session, seat, message).await };
            let had = child.switch().session(session).is_some_and(|own| own.unsubscribe(&uri));
            if had && !child.is_subscribed(&uri) {
                forward(exchange, session, seat, message).await
            } else {
                Ok(here())
            }
        }
        _ => forward(exchange, session, seat, message).await,
    }
}

/// Answers a GET: the stream on which a session hears what belongs to no request.
pub(super) fn listen(board: &Arc<Board>, exchange: &mut Exchange<'_>) -> Answered {
    if !super::edge::accepts(exchange.headers, "text/event-stream") {
        let words = "send `Accept: text/event-stream`";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, rpc::INVALID_REQUEST, words).into());
    }
    let (id, seat) = seat_of(board, exchange)?;
    let opened = seat.child.switch().session(&id).ok_or_else(no_session)?.listen(Instant::now());
    let outbox = opened.ok_or_else(|| {
        let words = "the session listens already; close its other stream";
        Refusal::new(StatusCode::CONFLICT, rpc::INVALID_REQUEST, words)
    })?;
    let source = Source::Session(seat.child, id, outbox);
    let in_flight = exchange.in_flight.take();
    let over = exchange.over.take();
    Ok(reply::stream(Events::new(source, None, None, None, over, (in_flight, None))))
}

/// Answers a DELETE: the end of a session.
pub(super) fn close(board: &Arc<Board>, exchange: &Exchange<'_>) -> Answered {
    let (id, _) = seat_of(board, exchange)?;
    board.end_session(exchange.id, &id);
    Ok(rpc::empty(StatusCode::NO_CONTENT))
}

fn seat_of(board: &Arc<Board>, exchange: &Exchange<'_>) -> Result<(SessionId, Seat), NotAnswered> {
    let session = exchange.session.ok_or_else(|| {
        Refusal::bad(rpc::INVALID_REQUEST, "send the Mcp-Session-Id that `initialize` gave")
    })?;
    board.session(exchange.id, session).ok_or_else(|| no_session().into())
}

fn no_session() -> Problem {
    Problem::new(Code::SessionNotFound, "there is no such session; initialize a new one")
}

fn with_session(
    mut response: Response<crate::http::Outgoing>,
    session: &SessionId,
) -> Response<crate::http::Outgoing> {
    if let Ok(value) = HeaderValue::from_str(session) {
        response.headers_mut().insert(SESSION, value);
    }
    response
}
