//! The route table: who may be reached where. Written by the supervisor, read by the gateway on each
//! request, with no message, no database and no lock held across an await.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use chrono::Utc;
use dashmap::DashMap;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
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
        /// The user that has to listen there and no other does, where the run has one of its own.
        uid: Option<u32>,
    },
    /// Over the standard streams of the present run.
    Pipes {
        /// The run that reads and writes there.
        run: Run,
    },
    /// Nowhere yet: a run is on its way, so waiting is worth while.
    Coming(Status),
    /// Nowhere until it is woken.
    Asleep,
    /// Nowhere.
    Gone(Status),
}

/// The calls that are under way at one run.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    under_way: AtomicU32,
    quiet: Notify,
}

impl Calls {
    /// Waits until none is under way. Only final once no new call can reach the run.
    pub(crate) async fn ended(&self) {
        let mut quiet = std::pin::pin!(self.quiet.notified());
        loop {
            // Listens before it looks, so that the last call cannot end unheard in between.
            quiet.as_mut().enable();
            if self.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            quiet.as_mut().await;
            quiet.set(self.quiet.notified());
        }
    }
}

/// A call under way at a run, until it is dropped. A run that is replaced is not ended before its last call, but
/// for its grace.
#[derive(Debug)]
pub struct Call(Arc<Calls>);

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}

/// A [`Lane`] that counts who goes along it.
#[derive(Debug, Clone)]
pub struct Way {
    lane: Lane,
    calls: Arc<Calls>,
}

impl Way {
    pub(crate) fn new(lane: Lane, calls: Arc<Calls>) -> Self {
        Self { lane, calls }
    }

    /// Where it leads.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Begins a call there. Begun while the way is borrowed from [`Route::watch`], it is certain to be counted
    /// before the way changes.
    #[must_use]
    pub fn call(&self) -> Call {
        self.calls.under_way.fetch_add(1, Ordering::AcqRel);
        Call(Arc::clone(&self.calls))
    }
}

/// The way to one instance, with its counters.
#[derive(Debug)]
pub struct Route {
    way: watch::Sender<Way>,
    in_flight: AtomicU32,
    requests: AtomicU64,
    /// Milliseconds since the epoch of the last request's end or begin; 0 for never.
    last_access_ms: AtomicI64,
    /// Begin of the clock for the two below: decisions go by it, since the wall clock can be set.
    begun: Instant,
    /// Milliseconds since then of the last request's end or begin, plus one; 0 for never.
    access: AtomicU64,
    /// The same of the last answer that was no server error.
    success: AtomicU64,
    /// Milliseconds since the epoch until when the server works on something that nobody waits for.
    awake_until_ms: AtomicI64,
}

impl Route {
    fn new(way: Way) -> Arc<Self> {
        Arc::new(Self {
            way: watch::Sender::new(way),
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            last_access_ms: AtomicI64::new(0),
            begun: Instant::now(),
            access: AtomicU64::new(0),
            success: AtomicU64::new(0),
            awake_until_ms: AtomicI64::new(0),
        })
    }

    /// Where requests go at present.
    #[must_use]
    pub fn lane(&self) -> Lane {
        self.way.borrow().lane
    }

