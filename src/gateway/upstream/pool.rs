//! Connections to servers that wait for their next request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::connection::Connection;

/// How long a connection waits. Node closes idle ones after 5 s; a request on its way just then would be lost.
const IDLE: Duration = Duration::from_secs(3);

/// The server, and the thread whose event loop hears of the connection: used elsewhere it would wake two.
type Home = (ThreadId, SocketAddr);

/// The waiting connections of all servers. The one that came last goes first, so that a quiet server's are
/// closed soon.
#[derive(Debug)]
pub(super) struct Pool {
    idle: DashMap<Home, Vec<(Instant, Connection)>>,
    /// Connections that wait at most, for each server and thread.
    max: usize,
    /// Whether somebody is there to close those that have waited long enough.
    swept: AtomicBool,
}

impl Pool {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { idle: DashMap::new(), max, swept: AtomicBool::new(false) })
    }

    /// A connection on which a request can be sent.
    pub(super) fn take(&self, addr: SocketAddr) -> Option<Connection> {
        let now = Instant::now();
        let home = (std::thread::current().id(), addr);
        loop {
            let (since, connection) = self.idle.get_mut(&home)?.pop()?;
            if now.duration_since(since) < IDLE && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(self: &Arc<Self>, addr: SocketAddr, connection: Connection) {
        {
            let mut waiting = self.idle.entry((std::thread::current().id(), addr)).or_default();
            if waiting.len() < self.max {
                waiting.push((Instant::now(), connection));
            }
        }
        if !self.swept.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).sweep());
        }
    }

    /// Closes what has waited long enough, until nothing waits.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE).await;
            let now = Instant::now();
            self.idle.retain(|_, waiting| {
                waiting.retain(|(since, _)| now.duration_since(*since) < IDLE);
                !waiting.is_empty()
            });
            if self.idle.is_empty() {
                self.swept.store(false, Ordering::Release);
                // One that was kept in between would find itself swept by nobody.
                if self.idle.is_empty() || self.swept.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.idle.iter().map(|waiting| waiting.len()).sum()
    }
}
