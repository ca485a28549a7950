//! From the queue to the collector: batch by batch, in a task of its own that nobody waits for.

use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use slog::{Logger, info, warn};
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Refusal};
use super::counts::{Counts, Loss};

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// How long a batch waits for more.
const GATHER: Duration = Duration::from_secs(1);
/// Pauses before a batch is tried again; the queue fills meanwhile.
const RETRY: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// Who sends spans.
pub(super) struct Exporter {
    waiting: Receiver<SpanData>,
    collector: Collector,
    counts: Counts,
    closing: CancellationToken,
    warnings: Warnings,
}

impl Exporter {
    pub(super) fn new(
        waiting: Receiver<SpanData>,
        collector: Collector,
        counts: Counts,
        closing: CancellationToken,
        log: Logger,
    ) -> Self {
        let warnings = Warnings { log, counts: counts.clone(), told: 0, last: None, refusal: None };
        Self { waiting, collector, counts, closing, warnings }
    }

    /// Sends until `closing` is cancelled, and then what waits still, each batch once.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.send(batch).await;
        }
        self.waiting.close();
        let mut batch = Vec::with_capacity(BATCH);
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    /// The next batch: full, or as large as it got in time. `None` at the end.
    async fn gather(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = Vec::new();
        let mut until = None;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let enough = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.waiting.recv_many(&mut batch, room) => {}
                () = enough => break,
                () = self.closing.cancelled() => break,
            }
            until = until.or_else(|| Some(Instant::now() + GATHER));
        }
        (!batch.is_empty()).then_some(batch)
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let body = self.collector.encode(batch);
        let mut pauses = RETRY.iter();
        loop {
            let refusal = match self.collector.send(body.clone()).await {
                Ok(rejected) => {
                    self.counts.sent(count, count.saturating_sub(rejected));
                    self.warnings.took();
                    break;
                }
                Err(refusal) => refusal,
            };
            let pause = pauses.next().filter(|_| refusal.passes && !self.closing.is_cancelled());
            let Some(pause) = pause else {
                self.counts.lost(Loss::Collector, count);
                self.warnings.refused(refusal);
                break;
            };
            tokio::select! {
                () = tokio::time::sleep(*pause) => {}
                () = self.closing.cancelled() => {}
            }
        }
        self.warnings.give();
    }
}

/// Says what is dropped, once in a while.
struct Warnings {
    log: Logger,
    counts: Counts,
    /// Dropped spans that were told of.
    told: u64,
    last: Option<Instant>,
    refusal: Option<Refusal>,
}

impl Warnings {
    fn took(&mut self) {
        if self.refusal.take().is_some() {
            info!(self.log, "the collector takes traces again");
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
    }

    fn give(&mut self) {
        let dropped = self.counts.dropped();
        let soon = self.last.is_some_and(|last| last.elapsed() < QUIET);
        if dropped == self.told || soon {
            return;
        }
        let reason = self.refusal.as_ref().map_or_else(|| "too many at once".into(), ToString::to_string);
        warn!(self.log, "spans of traces are dropped; everything else goes on"; "spans" => dropped - self.told, "reason" => reason);
        (self.told, self.last) = (dropped, Some(Instant::now()));
    }
}
