//! Every child that speaks over its standard streams, by its run: introduced when it comes, let go when it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use minimcp_actors::Supervision;
use minimcp_actors::launch::Spec;
use minimcp_actors::routes::InFlight;
use minimcp_actors::state::Run;
use slog::Logger;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::Bounds;
use super::child::Child;
use super::counts::Counts;
use super::era::{EraBook, Greeted, NotGreeted};
use super::note::Note;
use super::sessions::SessionId;
use super::tools::Tools;

/// A session that nobody has used for this long, or for a quarter of what it may be idle, gives its place to a new
/// one, where there is no other.
const LEFT_ALONE: Duration = Duration::from_secs(600);
/// From telling a server that nobody subscribes any more to giving up on its answer.
const UNSUBSCRIBE: Duration = Duration::from_secs(15);
/// Between two looks for sessions that nobody uses, at most.
const SWEEP: Duration = Duration::from_secs(60);
/// And at least.
const SWEEP_AT_LEAST: Duration = Duration::from_millis(100);

/// The first child of an instance's run.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) spec: Spec,
    pub(super) note: Note,
    pub(super) child: Arc<Child>,
    pub(super) tools: Tools,
    pub(super) greeted: watch::Sender<Option<Result<Greeted, NotGreeted>>>,
    /// The child that all clients of the older era share, where they do.
    pub(super) shared: tokio::sync::Mutex<Option<(Arc<Child>, Arc<str>)>>,
    pub(super) sessions: AtomicU32,
}

impl Served {
    /// What it said when it was greeted, if it was.
    pub(super) fn greeted(&self) -> Option<Greeted> {
        self.greeted.borrow().as_ref().and_then(|greeted| greeted.as_ref().ok().cloned())
    }

    pub(super) fn key(&self) -> (Uuid, Run) {
        (self.child.id, self.child.run)
    }
}

/// Where a session is.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) child: Arc<Child>,
    /// The process that is the session's own, if it has one.
    pub(super) part: Option<Uuid>,
    pub(super) served: Arc<Served>,
}

impl Seat {
    /// For how long nothing was heard of a session; `None` while it is in use.
    fn idle_for(&self, session: &str, now: Instant) -> Option<Duration> {
        let mut switch = self.child.switch();
        if switch.is_busy(session) {
            return None;
        }
        switch.session(session)?.idle_for(now)
    }
}

/// Every child. Shared between the supervisor, which tells of them, and the gateway, which speaks with them.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) runtime: Handle,
    pub(super) bounds: Bounds,
    supervision: OnceLock<Supervision>,
    pub(super) book: EraBook,
    pub(super) children: DashMap<(Uuid, Run), Arc<Child>>,
    pub(super) served: DashMap<(Uuid, Run), Arc<Served>>,
    /// Parts that are on their way, and who waits for them.
    pub(super) expected: DashMap<Uuid, oneshot::Sender<Arc<Child>>>,
    sessions: DashMap<(Uuid, SessionId), Seat>,
    pub(super) counts: Counts,
    pub(super) log: Logger,
}

