//! What became of spans, for the metrics and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a span was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Too many waited already.
    Queue,
    /// The collector did not take it.
    Collector,
    /// The daemon ended first.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Loss {
    const ALL: [Self; 3] = [Self::Queue, Self::Collector, Self::End];

    fn labels(self) -> Reason {
        let reason = match self {
            Self::Queue => "queue",
            Self::Collector => "collector",
            Self::End => "end",
        };
        Reason { reason }
    }
}

/// Spans that were sent and spans that were dropped. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    sent: Counter,
    dropped: Family<Reason, Counter>,
    /// Spans that were taken into the queue.
    taken: Arc<AtomicU64>,
    /// Those of them of which it is known what became.
    settled: Arc<AtomicU64>,
}

impl Counts {
    pub(super) fn register(&self, registry: &mut Registry) {
        // A rate sees a counter rise only if it was there before.
        for loss in Loss::ALL {
            self.dropped.get_or_create(&loss.labels()).inc_by(0);
        }
        let sent = "Spans of traces that the collector took";
        registry.register("minimcp_traces_spans_sent", sent, self.sent.clone());
        let dropped = "Spans of traces that were dropped: too many waited (queue), the collector did not take them, or \
                       the daemon ended first";
        registry.register("minimcp_traces_spans_dropped", dropped, self.dropped.clone());
    }

    /// A span was taken into the queue.
    pub(super) fn take(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// A span found no place in the queue.
    pub(super) fn refuse(&self) {
        self.dropped.get_or_create(&Loss::Queue.labels()).inc();
    }

    /// The collector has answered for so many spans, and took so many of them.
    pub(super) fn sent(&self, of: u64, took: u64) {
        self.sent.inc_by(took);
        self.lost(Loss::Collector, of - took);
        self.settled.fetch_add(took, Ordering::Relaxed);
    }

    /// So many spans from the queue are lost.
    pub(super) fn lost(&self, loss: Loss, count: u64) {
        self.dropped.get_or_create(&loss.labels()).inc_by(count);
        self.settled.fetch_add(count, Ordering::Relaxed);
    }

    /// Spans that were dropped, for whatever reason.
    pub(super) fn dropped(&self) -> u64 {
        Loss::ALL.iter().map(|loss| self.dropped.get_or_create(&loss.labels()).get()).sum()
    }

    /// Spans of which it is not known what became of them.
    pub(super) fn open(&self) -> u64 {
        let settled = self.settled.load(Ordering::Relaxed);
        self.taken.load(Ordering::Relaxed).saturating_sub(settled)
    }
}
