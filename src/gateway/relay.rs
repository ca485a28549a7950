//! Bodies on their way through: as they come, piece by piece, with nothing held back.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use minimcp_actors::routes::{Call, InFlight};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::http::BodyError;

/// A client's body that can be sent again as long as nothing of it was read.
///
/// A connection may turn out to lead nowhere because the server behind it has just died. Until the first
/// byte was asked for, the next run can have the request instead.
#[derive(Debug)]
pub(super) struct Parcel {
    slot: Arc<Mutex<Option<Incoming>>>,
    oversize: Arc<AtomicBool>,
    max: u64,
}

impl Parcel {
    /// A body of at most `max` bytes.
    pub(super) fn new(body: Incoming, max: usize) -> Self {
        let slot = Arc::new(Mutex::new(Some(body)));
        Self { slot, oversize: Arc::default(), max: max as u64 }
    }

    /// The body for one attempt, or `None` if an earlier one has read of it.
    pub(super) fn attempt(&self) -> Option<Outbound> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = slot.as_ref()?;
        Some(Outbound {
            slot: Arc::clone(&self.slot),
            oversize: Arc::clone(&self.oversize),
            left: self.max,
            begun: None,
            ended: waiting.is_end_stream(),
            size: waiting.size_hint(),
        })
    }

    /// Whether the body turned out to be larger than it may be.
    pub(super) fn is_oversize(&self) -> bool {
        self.oversize.load(Ordering::Relaxed)
    }
}

/// One attempt at sending a [`Parcel`].
#[derive(Debug)]
pub(super) struct Outbound {
    slot: Arc<Mutex<Option<Incoming>>>,
    oversize: Arc<AtomicBool>,
    left: u64,
    begun: Option<Incoming>,
    ended: bool,
    size: SizeHint,
}

impl Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.begun.is_none() {
            let taken = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.begun = taken;
        }
        let Some(body) = &mut self.begun else {
            return Poll::Ready(Some(Err("the body was sent with an earlier attempt".into())));
        };
        let poll = Pin::new(body).poll_frame(cx).map_err(Into::into);
        if let Poll::Ready(Some(Ok(frame))) = &poll
            && let Some(data) = frame.data_ref()
        {
            let length = data.len() as u64;
            if length > self.left {
                self.oversize.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err("the body is larger than it may be".into())));
            }
            self.left -= length;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.begun.as_ref().map_or(self.ended, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.begun.as_ref().map_or_else(|| self.size, Body::size_hint)
    }
}

/// A server's body on its way to a client. Dropping it closes the connection to the server, which is how MCP
/// cancels a request.
#[derive(Debug)]
pub struct Relayed {
    body: Incoming,
    silence: Option<Silence>,
    /// Ends the stream when the daemon ends.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Counts the request as long as its answer is under way.
    _under_way: (InFlight, Option<Call>),
}

#[derive(Debug)]
struct Silence {
    patience: Duration,
    over: Pin<Box<Sleep>>,
}

impl Relayed {
    /// A body whose server may be silent for `patience`, or for ever.
    pub(super) fn new(
        body: Incoming,
        under_way: (InFlight, Option<Call>),
        patience: Option<Duration>,
        stop: Option<WaitForCancellationFutureOwned>,
    ) -> Self {
        let silence =
            patience.map(|patience| Silence { patience, over: Box::pin(tokio::time::sleep(patience)) });
        Self { body, silence, stop: stop.map(Box::pin), _under_way: under_way }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into);
        if poll.is_ready() {
            if let Some(silence) = &mut self.silence {
                silence.over.as_mut().reset(Instant::now() + silence.patience);
            }
            return poll;
        }
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
        }
        if self.silence.as_mut().is_some_and(|silence| silence.over.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err("the server was silent for too long".into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
