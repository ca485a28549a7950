//! A connection to a server, and what is kept of it from one request to the next.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http::Patience;

/// How long a server may take to accept. It is on this machine: one that does not is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// Bytes that are read at once.
const READ: usize = 16 * 1_024;

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// What was read and not yet understood.
    pub(super) read: BytesMut,
    /// What is to be written before anything else.
    pub(super) write: Vec<u8>,
    patience: Patience,
}

impl Connection {
    /// A new one.
    pub(super) async fn open(addr: SocketAddr) -> io::Result<Self> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(addr));
        let stream = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // It only makes a connection better; one that refuses is used all the same.
        let _ = stream.set_nodelay(true);
        let patience = Patience::new(CONNECT);
        Ok(Self { stream, read: BytesMut::new(), write: Vec::new(), patience })
    }

    /// Whether the server has neither closed it nor said anything unasked.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        let peeked = rustix::net::recv(&self.stream, &mut [0_u8; 1][..], flags);
        matches!(peeked, Err(rustix::io::Errno::AGAIN))
    }

    /// Waits for the server until then at most, from now on.
    pub(super) fn wait_until(&mut self, until: Instant) {
        self.patience.set(until);
    }

    /// Ready once the server was waited for long enough.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.patience.poll_over(cx)
    }

    /// Reads what is there. `false` is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.read.capacity() - self.read.len() < READ / 4 {
            self.read.reserve(READ);
        }
        let read = tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read);
        read.map_ok(|count| count > 0)
    }

    /// Writes what is to be written and then `rest`, as far as the server takes it. Says how much of `rest` it
    /// took; less than there is only with nothing left before it.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> Poll<io::Result<usize>> {
        let both = [io::IoSlice::new(&self.write), io::IoSlice::new(rest)];
        let stream = Pin::new(&mut self.stream);
        let written = match (self.write.is_empty(), rest.is_empty()) {
            (true, _) => stream.poll_write(cx, rest),
            (false, true) => stream.poll_write(cx, &self.write),
            (false, false) => stream.poll_write_vectored(cx, &both),
        };
        written.map_ok(|count| {
            let first = count.min(self.write.len());
            // Almost always all of it: nothing is moved then.
            self.write.drain(..first);
            count - first
        })
    }
}
