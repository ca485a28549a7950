//! Bodies on their way through: as they come, piece by piece, with nothing held back.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use minimcp_actors::routes::{Call, InFlight};

use super::answers::Listener;
use super::methods::{Asks, PEEKED, Peeked};
use super::upstream::Answer;
use crate::http::BodyError;

/// More was sent than may be.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body is larger than it may be")]
pub(super) struct TooLarge;

/// What a body turns out to ask for, once it has gone by.
pub(super) type Told = Arc<OnceLock<Asks>>;

/// A client's body on its way to a server, with a bound on its size.
#[derive(Debug)]
pub(super) struct Outbound {
    body: Incoming,
    left: u64,
    /// What went by so far, and who is told what it asks for.
    peeked: Option<(Peeked, Told)>,
}

impl Outbound {
    /// A body of at most `max` bytes. What it asks for is `told` if somebody wants to know.
    pub(super) fn new(body: Incoming, max: usize, told: Option<Told>) -> Self {
        let peeked = told.map(|told| (Peeked::default(), told));
        Self { body, left: max as u64, peeked }
    }

    fn peek(&mut self, data: &Bytes) {
        if let Some((peeked, _)) = &mut self.peeked
            && !peeked.note(data, PEEKED)
        {
            self.peeked = None;
        }
        if self.body.is_end_stream() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if let Some((peeked, told)) = self.peeked.take()
            && let Some(asks) = Asks::of_body(&peeked.whole())
        {
            // Nobody else tells.
            let _ = told.set(asks);
        }
    }
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Some(Err(TooLarge.into())));
            };
            self.left = left;
            self.peek(data);
        }
        if let Poll::Ready(None) = &poll {
            self.tell();
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A server's body on its way to a client. Dropping it closes the connection to the server, which is how MCP
/// cancels a request.
pub struct Relayed {
    answer: Answer<Outbound>,
    /// Ends the stream, if something does but its server and its client.
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    listener: Option<Box<Listener>>,
    /// Counts the request as long as its answer is under way.
    _under_way: (InFlight, Option<Call>),
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl Relayed {
    /// A body whose server may be silent for `patience`, or for ever, until something is `over`.
    pub(super) fn new(
        mut answer: Answer<Outbound>,
        under_way: (InFlight, Option<Call>),
        patience: Option<Duration>,
        over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
        listener: Option<Listener>,
    ) -> Self {
        answer.be_patient(patience);
        Self { answer, over, listener: listener.map(Box::new), _under_way: under_way }
    }

    fn hear(&mut self, data: &Bytes) {
        if let Some(listener) = &mut self.listener
            && !listener.hear(data)
        {
            self.listener = None;
        }
        if self.answer.is_end_stream() {
            self.heard();
        }
    }

    fn heard(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.conclude(Utc::now().timestamp_millis());
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = Pin::new(&mut self.answer).poll_frame(cx);
        match &poll {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.hear(data);
                }
            }
            Poll::Ready(Some(Err(_))) => self.listener = None,
            Poll::Ready(None) => self.heard(),
            Poll::Pending => {
                if self.over.as_mut().is_some_and(|over| over.as_mut().poll(cx).is_ready()) {
                    return Poll::Ready(None);
                }
            }
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}
