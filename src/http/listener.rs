//! The accept loop: who may connect, how slowly they may speak and how it all ends.
//!
//! warp's own server can set none of the bounds here, so connections are served by hyper directly and warp is
//! a service behind them.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::loops::Loops;
use super::outgoing::Outgoing;
use super::patience::ConnectionTimer;
use super::stall::Stall;
use crate::config::HttpLimits;

/// Bounds of a connection. The defaults are those of the daemon; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at the same time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// From the first moment of waiting for a request to the end of its head.
    pub head_timeout: Duration,
    /// Bytes of a request's head.
    pub max_head: usize,
    /// How long a client may take no byte of an answer that has bytes for it.
    pub write_stall: Duration,
    /// From the order to stop until what is still under way is cut.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            head_timeout: Duration::from_secs(5),
            max_head: 32 * 1_024,
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl Bounds {
    /// The default bounds with what the daemon was told.
    #[must_use]
    pub fn of(limits: &HttpLimits) -> Self {
        Self { max_connections: limits.max_connections, ..Self::default() }
    }
}

/// Bytes that hyper buffers per direction of a connection. Its default of 400 KiB lets slow readers of large
/// answers fill the daemon's memory.
const BUFFER: usize = 64 * 1_024;

/// Serves `answer` on the listener until `stop` is cancelled, then lets requests under way end, at most for
/// `bounds.drain`. Long streams have to watch `stop` by themselves to end in time.
pub(super) async fn serve<A, F>(
    listener: TcpListener,
    bounds: Bounds,
    loops: &Loops,
    stop: CancellationToken,
    answer: A,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Outgoing>> + Send + 'static,
{
    let mut server = http1::Builder::new();
    server.header_read_timeout(bounds.head_timeout).max_header_size(bounds.max_head).max_buf_size(BUFFER);
    let places = Arc::new(Semaphore::new(bounds.max_connections));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();

    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answered = answer(request, peer);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let mut server = server.clone();
        let (stop, cut) = (stop.clone(), cut.clone());
        let (home, seat) = loops.place();
        let serving = async move {
            let _places = (place, seat);
            // Both only make a connection better; one that refuses them is served all the same.
            let _ = stream.set_nodelay(true);
            let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            let io = TokioIo::new(Stall::new(stream, bounds.write_stall));
            let connection = server.timer(ConnectionTimer::new()).serve_connection(io, service);
            let mut connection = std::pin::pin!(connection);
            // How a connection ended is the client's business; requests are counted where they are answered.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            tokio::select! {
                _ = connection => {}
                () = cut.cancelled() => {}
            }
        };
        connections.spawn_on(serving, home);
    }

    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.drain, connections.wait()).await.is_err() {
        cut.cancel();
        connections.wait().await;
    }
}

/// The next connection. Out of descriptors is no reason to end: some come back.
async fn accept(listener: &TcpListener) -> (std::net::TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            // It belongs to nobody's event loop until it has its own.
            Ok((stream, peer)) => match stream.into_std() {
                Ok(stream) => return (stream, peer),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
