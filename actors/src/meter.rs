//! What each actor is doing, counted where messages are sent and handled, so that reading it costs the actor
//! nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use serde::Serialize;

/// The counters of one actor.
///
/// ```
/// use futures::FutureExt;
/// use minimcp_actors::meter::Meters;
///
/// let meters = Meters::default();
/// let meter = meters.register("/one".into(), "one", 1);
/// let sent = meter.track(async { meters.all()[0].mailbox_depth });
/// assert_eq!(sent.now_or_never(), Some(1), "it waits for its answer");
/// assert_eq!(meters.all()[0].mailbox_depth, 0);
/// ```
#[derive(Debug)]
pub struct Meter {
    kind: &'static str,
    generation: u64,
    started_at: DateTime<Utc>,
    waiting: AtomicI64,
    handled: AtomicU64,
    last_message_ms: AtomicI64,
}

impl Meter {
    /// Counts a message as waiting until `sent`, the future of its answer, has ended or was dropped.
    pub async fn track<F: Future>(&self, sent: F) -> F::Output {
        struct Waiting<'a>(&'a AtomicI64);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        sent.await
    }

    /// Counts a message that is handled now.
    pub fn handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        self.last_message_ms.store(Utc::now().timestamp_millis(), Ordering::Relaxed);
    }
}

/// One actor as it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActorStatus {
    /// Where it stands in the tree, such as `/supervisor/instances/018f…`.
    pub path: String,
    /// What it is: `supervisor`, `instance`, `sampler`, `journal`.
    pub kind: &'static str,
    /// Which life of it this is; for an instance, its run.
    pub generation: u64,
    /// Messages sent and not answered yet.
    pub mailbox_depth: u64,
    /// Messages handled since it began.
    pub messages_handled: u64,
    /// When it handled the last one.
    pub last_message_at: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
}

/// The counters of every actor, by path and generation: while one run of an instance replaces another there are
/// two at its path.
///
/// ```
/// use minimcp_actors::meter::Meters;
///
/// let meters = Meters::default();
/// let meter = meters.register("/journal".into(), "journal", 1);
/// meter.handled();
/// assert_eq!((meters.all()[0].kind, meters.all()[0].messages_handled), ("journal", 1));
/// meters.unregister("/journal", &meter);
/// assert!(meters.all().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Meters(DashMap<(String, u64), Arc<Meter>>);

impl Meters {
    /// Begins to count for the actor at `path`.
    pub fn register(&self, path: String, kind: &'static str, generation: u64) -> Arc<Meter> {
        let meter = Arc::new(Meter {
            kind,
            generation,
            started_at: Utc::now(),
            waiting: AtomicI64::new(0),
            handled: AtomicU64::new(0),
            last_message_ms: AtomicI64::new(0),
        });
        self.0.insert((path, generation), Arc::clone(&meter));
        meter
    }

    /// Forgets the actor at `path` that `meter` counts for.
    pub fn unregister(&self, path: &str, meter: &Arc<Meter>) {
        self.0.remove_if(&(path.to_owned(), meter.generation), |_, present| Arc::ptr_eq(present, meter));
    }

    /// Every actor as it runs, sorted by path and generation.
    #[must_use]
    pub fn all(&self) -> Vec<ActorStatus> {
        let mut all: Vec<ActorStatus> = self
            .0
            .iter()
            .map(|entry| {
                let meter = entry.value();
                ActorStatus {
                    path: entry.key().0.clone(),
                    kind: meter.kind,
                    generation: meter.generation,
                    mailbox_depth: u64::try_from(meter.waiting.load(Ordering::Relaxed)).unwrap_or(0),
                    messages_handled: meter.handled.load(Ordering::Relaxed),
                    last_message_at: match meter.last_message_ms.load(Ordering::Relaxed) {
                        0 => None,
                        ms => DateTime::from_timestamp_millis(ms),
                    },
                    started_at: meter.started_at,
                }
            })
            .collect();
        all.sort_unstable_by(|a, b| (&a.path, a.generation).cmp(&(&b.path, b.generation)));
        all
    }
}
