//! From the end of a span to the exporter: a queue that is bounded and never waited for.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::counts::Counts;

/// Spans that may wait; what ends then is dropped and counted.
const WAITING: usize = 2_048;

/// Where spans go when they end.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<SpanData>,
    counts: Counts,
}

impl Queue {
    pub(super) fn new(counts: Counts) -> (Self, Receiver<SpanData>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, counts }, receiver)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        match self.sender.try_send(span) {
            Ok(()) => self.counts.take(),
            Err(_) => self.counts.refuse(),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