    /// Where requests go at present, to begin a call there. Not to be held across an await.
    #[must_use]
    pub fn way(&self) -> watch::Ref<'_, Way> {
        self.way.borrow()
    }

    /// Watches where requests go.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Way> {
        self.way.subscribe()
    }

    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, now_ms: i64) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_access_ms.store(now_ms, Ordering::Relaxed);
        self.access.store(self.tick(), Ordering::Relaxed);
        // With that in `close_if_quiet`: either this request is seen there, or the closed way is seen by it.
        fence(Ordering::SeqCst);
        InFlight(Arc::clone(self))
    }

    /// Lets nobody to the run any more if nobody is there. Who comes then waits for what comes next.
    pub(crate) fn close_if_quiet(&self) -> bool {
        let present = self.way.borrow().clone();
        if let Lane::Http { .. } | Lane::Pipes { .. } = present.lane {
            let closed = Way::new(Lane::Coming(Status::Running), Arc::clone(&present.calls));
            self.way.send_replace(closed);
        }
        fence(Ordering::SeqCst);
        if self.in_flight() == 0 {
            return true;
        }
        self.way.send_replace(present);
        false
    }

    /// The server works until then on something that nobody waits for, so it is not put to sleep before.
    pub fn keep_awake_until(&self, at_ms: i64) {
        self.awake_until_ms.fetch_max(at_ms, Ordering::Relaxed);
    }

    /// Milliseconds since the epoch until when the server is kept awake; 0 for never.
    #[must_use]
    pub fn awake_until_ms(&self) -> i64 {
        self.awake_until_ms.load(Ordering::Relaxed)
    }

    /// Notes an answer that was no server error.
    pub fn succeeded(&self, now_ms: i64) {
        self.last_access_ms.store(now_ms, Ordering::Relaxed);
        let tick = self.tick();
        self.access.store(tick, Ordering::Relaxed);
        self.success.store(tick, Ordering::Relaxed);
    }

    fn tick(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn since(&self, at: &AtomicU64) -> Option<Duration> {
        let at = Some(at.load(Ordering::Relaxed)).filter(|at| *at > 0)?;
        Some(Duration::from_millis(self.tick().saturating_sub(at)))
    }

    /// For how long there was no request, if there ever was one.
    #[must_use]
    pub fn quiet_for(&self) -> Option<Duration> {
        self.since(&self.access)
    }

    /// How long ago the last good answer was, if there was one.
    #[must_use]
    pub fn succeeded_ago(&self) -> Option<Duration> {
        self.since(&self.success)
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
}

/// A request under way.
#[derive(Debug)]
pub struct InFlight(Arc<Route>);

impl Drop for InFlight {
    fn drop(&mut self) {
        // The idle time begins with the end of a long stream, not with its begin.
        self.0.last_access_ms.fetch_max(Utc::now().timestamp_millis(), Ordering::Relaxed);
        self.0.access.store(self.0.tick(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every instance that can be reached, or could be.
///
/// ```
/// use minimcp_actors::routes::RouteTable;
///
/// assert!(RouteTable::default().get(uuid::Uuid::nil()).is_none(), "nobody has created it");
/// ```
#[derive(Debug, Default)]
pub struct RouteTable(DashMap<Uuid, Arc<Route>>);

impl RouteTable {
    /// The way to an instance.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Arc<Route>> {
        self.0.get(&id).map(|route| Arc::clone(&route))
    }

    pub(crate) fn set(&self, id: Uuid, way: Way) -> Arc<Route> {
        let route = Arc::clone(&self.0.entry(id).or_insert_with(|| Route::new(way.clone())));
        route.way.send_if_modified(|present| {
            let changed = present.lane != way.lane;
            *present = way;
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
        let calls = Arc::<Calls>::default();
        let route = table.set(id, Way::new(Lane::Coming(Status::Starting), Arc::clone(&calls)));
        let mut watch = route.watch();
        assert!(!watch.has_changed().unwrap());
        let lane = Lane::Http { run: Run(1), addr: "127.0.0.1:4000".parse().unwrap(), uid: None };
        table.set(id, Way::new(lane, calls));
        assert!(watch.has_changed().unwrap());
        assert_eq!(watch.borrow_and_update().lane(), lane);

        let request = route.enter(7);
        assert_eq!((route.in_flight(), route.requests(), route.last_access_ms()), (1, 1, Some(7)));
        drop(request);
        assert_eq!((route.in_flight(), route.requests(), route.succeeded_ago()), (0, 1, None));
        assert!(route.last_access_ms() > Some(7), "its end is an access, too");
    }

    #[test]
    fn a_way_is_closed_only_when_nobody_is_on_it_and_opened_again_if_somebody_is() {
        let table = RouteTable::default();
        let lane = Lane::Http { run: Run(1), addr: "127.0.0.1:4000".parse().unwrap(), uid: None };
        let route = table.set(Uuid::now_v7(), Way::new(lane, Arc::default()));
        let request = route.enter(7);
        assert!(!route.close_if_quiet());
        assert_eq!(route.lane(), lane);
        drop(request);
        assert!(route.close_if_quiet());
        assert_eq!(route.lane(), Lane::Coming(Status::Running), "who comes now waits");
    }

    #[tokio::test]
    async fn a_run_is_quiet_once_its_last_call_has_ended_and_calls_elsewhere_do_not_matter() {
        let table = RouteTable::default();
        let id = Uuid::now_v7();
        let (old, new) = (Arc::<Calls>::default(), Arc::<Calls>::default());
        let lane = |run| Lane::Http { run: Run(run), addr: "127.0.0.1:4000".parse().unwrap(), uid: None };
        let route = table.set(id, Way::new(lane(1), Arc::clone(&old)));
        let (one, other) = (route.watch().borrow().call(), route.watch().borrow().call());
        table.set(id, Way::new(lane(2), Arc::clone(&new)));
        let _later = route.watch().borrow().call();
        let mut ended = std::pin::pin!(old.ended());
        drop(one);
        assert!(futures::poll!(ended.as_mut()).is_pending());
        drop(other);
        ended.await;
        assert!(futures::poll!(std::pin::pin!(new.ended())).is_pending());
    }
}
