//! The actor that writes what happened into the store, in batches and in order.
//!
//! It listens to the stream of transitions and never holds the supervisor up: while the store is slow or away
//! the entries wait here, only the newest of each instance once there are many, and all of them are written
//! when the store is back. A gap in the stream is closed from the snapshots.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    StreamHandler, WrapFuture,
};
use minimcp_actors::Supervision;
use minimcp_actors::meter::Meter;
use minimcp_actors::snapshot::{Snapshot, Transitioned};
use minimcp_actors::state::Status;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use uuid::Uuid;

use crate::api::instance::LastExit;
use crate::store::{Applied, Entry, RuntimeState, Seen, Store, StoreError};

/// Entries written in one transaction at most.
const BATCH: usize = 256;
/// Past this many entries waiting, only the newest of each instance is kept.
const WAITING: usize = 8_192;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// Between two notes of when instances were last probed and called.
const TOUCH: Duration = Duration::from_secs(30);

/// How the journal fares, for anyone to read.
#[derive(Debug, Default)]
pub struct JournalState {
    waiting: AtomicUsize,
    failing: AtomicBool,
    /// Entries written, and the news of it for readers of the history.
    written: watch::Sender<u64>,
    last_write_us: AtomicU64,
}

impl JournalState {
    /// Entries that are not in the store yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the last attempt to write failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Entries written since the daemon began.
    #[must_use]
    pub fn written(&self) -> u64 {
        *self.written.borrow()
    }

    /// Tells whenever entries were written.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// How long the last batch took, in microseconds.
    #[must_use]
    pub fn last_write_us(&self) -> u64 {
        self.last_write_us.load(Ordering::Relaxed)
    }
}

/// The actor.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    supervision: Supervision,
    /// The runtime on which the store works.
    store_runtime: Handle,
    /// Numbers of entries written by earlier daemons; ours go on from there.
    base: HashMap<Uuid, i64>,
    /// The newest transition of each instance that came in.
    heard: HashMap<Uuid, u64>,
    waiting: VecDeque<Entry>,
    writing: bool,
    retry: Duration,
    flushes: Vec<oneshot::Sender<()>>,
    state: Arc<JournalState>,
    meter: Arc<Meter>,
    log: slog::Logger,
}

/// To the journal: answer once everything that came in before is in the store.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Flush;

/// To the journal: end after a flush.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Close;

impl Journal {
    /// A journal that goes on behind the entries of earlier daemons ([`Store::last_seqs`]).
    #[must_use]
    pub fn new(
        store: Store,
        base: HashMap<Uuid, i64>,
        supervision: Supervision,
        store_runtime: Handle,
        state: Arc<JournalState>,
        log: slog::Logger,
    ) -> Self {
        let meter = supervision.meters().register("/journal".into(), "journal", 1);
        Self {
            store,
            supervision,
            store_runtime,
            base,
            heard: HashMap::new(),
            waiting: VecDeque::new(),
            writing: false,
            retry: FIRST_RETRY,
            flushes: Vec::new(),
            state,
            meter,
            log,
        }
    }

    fn hear(&mut self, from: Option<Status>, snapshot: &Snapshot) {
        let heard = self.heard.entry(snapshot.id).or_default();
        if snapshot.seq <= *heard {
            return;
        }
        *heard = snapshot.seq;
        let base = self.base.get(&snapshot.id).copied().unwrap_or_default();
        self.waiting.push_back(entry(base, from, snapshot));
        if self.waiting.len() > WAITING {
            coalesce(&mut self.waiting);
        }
    }

    /// Hears of everything that the stream has passed over.
    fn catch_up(&mut self) {
        for snapshot in self.supervision.registry().all() {
            self.hear(None, &snapshot);
        }
    }

    fn write(&mut self, ctx: &mut Context<Self>) {
        self.state.waiting.store(self.waiting.len(), Ordering::Relaxed);
        if self.writing {
            return;
        }
        if self.waiting.is_empty() {
            for waiter in self.flushes.drain(..) {
                // One that went away does not need the answer.
                let _ = waiter.send(());
            }
            return;
        }
        self.writing = true;
        let batch: Vec<Entry> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
        let store = self.store.clone();
        let begun = Instant::now();
        let written = self.store_runtime.spawn(async move {
            let applied = store.apply(&batch).await;
            (batch, applied)
        });
        ctx.spawn(written.into_actor(self).map(move |written, journal, ctx| {
            journal.writing = false;
            match written {
                Ok((batch, applied)) => journal.wrote(batch, applied, begun.elapsed(), ctx),
                Err(panic) => {
                    slog::error!(journal.log, "writing to the store panicked; entries were lost"; "error" => %panic);
                    journal.write(ctx);
                }
            }
        }));
    }

