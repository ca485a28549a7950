//! Bodies on their way through: as they come, piece by piece, with nothing held back.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use minimcp_actors::routes::{Call, InFlight};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::upstream::Answer;
use crate::http::BodyError;

/// More was sent than may be.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body is larger than it may be")]
pub(super) struct TooLarge;

/// A client's body on its way to a server, with a bound on its size.
#[derive(Debug)]
pub(super) struct Outbound {
    body: Incoming,
    left: u64,
}

impl Outbound {
    /// A body of at most `max` bytes.
    pub(super) fn new(body: Incoming, max: usize) -> Self {
        Self { body, left: max as u64 }
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
#[derive(Debug)]
pub struct Relayed {
    answer: Answer<Outbound>,
    /// Any of these ends the stream.
    stops: Vec<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Counts the request as long as its answer is under way.
    _under_way: (InFlight, Option<Call>),
}

impl Relayed {
    /// A body whose server may be silent for `patience`, or for ever.
    pub(super) fn new(
        mut answer: Answer<Outbound>,
        under_way: (InFlight, Option<Call>),
        patience: Option<Duration>,
        stops: Vec<CancellationToken>,
    ) -> Self {
        answer.be_patient(patience);
        let stops = stops.into_iter().map(|stop| Box::pin(stop.cancelled_owned())).collect();
        Self { answer, stops, _under_way: under_way }
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
        if poll.is_pending() && self.stops.iter_mut().any(|stop| stop.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
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
