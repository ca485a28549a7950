//! Every child that speaks over its standard streams, by its run: introduced when it comes, let go when it ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use minimcp_actors::Supervision;
use minimcp_actors::launch::{Launch, Missed, NoPlan, Plan, Planner, Spec};
use minimcp_actors::policy::{Policy, RestartPolicy};
use minimcp_actors::routes::InFlight;
use minimcp_actors::state::Run;
use slog::{Logger, info};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::Bounds;
use super::child::{Child, NotSent};
use super::counts::Counts;
use super::era::{self, Era, EraBook, Greeted, NotGreeted};
use super::note::Note;
use super::sessions::SessionId;
use super::switch::Audience;
use super::tools::Tools;
use crate::catalog::Sessions;

/// From asking a server of an unknown era to giving up on an answer.
const DISCOVERY: Duration = Duration::from_secs(15);
/// A session that nobody has used for this long gives its place to a new one, where there is no other.
const LEFT_ALONE: Duration = Duration::from_secs(600);
/// Between two looks for sessions that nobody uses.
const SWEEP: Duration = Duration::from_secs(60);

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

/// Why there is no further process of an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPart {
    /// The supervisor refuses it.
    #[error(transparent)]
    Refused(#[from] minimcp_actors::message::Refused),
    /// It could not be launched, or ended at once.
    #[error("a process for the session could not be started; see `diagnose`")]
    NotLaunched,
    /// It takes too long.
    #[error("a process for the session was not there in time")]
    Late,
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
        board.runtime.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
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

    fn supervision(&self) -> Option<&Supervision> {
        self.supervision.get()
    }

    /// The first child of a run.
    pub(super) fn served(&self, id: Uuid, run: Run) -> Option<Arc<Served>> {
        self.served.get(&(id, run)).map(|served| Arc::clone(&served))
    }

    /// Greets the first child of a run, in an era that another process was asked for.
    pub(super) async fn introduce(self: Arc<Self>, served: Arc<Served>) {
        let patience = served.spec.policy.timing.start_timeout;
        let greeted = async {
            let scout = self.scout(&served, patience);
            let era = self.book.era_of(&served.note, scout).await?;
            match era::greet(&served.child, era, patience).await {
                // It told its era by the way in which it refused.
                Err(NotGreeted::OtherEra) if era == Era::Legacy => {
                    let greeted = era::greet(&served.child, Era::Modern, patience).await?;
                    self.book.note(&served.note, Era::Modern).await;
                    Ok(greeted)
                }
                greeted => greeted,
            }
        };
        let greeted = tokio::select! {
            greeted = greeted => greeted,
            () = served.child.left() => Err(NotSent::Gone.into()),
        };
        match &greeted {
            Ok(Greeted::Modern { .. }) => served.child.switch().audience = Audience::Modern,
            Ok(Greeted::Legacy { .. }) if served.note.sessions == Sessions::Shared => {
                served.child.share_sessions();
            }
            Ok(Greeted::Legacy { .. }) | Err(NotGreeted::NotSent(NotSent::Gone)) => {}
            Err(why) => {
                self.book.forget(&served.note).await;
                let (id, run) = served.key();
                info!(self.log, "a server could not be greeted"; "instance" => %id, "run" => %run, "why" => %why);
            }
        }
        served.greeted.send_replace(Some(greeted));
    }

    /// Asks a process of its own which era the server speaks.
    async fn scout(self: &Arc<Self>, served: &Arc<Served>, patience: Duration) -> Result<Era, NotSent> {
        let (part, child) = self.start_part(served, patience).await.map_err(|_| NotSent::Gone)?;
        let answer = era::discover(&child, DISCOVERY.min(patience / 2)).await;
        self.end_part(part);
        match answer {
            Ok(answer) => Ok(era::of_answer(&answer)),
            // Some servers of the older era say nothing to what they do not know, or end.
            Err(NotSent::Late | NotSent::Gone) => Ok(Era::Legacy),
            Err(busy @ NotSent::Busy) => Err(busy),
        }
    }

    /// Starts a further process of an instance, under the same rules.
    pub(super) async fn start_part(
        self: &Arc<Self>,
        served: &Arc<Served>,
        patience: Duration,
    ) -> Result<(Uuid, Arc<Child>), NoPart> {
        let supervision = self.supervision().ok_or(NoPart::NotLaunched)?;
        let spec = part_of(&served.spec);
        let id = spec.id;
        let (tell, told) = oneshot::channel();
        self.expected.insert(id, tell);
        let expected = Expected { board: self, id, came: false };
        supervision.create(spec).await?;
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(child)) => {
                expected.came();
                Ok((id, child))
            }
            Ok(Err(_)) => Err(NoPart::NotLaunched),
            Err(_) => Err(NoPart::Late),
        }
    }

    /// Ends a further process. Does not wait for its end.
    pub(super) fn end_part(&self, id: Uuid) {
        let Some(supervision) = self.supervision().cloned() else { return };
        self.runtime.spawn(async move {
            // One that has ended by itself is forgotten already.
            let _ = supervision.remove(id).await;
        });
    }

    /// Takes a seat for a new session. If all are taken, the one that was left alone for longest makes room:
    /// many clients go away without a word. `None` if all are in use.
    pub(super) fn reserve(&self, served: &Arc<Served>) -> Option<Reserved> {
        self.take_seat(served).or_else(|| {
            let now = Instant::now();
            let left = self
                .sessions
                .iter()
                .filter(|seat| seat.served.key() == served.key())
                .filter_map(|seat| Some((seat.idle_for(&seat.key().1, now)?, Arc::clone(&seat.key().1))))
                .filter(|(idle, _)| *idle >= LEFT_ALONE)
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
                let _ = child.ask("resources/unsubscribe", &serde_json::json!({"uri": uri}), DISCOVERY).await;
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

    pub(super) async fn ask_how_it_is(
        child: Arc<Child>,
        served: Option<Arc<Served>>,
        patience: Duration,
    ) -> Result<(), Missed> {
        let missed = |words: &dyn std::fmt::Display| Missed(words.to_string());
        if child.switch().lost {
            return Err(Missed("it has closed its output".into()));
        }
        let asked = match served {
            None if child.is_initialized() => child.ask("ping", &serde_json::json!({}), patience).await,
            None => return Ok(()),
            Some(served) => {
                let greeted = served.greeted.borrow().clone();
                match greeted {
                    None => return Err(Missed("it has not said yet what it speaks".into())),
                    Some(Err(why)) => return Err(missed(&why)),
                    Some(Ok(_)) if !served.note.asks => return Ok(()),
                    Some(Ok(Greeted::Modern { .. })) => era::discover(&child, patience).await,
                    Some(Ok(Greeted::Legacy { .. })) => {
                        child.ask("ping", &serde_json::json!({}), patience).await
                    }
                }
            }
        };
        asked.map(drop).map_err(|not_sent| missed(&not_sent))
    }
}

/// A further process of the same instance: the same rules and the same directories, but no life of its own.
fn part_of(whole: &Spec) -> Spec {
    let policy = Policy { restart: RestartPolicy::Temporary, overlap: false, ..whole.policy };
    let planner = AsPart { of: whole.id, planner: Arc::clone(&whole.planner) };
    Spec {
        id: Uuid::now_v7(),
        part_of: Some(whole.id),
        policy,
        // It ends with its whole, whenever that is.
        lease_ends_at: None,
        idle_after: None,
        planner: Arc::new(planner),
        ..whole.clone()
    }
}

/// Plans a part as if it were the instance.
#[derive(Debug)]
struct AsPart {
    of: Uuid,
    planner: Arc<dyn Planner>,
}

impl Planner for AsPart {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        self.planner.plan(&Launch { id: self.of, ..launch.clone() })
    }
}

/// A part that is on its way. Dropped before it came, it is ended.
struct Expected<'a> {
    board: &'a Board,
    id: Uuid,
    came: bool,
}

impl Expected<'_> {
    fn came(mut self) {
        self.came = true;
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        if !self.came {
            self.board.expected.remove(&self.id);
            self.board.end_part(self.id);
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
