//! The route table: who may be reached where. Written by the supervisor, read by the gateway on each
//! request, with no message, no database and no lock held across an await.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::watch;
use uuid::Uuid;

use crate::state::{Run, Status};

/// Where a request for an instance goes at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// To this address of the present run.
    Http {
        /// The run that listens there.
        run: Run,
        /// Its address on the loopback interface.
        addr: SocketAddr,
    },
    /// Nowhere yet: a run is on its way, so waiting is worth while.
    Coming(Status),
    /// Nowhere until it is woken.
    Asleep,
    /// Nowhere.
    Gone(Status),
}

/// The way to one instance, with its counters.
#[derive(Debug)]
pub struct Route {
    lane: watch::Sender<Lane>,
    in_flight: AtomicU32,
    requests: AtomicU64,
    /// Milliseconds since the epoch of the last request's end or begin; 0 for never.
    last_access_ms: AtomicI64,
    /// Milliseconds since the epoch of the last answer that was no server error; 0 for never.
    last_success_ms: AtomicI64,
}

impl Route {
    fn new(lane: Lane) -> Arc<Self> {
        Arc::new(Self {
            lane: watch::Sender::new(lane),
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            last_access_ms: AtomicI64::new(0),
            last_success_ms: AtomicI64::new(0),
        })
    }

    /// Where requests go at present.
    #[must_use]
    pub fn lane(&self) -> Lane {
        *self.lane.borrow()
    }

    /// Watches where requests go.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Lane> {
        self.lane.subscribe()
    }

    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, now_ms: i64) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_access_ms.store(now_ms, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Notes an answer that was no server error.
    pub fn succeeded(&self, now_ms: i64) {
        self.last_success_ms.store(now_ms, Ordering::Relaxed);
        self.last_access_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests ever begun.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Milliseconds since the epoch of the last request, if there was one.
    #[must_use]
    pub fn last_access_ms(&self) -> Option<i64> {
        Some(self.last_access_ms.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Milliseconds since the epoch of the last good answer, if there was one.
    #[must_use]
    pub fn last_success_ms(&self) -> Option<i64> {
        Some(self.last_success_ms.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}

/// A request under way.
#[derive(Debug)]
pub struct InFlight(Arc<Route>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every instance that can be reached, or could be.
#[derive(Debug, Default)]
pub struct RouteTable(DashMap<Uuid, Arc<Route>>);

impl RouteTable {
    /// The way to an instance.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Arc<Route>> {
        self.0.get(&id).map(|route| Arc::clone(&route))
    }

    pub(crate) fn set(&self, id: Uuid, lane: Lane) -> Arc<Route> {
        let route = Arc::clone(&self.0.entry(id).or_insert_with(|| Route::new(lane)));
        route.lane.send_if_modified(|present| {
            let changed = *present != lane;
            *present = lane;
            changed
        });
        route
    }

    pub(crate) fn remove(&self, id: Uuid) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_sees_the_lane_change_and_a_dropped_request_is_counted_out() {
        let table = RouteTable::default();
        let id = Uuid::now_v7();
        let route = table.set(id, Lane::Coming(Status::Starting));
        let mut watch = route.watch();
        assert!(!watch.has_changed().unwrap());
        let lane = Lane::Http { run: Run(1), addr: "127.0.0.1:4000".parse().unwrap() };
        table.set(id, lane);
        assert!(watch.has_changed().unwrap());
        assert_eq!(*watch.borrow_and_update(), lane);

        let request = route.enter(7);
        assert_eq!((route.in_flight(), route.requests(), route.last_access_ms()), (1, 1, Some(7)));
        drop(request);
        assert_eq!((route.in_flight(), route.requests(), route.last_success_ms()), (0, 1, None));
    }
}