    fn wrote(
        &mut self,
        batch: Vec<Entry>,
        applied: Result<Applied, StoreError>,
        took: Duration,
        ctx: &mut Context<Self>,
    ) {
        match applied {
            Ok(applied) => {
                if self.state.failing.swap(false, Ordering::Relaxed) {
                    slog::info!(self.log, "the store takes entries again"; "waiting" => self.waiting.len());
                }
                self.retry = FIRST_RETRY;
                self.state.written.send_modify(|written| *written += applied.written as u64);
                let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                self.state.last_write_us.store(took, Ordering::Relaxed);
                self.write(ctx);
            }
            Err(error) => {
                for entry in batch.into_iter().rev() {
                    self.waiting.push_front(entry);
                }
                if !self.state.failing.swap(true, Ordering::Relaxed) {
                    slog::error!(self.log, "the store takes no entries; they wait"; "error" => %error);
                }
                self.state.waiting.store(self.waiting.len(), Ordering::Relaxed);
                self.writing = true;
                ctx.run_later(self.retry, |journal, ctx| {
                    journal.writing = false;
                    journal.write(ctx);
                });
                self.retry = (self.retry * 2).min(LAST_RETRY);
            }
        }
    }

    fn touch(&mut self, ctx: &mut Context<Self>) {
        let routes = self.supervision.routes();
        let seen: Vec<Seen> = self
            .supervision
            .registry()
            .all()
            .iter()
            .map(|snapshot| Seen {
                instance_id: snapshot.id,
                checked_at: snapshot.health.as_ref().map(|health| health.checked_at),
                accessed_at: routes
                    .get(snapshot.id)
                    .and_then(|route| route.last_access_ms())
                    .and_then(chrono::DateTime::from_timestamp_millis),
            })
            .filter(|seen| seen.checked_at.is_some() || seen.accessed_at.is_some())
            .collect();
        let store = self.store.clone();
        let log = self.log.clone();
        let touched = self.store_runtime.spawn(async move { store.touch_instances(&seen).await });
        ctx.spawn(touched.into_actor(self).map(move |touched, _, ctx| {
            if let Ok(Err(error)) = touched {
                // The next note says the same and more.
                slog::warn!(log, "times of last use were not noted"; "error" => %error);
            }
            ctx.run_later(TOUCH, Self::touch);
        }));
    }
}

/// Keeps the newest entry of each instance.
fn coalesce(waiting: &mut VecDeque<Entry>) {
    let mut kept = std::collections::HashSet::new();
    let newest: Vec<Entry> = waiting.drain(..).rev().filter(|entry| kept.insert(entry.instance_id)).collect();
    waiting.extend(newest.into_iter().rev());
}

fn entry(base: i64, from: Option<Status>, snapshot: &Snapshot) -> Entry {
    Entry {
        instance_id: snapshot.id,
        user_id: snapshot.owner,
        seq: base.saturating_add_unsigned(snapshot.seq),
        from,
        at: snapshot.since,
        state: RuntimeState {
            status: snapshot.status,
            cause: Some(snapshot.cause),
            reason: snapshot.reason.clone(),
            run: snapshot.run,
            process_id: snapshot.pid,
            assigned_port: snapshot.port,
            started_at: snapshot.started_at,
            stopped_at: snapshot.status.is_ended().then_some(snapshot.since),
            restored_at: snapshot.restored_at,
            restarts_total: snapshot.restarts,
            last_exit: snapshot.last_exit.as_ref().map(|last| serde_json::json!(LastExit::from(last))),
        },
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(BroadcastStream::new(self.supervision.registry().subscribe()));
        self.catch_up();
        self.write(ctx);
        ctx.run_later(TOUCH, Self::touch);
    }
}

impl StreamHandler<Result<Arc<Transitioned>, BroadcastStreamRecvError>> for Journal {
    fn handle(&mut self, item: Result<Arc<Transitioned>, BroadcastStreamRecvError>, ctx: &mut Self::Context) {
        self.meter.handled();
        match item {
            Ok(transitioned) => self.hear(transitioned.from, &transitioned.snapshot),
            Err(BroadcastStreamRecvError::Lagged(_)) => self.catch_up(),
        }
        self.write(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Flush> for Journal {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        self.meter.handled();
        self.catch_up();
        let (tell, flushed) = oneshot::channel();
        self.flushes.push(tell);
        self.write(ctx);
        // An error means that the journal ended, which it does only after a flush.
        Box::pin(async move { flushed.await.unwrap_or_default() })
    }
}

impl Handler<Close> for Journal {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use minimcp_actors::state::Run;

    use super::*;

    fn waiting(id: Uuid, seq: i64) -> Entry {
        let state = RuntimeState {
            status: Status::Running,
            cause: None,
            reason: String::new(),
            run: Run(1),
            process_id: None,
            assigned_port: None,
            started_at: None,
            stopped_at: None,
            restored_at: None,
            restarts_total: 0,
            last_exit: None,
        };
        Entry { instance_id: id, user_id: Uuid::nil(), seq, from: None, at: Utc::now(), state }
    }

    #[test]
    fn coalescing_keeps_the_newest_entry_of_each_instance_in_order() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let mut entries: VecDeque<Entry> =
            [(a, 1), (b, 1), (a, 2), (a, 3), (b, 2)].map(|(id, seq)| waiting(id, seq)).into();
        coalesce(&mut entries);
        let left: Vec<(Uuid, i64)> = entries.iter().map(|entry| (entry.instance_id, entry.seq)).collect();
        assert_eq!(left, [(a, 3), (b, 2)]);
    }
}
