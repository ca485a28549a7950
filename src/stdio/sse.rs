//! What a child says as an event stream: one line, one event, with nothing held back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use minimcp_actors::routes::{Call, InFlight};
use tokio::time::{Instant, Sleep};

use super::Over;
use super::child::{Child, Underway};
use super::outbox::{End, Next, Outbox, Weight};
use super::rpc;
use super::sessions::SessionId;
use crate::http::BodyError;

/// Between two signs of life on a stream without events.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a stream belongs to, and what becomes of that when it ends.
#[derive(Debug)]
pub(super) enum Source {
    /// A request, which is not waited for once its client is gone.
    Request(Underway),
    /// A session that listens.
    Session(Arc<Child>, SessionId, Arc<Outbox>),
}

impl Source {
    fn outbox(&self) -> &Outbox {
        match self {
            Self::Request(underway) => &underway.outbox,
            Self::Session(_, _, outbox) => outbox,
        }
    }

    fn give_up(&mut self) {
        if let Self::Request(underway) = self {
            underway.give_up();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Session(child, id, outbox) = self
            && let Some(session) = child.switch().session(id)
        {
            session.stop_listening(outbox, Instant::now());
        }
    }
}

/// How long a server may take over a request.
#[derive(Debug)]
pub(super) struct Patience {
    silence: Duration,
    over: Pin<Box<Sleep>>,
    /// Past it no sign of life helps.
    last: Instant,
}

/// Times the patience for one silence: signs of life prolong a request no further.
const PROLONGED: u32 = 60;

impl Patience {
    pub(super) fn new(silence: Duration) -> Self {
        let now = Instant::now();
        Self { silence, over: Box::pin(tokio::time::sleep(silence)), last: now + silence * PROLONGED }
    }

    fn heard(&mut self) {
        let until = (Instant::now() + self.silence).min(self.last);
        self.over.as_mut().reset(until);
    }

    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.over.as_mut().poll(cx)
    }
}

/// The body of an event stream.
#[derive(Debug)]
pub(super) struct Events {
    source: Source,
    /// What came first, and made this a stream.
    first: Option<Bytes>,
    /// The id of the request, as it was spelled, for the last words about a server that is gone.
    id: Option<String>,
    patience: Option<Patience>,
    keep_alive: Pin<Box<Sleep>>,
    /// Ends the stream.
    over: Option<Over>,
    ended: bool,
    /// Counts the request as long as its answer is under way.
    _under_way: (Option<InFlight>, Option<Call>),
}

impl Events {
    pub(super) fn new(
        source: Source,
        first: Option<Bytes>,
        id: Option<String>,
        patience: Option<Patience>,
        over: Option<Over>,
        under_way: (Option<InFlight>, Option<Call>),
    ) -> Self {
        let keep_alive = Box::pin(tokio::time::sleep(KEEP_ALIVE));
        Self { source, first, id, patience, keep_alive, over, ended: false, _under_way: under_way }
    }

    fn event(&mut self, message: &Bytes) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
        if let Some(patience) = &mut self.patience {
            patience.heard();
        }
        Poll::Ready(Some(Ok(Frame::data(event(message)))))
    }

    /// The last event of a request that gets no answer; a listener's stream just ends.
    fn last_words(&mut self, words: &str) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        match self.id.take() {
            Some(id) => self.event(&rpc::error(Some(&id), rpc::INTERNAL_ERROR, words, None).into()),
            None => Poll::Ready(None),
        }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            return self.event(&first);
        }
        match self.source.outbox().poll_next(cx) {
            Poll::Ready(Next::Message(weight, message)) => {
                self.ended = weight == Weight::Last;
                return self.event(&message);
            }
            Poll::Ready(Next::End(End::Lost)) => return self.last_words(LOST),
            // A client that is too slow to read would not read why.
            Poll::Ready(Next::End(End::Done | End::Slow)) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if self.over.as_mut().is_some_and(|over| over.0.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
        }
        if self.patience.as_mut().is_some_and(|patience| patience.poll_over(cx).is_ready()) {
            self.source.give_up();
            return self.last_words("the server said nothing for too long");
        }
        if self.keep_alive.as_mut().poll(cx).is_ready() {
            self.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
            // Polled again, so that the timer is armed.
            cx.waker().wake_by_ref();
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b": alive\n\n")))));
        }
        Poll::Pending
    }
}

/// Of a request whose server is gone.
pub(super) const LOST: &str = "the server ended before it answered; whether it did anything is not known";

/// One event. A line of a child may hold a carriage return between tokens, which would end a line here.
fn event(message: &Bytes) -> Bytes {
    const BEGINNING: &[u8] = b"event: message\ndata: ";
    let mut event = Vec::with_capacity(BEGINNING.len() + message.len() + 2);
    event.extend_from_slice(BEGINNING);
    event.extend(message.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }));
    event.extend_from_slice(b"\n\n");
    event.into()
}
