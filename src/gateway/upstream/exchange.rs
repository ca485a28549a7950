//! One request and its answer on one connection, in the task of whoever waits for it: nothing is handed from
//! task to task, and dropping it closes the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Method;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::Failure;
use super::connection::Connection;
use super::framing::{Framing, Step};
use super::head::{self, Answered, Sent};
use super::pool::Pool;
use crate::http::BodyError;

/// Pieces of a body up to this size are copied behind what is to be written before them: one plain write is
/// cheaper than two slices.
const GATHERED: usize = 8 * 1_024;

/// A request that is being sent.
#[derive(Debug)]
struct Sending<B> {
    /// What of the body was not asked for yet.
    body: Option<B>,
    chunked: bool,
    /// A piece of the body that is to be written after what the connection has to write.
    piece: Bytes,
    /// Whether the body was given the chance to be there before the head is sent without it.
    waited: bool,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange<B> {
    connection: Connection,
    /// `None` once all is sent, or nothing more can be.
    sending: Option<Sending<B>>,
    /// Whether the server got all of it.
    sent: bool,
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// A request whose head the connection has to write already.
    pub(super) fn new(connection: Connection, body: B, sent: Sent) -> Self {
        let body = (sent != Sent::Nothing && sent != Sent::Length(0)).then_some(body);
        let sending = Sending { body, chunked: sent == Sent::Chunked, piece: Bytes::new(), waited: false };
        Self { connection, sending: Some(sending), sent: false }
    }

    /// The head of the answer.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
    ) -> Poll<Result<Answered, Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_send(cx) {
            return Poll::Ready(Err(failure));
        }
        loop {
            if !self.connection.read.is_empty()
                && let Some(answered) = head::read(&mut self.connection.read, method)?
            {
                return Poll::Ready(Ok(answered));
            }
            match self.connection.poll_read(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Err(Failure::Ended)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::Broken(error))),
                Poll::Pending if self.connection.poll_over(cx).is_ready() => {
                    return Poll::Ready(Err(Failure::Silent));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends what there is. Only a client that breaks off is a failure: a server that takes no more may have
    /// said already why.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let done = loop {
            if let Poll::Ready(Err(failure)) = sending.gather(cx, &mut self.connection.write) {
                return Poll::Ready(Err(failure));
            }
            if self.connection.write.is_empty() && sending.piece.is_empty() {
                if sending.body.is_some() {
                    return Poll::Pending;
                }
                break true;
            }
            if sending.hesitates(cx) {
                return Poll::Pending;
            }
            match ready!(self.connection.poll_write(cx, &sending.piece)) {
                Ok(written) => sending.piece.advance(written),
                Err(_) => break false,
            }
        };
        self.sent = done;
        self.sending = None;
        Poll::Ready(Ok(()))
    }
}

impl<B> Sending<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    /// Asks for the body, as long as it is there and fits into one write with what is before it.
    fn gather(&mut self, cx: &mut Context<'_>, write: &mut Vec<u8>) -> Poll<Result<(), Failure>> {
        while self.piece.is_empty() && write.len() < GATHERED {
            let Some(body) = &mut self.body else { break };
            let data = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(Failure::Client(error))),
                None => {
                    if self.chunked {
                        write.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.body = None;
                    break;
                }
            };
            let ended = body.is_end_stream();
            if self.chunked && !data.is_empty() {
                // A chunk is written with its length before it and its end behind, so it is always copied.
                write.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                write.extend_from_slice(&data);
                write.extend_from_slice(b"\r\n");
            } else if data.len() <= GATHERED {
                write.extend_from_slice(&data);
            } else {
                self.piece = data;
            }
            if ended {
                if self.chunked {
                    write.extend_from_slice(b"0\r\n\r\n");
                }
                self.body = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the head waits for the body, once and for no time: a small body is most often there, and both go
    /// in one write then.
    fn hesitates(&mut self, cx: &mut Context<'_>) -> bool {
        if self.waited || self.body.is_none() {
            return false;
        }
        self.waited = true;
        cx.waker().wake_by_ref();
        true
    }
}

/// A server's body on its way to a client. Once it is whole, its connection waits for the next request.
#[derive(Debug)]
pub(in crate::gateway) struct Answer<B> {
    exchange: Option<Exchange<B>>,
    framing: Framing,
    /// A body that came with its head.
    whole: Bytes,
    keeps: Option<(Arc<Pool>, std::net::SocketAddr)>,
    /// How long the server may be silent, if there is a bound.
    patience: Option<Duration>,
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    pub(super) fn new(
        exchange: Exchange<B>,
        framing: Framing,
        keeps: Option<(Arc<Pool>, std::net::SocketAddr)>,
    ) -> Self {
        let mut answer =
            Self { exchange: Some(exchange), framing, whole: Bytes::new(), keeps, patience: None };
        answer.settle();
        answer
    }

    /// How long the server may be silent from now on, for ever with `None`.
    pub(in crate::gateway) fn be_patient(&mut self, patience: Option<Duration>) {
        self.patience = patience;
        self.more_time();
    }

    fn more_time(&mut self) {
        if let (Some(patience), Some(exchange)) = (self.patience, &mut self.exchange) {
            exchange.connection.wait_until(Instant::now() + patience);
        }
    }

    /// Takes a body that is there already at once, so that its connection is free before it is sent on.
    fn settle(&mut self) {
        let Some(exchange) = &mut self.exchange else { return };
        if let Framing::Length(length) = self.framing
            && length == exchange.connection.read.len() as u64
        {
            // A framing by length has nothing that could be malformed.
            if let Ok(Step::Data(data)) = self.framing.next(&mut exchange.connection.read) {
                self.whole = data;
            }
            self.finish();
        }
    }

    /// Keeps the connection if it can be used again, and closes it if not.
    fn finish(&mut self) {
        if let (Some(exchange), Some((pool, addr))) = (self.exchange.take(), self.keeps.take())
            && exchange.sent
            && exchange.connection.read.is_empty()
        {
            pool.keep(addr, exchange.connection);
        }
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if !this.whole.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.whole)))));
        }
        loop {
            let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
            // A server may answer before it has read everything, and wait for the rest before it goes on.
            if let Poll::Ready(Err(failure)) = exchange.poll_send(cx) {
                this.exchange = None;
                return Poll::Ready(Some(Err(failure.into())));
            }
            match this.framing.next(&mut exchange.connection.read) {
                Ok(Step::Data(data)) => {
                    this.more_time();
                    if this.framing.is_done() {
                        this.finish();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Step::End) => {
                    this.finish();
                    return Poll::Ready(None);
                }
                Ok(Step::More) => {}
                Err(malformed) => {
                    this.exchange = None;
                    return Poll::Ready(Some(Err(malformed.into())));
                }
            }
            match exchange.connection.poll_read(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) if this.framing == Framing::Close => {
                    this.exchange = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(false)) => {
                    this.exchange = None;
                    return Poll::Ready(Some(Err(Failure::Ended.into())));
                }
                Poll::Ready(Err(error)) => {
                    this.exchange = None;
                    return Poll::Ready(Some(Err(Failure::Broken(error).into())));
                }
                Poll::Pending if this.patience.is_some() && exchange.connection.poll_over(cx).is_ready() => {
                    this.exchange = None;
                    return Poll::Ready(Some(Err(Failure::Silent.into())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_empty() && self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left + self.whole.len() as u64),
            Framing::Chunked(_) | Framing::Close => SizeHint::default(),
        }
    }
}
