//! From the first thing that a child says to an answer: one message, or a stream of them.

use http::{HeaderValue, Response, StatusCode, header};

use super::child::Underway;
use super::outbox::{End, Next, Weight};
use super::rpc::{self, Refusal};
use super::sse::{Events, LOST, Patience, Source};
use super::{Exchange, NotAnswered};
use crate::http::Outgoing;

/// Waits for the first message of a child about a request. If that is the answer, it is the whole answer with
/// the status that `status` gives it; else a stream begins with it. A request that `listens` may wait for ever.
pub(super) async fn first(
    exchange: &mut Exchange<'_>,
    mut underway: Underway,
    id: Option<&str>,
    listens: bool,
    status: fn(&str) -> StatusCode,
) -> Result<Response<Outgoing>, NotAnswered> {
    let mut patience = Patience::new(exchange.patience);
    let next = tokio::select! {
        next = underway.outbox.next() => next,
        () = std::future::poll_fn(|cx| patience.poll_over(cx)) => {
            underway.give_up();
            let words = "the server said nothing for too long; see `diagnose`";
            let late = Refusal::new(StatusCode::GATEWAY_TIMEOUT, rpc::INTERNAL_ERROR, words);
            return Err(late.to(id).into());
        }
    };
    exchange.heard = matches!(next, Next::Message(..));
    match next {
        Next::Message(Weight::Last, message) => {
            let status = std::str::from_utf8(&message).map_or(StatusCode::OK, status);
            Ok(rpc::answer(status, message))
        }
        Next::Message(Weight::Progress | Weight::Other, message) => {
            let patience = (!listens).then_some(patience);
            let over = exchange.over.take().filter(|_| listens);
            // A run that is replaced need not wait for a listener.
            let call = exchange.call.take().filter(|_| !listens);
            let source = Source::Request(underway);
            let id = id.map(str::to_owned);
            let in_flight = exchange.in_flight.take();
            Ok(stream(Events::new(source, Some(message), id, patience, over, (in_flight, call))))
        }
        Next::End(End::Lost) => {
            Err(Refusal::new(StatusCode::BAD_GATEWAY, rpc::INTERNAL_ERROR, LOST).to(id).into())
        }
        // The server took a subscription back before it had begun.
        Next::End(End::Done | End::Slow) => {
            let words = "the server cancelled the request";
            Err(Refusal::new(StatusCode::OK, rpc::INTERNAL_ERROR, words).to(id).into())
        }
    }
}

/// An event stream.
pub(super) fn stream(events: Events) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::boxed(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect answers would hold back what is told on the way.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