impl Board {
    pub(super) fn new(runtime: Handle, bounds: Bounds, book: EraBook, log: Logger) -> Arc<Self> {
        let board = Arc::new(Self {
            runtime,
            bounds,
            supervision: OnceLock::new(),
            book,
            children: DashMap::new(),
            served: DashMap::new(),
            expected: DashMap::new(),
            sessions: DashMap::new(),
            counts: Counts::default(),
            log,
        });
        let weak = Arc::downgrade(&board);
        // A session that may be idle for seconds is not to wait for its end for a minute.
        let every = (bounds.session_idle / 4).clamp(SWEEP_AT_LEAST, SWEEP);
        board.runtime.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(board) = weak.upgrade() else { return };
                board.sweep();
            }
        });
        board
    }

    /// Tells who supervises. Called once, before anything runs.
    pub(super) fn supervised_by(&self, supervision: Supervision) {
        // A second supervisor would be a bug of the caller; the first one stays.
        let _ = self.supervision.set(supervision);
    }

    pub(super) fn supervision(&self) -> Option<&Supervision> {
        self.supervision.get()
    }

    /// The first child of a run.
    pub(super) fn served(&self, id: Uuid, run: Run) -> Option<Arc<Served>> {
        self.served.get(&(id, run)).map(|served| Arc::clone(&served))
    }

    /// Takes a seat for a new session. If all are taken, the one that was left alone for longest makes room:
    /// many clients go away without a word. `None` if all are in use.
    pub(super) fn reserve(&self, served: &Arc<Served>) -> Option<Reserved> {
        self.take_seat(served).or_else(|| {
            let now = Instant::now();
            let left_alone = LEFT_ALONE.min(self.bounds.session_idle / 4);
            let left = self
                .sessions
                .iter()
                .filter(|seat| seat.served.key() == served.key())
                .filter_map(|seat| Some((seat.idle_for(&seat.key().1, now)?, Arc::clone(&seat.key().1))))
                .filter(|(idle, _)| *idle >= left_alone)
                .max_by_key(|(idle, _)| *idle);
            let (_, session) = left?;
            self.end_session(served.child.id, &session);
            self.take_seat(served)
        })
    }

    fn take_seat(&self, served: &Arc<Served>) -> Option<Reserved> {
        let max = self.bounds.sessions;
        let taken = served
            .sessions
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < max).then_some(taken + 1));
        taken.ok().map(|_| Reserved(Arc::clone(served)))
    }

    /// Remembers where a session is.
    pub(super) fn seat(&self, reserved: Reserved, session: SessionId, child: Arc<Child>, part: Option<Uuid>) {
        let served = reserved.keep();
        let id = served.child.id;
        let seat = Seat { child: Arc::clone(&child), part, served };
        self.sessions.insert((id, Arc::clone(&session)), seat);
        if child.switch().lost {
            // It ended in between, and nobody else will look.
            self.end_session(id, &session);
        }
    }

    /// Counts a request at the process of a session too, until this is dropped.
    pub(super) fn used(&self, seat: &Seat, now_ms: i64) -> Option<InFlight> {
        let route = self.supervision()?.routes().get(seat.part?)?;
        Some(route.enter(now_ms))
    }

    /// Where a session is.
    pub(super) fn session(&self, id: Uuid, session: &str) -> Option<(SessionId, Seat)> {
        let key = (id, SessionId::from(session));
        self.sessions.get(&key).map(|seat| (key.1.clone(), seat.clone()))
    }

    /// Ends a session with the process that is its own. Answers whether there was one.
    pub(super) fn end_session(&self, id: Uuid, session: &str) -> bool {
        let Some((_, seat)) = self.sessions.remove(&(id, session.into())) else { return false };
        seat.served.sessions.fetch_sub(1, Ordering::AcqRel);
        let left = {
            let mut switch = seat.child.switch();
            let left = switch.session(session).map(|own| own.subscriptions().map(str::to_owned).collect());
            switch.end_session(session);
            left.unwrap_or_else(Vec::new)
        };
        match seat.part {
            Some(part) => self.end_part(part),
            None => self.unsubscribe(&seat.child, left),
        }
        true
    }

    /// Tells a child that many share what nobody subscribes to any more.
    fn unsubscribe(&self, child: &Arc<Child>, uris: Vec<String>) {
        for uri in uris.into_iter().filter(|uri| !child.is_subscribed(uri)) {
            let child = Arc::clone(child);
            self.runtime.spawn(async move {
                // If it does not hear it, it tells us of changes that go nowhere.
                let _ =
                    child.ask("resources/unsubscribe", &serde_json::json!({"uri": uri}), UNSUBSCRIBE).await;
            });
        }
    }

    fn sweep(&self) {
        let now = Instant::now();
        let patience = self.bounds.session_idle;
        self.end_sessions(|session, seat| seat.idle_for(session, now).is_some_and(|idle| idle >= patience));
    }

    pub(super) fn end_sessions(&self, which: impl Fn(&SessionId, &Seat) -> bool) {
        let ended: Vec<(Uuid, SessionId)> = self
            .sessions
            .iter()
            .filter(|seat| which(&seat.key().1, seat.value()))
            .map(|seat| seat.key().clone())
            .collect();
        for (id, session) in ended {
            self.end_session(id, &session);
        }
    }
}

/// A seat that is taken but not used yet. Dropped, it is free again.
#[derive(Debug)]
pub(super) struct Reserved(Arc<Served>);

impl Reserved {
    fn keep(self) -> Arc<Served> {
        // Freed with the session.
        self.0.sessions.fetch_add(1, Ordering::AcqRel);
        Arc::clone(&self.0)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}
