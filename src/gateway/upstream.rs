//! The client's side of the way to a server: HTTP/1.1 over loopback connections that are kept.
//!
//! The answer is read where it is waited for, in the task of the client's own connection. A general client runs
//! each connection in a task of its own and hands heads and bodies over; for calls this small that costs more
//! than the call.

mod connection;
mod exchange;
mod framing;
mod head;
mod pool;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::Body;
use minimcp_actors::launch::listener;
use tokio::time::Instant;

pub(super) use exchange::Answer;
pub(super) use head::Asked;

use crate::http::BodyError;
use connection::Connection;
use exchange::Exchange;
use head::{Sent, Unreadable};
use pool::Pool;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server ended before the answer did.
    #[error("the server ended before its answer did")]
    Ended,
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Broken(#[source] io::Error),
    /// What the server sent is no answer.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The server sent nothing for too long.
    #[error("the server was silent for too long")]
    Silent,
    /// The client's body broke off or was too large.
    #[error("the body of the request did not arrive whole: {0}")]
    Client(#[source] BodyError),
}

impl Failure {
    /// Its kind, as one word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Broken(_) => "broken",
            Self::Unreadable(_) => "unreadable",
            Self::Silent => "timeout",
            Self::Client(_) => "client",
        }
    }
}

/// The ways to all servers.
#[derive(Debug)]
pub(super) struct Upstream(Arc<Pool>);

/// A way to one server, over which one request can be sent.
#[derive(Debug)]
pub(super) struct Way {
    pool: Arc<Pool>,
    addr: SocketAddr,
    connection: Connection,
}

impl Upstream {
    /// Keeps at most `idle` connections for each server.
    pub(super) fn new(idle: usize) -> Self {
        Self(Pool::new(idle))
    }

    /// A connection to the server at `addr`: one that waits, else a new one. If it is to be of this user, a new one
    /// is only used if nobody else listens there.
    ///
    /// # Errors
    /// What the system says if nobody listens there, or that somebody else does.
    pub(super) async fn connect(&self, addr: SocketAddr, uid: Option<u32>) -> io::Result<Way> {
        let connection = match self.0.take(addr) {
            Some(connection) => connection,
            None => {
                let connection = Connection::open(addr).await?;
                if uid.is_some_and(|uid| !listener::is_of(addr.port(), uid)) {
                    return Err(io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        "another user listens there",
                    ));
                }
                connection
            }
        };
        Ok(Way { pool: Arc::clone(&self.0), addr, connection })
    }
}

impl Way {
    /// Where the server is.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Sends the request and waits at most `patience` for the head of its answer.
    ///
    /// # Errors
    /// [`Failure`] says why there is none.
    pub(super) async fn send<B>(
        mut self,
        asked: &Asked,
        body: B,
        patience: Duration,
    ) -> Result<Response<Answer<B>>, Failure>
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let sent = match body.size_hint().exact() {
            Some(0) if !asked.headers.contains_key(http::header::CONTENT_LENGTH) => Sent::Nothing,
            Some(length) => Sent::Length(length),
            None => Sent::Chunked,
        };
        head::write(&mut self.connection.write, asked, self.addr, sent);
        self.connection.wait_until(Instant::now() + patience);
        let mut exchange = Exchange::new(self.connection, body, sent);
        let answered = poll_fn(|cx| exchange.poll_head(cx, &asked.method)).await?;
        let keeps = answered.keeps.then_some((self.pool, self.addr));
        let mut response = Response::new(Answer::new(exchange, answered.framing, keeps));
        *response.status_mut() = answered.status;
        *response.headers_mut() = answered.headers;
        if let Some(reason) = answered.reason {
            response.extensions_mut().insert(reason);
        }
        Ok(response)
    }
}
