//! Traces for operators who collect them: spans of requests, of calls at servers and of starts, sent by OTLP.
//!
//! ```text
//! request ────▶ Span ──(end)──▶ queue ──▶ export ──▶ collector
//! transitions ─▶ starts ────────▶ (bounded)  (a task)    (HTTP)
//! ```
//! Without a collector in the settings nothing here runs, and a [`Span`] is nothing. With one, nobody waits for it: what
//! finds no place in the queue is dropped and counted. Who sends `traceparent` decides whether a request is sampled; else
//! the ratio in the settings does. Servers get the `traceparent` of their client as it came, and none from us.

mod causes;
mod collector;
mod counts;
mod current;
mod export;
mod parent;
mod queue;
mod span;
mod starts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use minimcp_actors::snapshot::Registry;
use opentelemetry::trace::{SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{RandomIdGenerator, Sampler, SdkTracer, SdkTracerProvider, SpanLimits};
use slog::{Logger, info, o, warn};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use current::{carried, leads_to_start_of};
pub(crate) use span::Span;

use crate::config::TraceSettings;
use causes::Causes;
use collector::Collector;
use counts::{Counts, Loss};
use current::Named;
use export::Exporter;
use queue::Queue;
use starts::{Start, Starts};

/// How long the end of the daemon waits for the collector.
const LAST: Duration = Duration::from_secs(2);

/// Makes spans and sees that they are sent. Clones are the same.
#[derive(Clone)]
pub struct Traces {
    on: Option<Arc<Tracing>>,
    counts: Counts,
}

/// What there is if traces are sent.
pub(crate) struct Tracing {
    tracer: SdkTracer,
    causes: Causes,
    closing: CancellationToken,
    exporting: Mutex<Option<JoinHandle<()>>>,
    log: Logger,
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").finish_non_exhaustive()
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("on", &self.on.is_some()).finish_non_exhaustive()
    }
}

impl Tracing {
    /// A span under this parent, if the parent or else the ratio wants it.
    fn begin(self: &Arc<Self>, builder: SpanBuilder, parent: Option<SpanContext>) -> Span {
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        Span::of(self.tracer.build_with_context(builder, &context), self)
    }
}

impl Traces {
    /// Nothing is traced.
    #[must_use]
    pub fn off() -> Self {
        Self { on: None, counts: Counts::default() }
    }

    /// Sends traces to the collector in the settings, from a task of this runtime; nothing without one.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn start(settings: Option<&TraceSettings>, log: &Logger) -> reqwest::Result<Self> {
        let Some(settings) = settings else { return Ok(Self::off()) };
        let counts = Counts::default();
        let (queue, waiting) = Queue::new(counts.clone());
        // Empty at first, and everything set: the environment has no say but by our own settings.
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", settings.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
        ]);
        let resource = resource.build();
        let collector = Collector::new(settings, &resource)?;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_id_generator(RandomIdGenerator::default())
            .with_span_limits(SpanLimits::default())
            .with_resource(resource)
            .build();
        let closing = CancellationToken::new();
        let exporter = Exporter::new(waiting, collector, counts.clone(), closing.clone(), log.clone());
        let exporting = Mutex::new(Some(tokio::spawn(exporter.run())));
        info!(log, "traces are sent"; "to" => %settings.endpoint, "sample_ratio" => settings.sample_ratio);
        let (tracer, log) = (provider.tracer("minimcp"), log.clone());
        let tracing = Tracing { tracer, causes: Causes::default(), closing, exporting, log };
        Ok(Self { on: Some(Arc::new(tracing)), counts })
    }

    /// Registers what is counted.
    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.counts.register(registry);
    }

    /// The same log, which says of lines of a sampled request which trace they belong to.
    pub(crate) fn named(&self, log: Logger) -> Logger {
        if self.on.is_some() { Logger::root(Named(log), o!()) } else { log }
    }

    /// The span of a request with these headers.
    pub(crate) fn of_request(&self, headers: &HeaderMap) -> Span {
        let Some(tracing) = &self.on else { return Span::none() };
        tracing.begin(SpanBuilder::from_name("HTTP").with_kind(SpanKind::Server), parent::of(headers))
    }

    /// Makes spans of starts until `stop` is cancelled.
    pub(crate) async fn follow(self, registry: Arc<Registry>, stop: CancellationToken) {
        let Some(tracing) = self.on else { return };
        let mut transitions = registry.subscribe();
        let mut starts = Starts::default();
        loop {
            let next = tokio::select! {
                next = transitions.recv() => next,
                () = stop.cancelled() => return,
            };
            match next {
                Ok(moved) => {
                    if let Some(start) = starts.hear(&moved, |instance| tracing.causes.take(instance)) {
                        tell(&tracing, start);
                    }
                }
                Err(RecvError::Lagged(_)) => starts.forget(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Sends what waits, for as long as the end of the daemon can wait, and counts the rest as dropped.
    pub async fn end(&self) {
        let Some(tracing) = &self.on else { return };
        tracing.closing.cancel();
        let exporting = tracing.exporting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut exporting) = exporting
            && tokio::time::timeout(LAST, &mut exporting).await.is_err()
        {
            exporting.abort();
        }
        let open = self.counts.open();
        if open > 0 {
            self.counts.lost(Loss::End, open);
            warn!(tracing.log, "spans of traces were not sent before the end"; "spans" => open);
        }
    }
}

/// Makes the span of a start that is over.
fn tell(tracing: &Arc<Tracing>, start: Start) {
    let mut builder = SpanBuilder::from_name("instance.start").with_kind(SpanKind::Internal);
    builder.start_time = Some(SystemTime::from(start.from));
    let mut span = tracing.begin(builder, start.parent);
    span.set("minimcp.instance.id", start.instance.to_string());
    span.set("minimcp.instance.type", start.mcp_type.to_string());
    span.set("minimcp.instance.generation", i64::try_from(start.run.0).unwrap_or(i64::MAX));
    span.set("minimcp.start.cause", start.cause.as_str());
    if let Some(failed) = start.failed {
        span.fail(failed.as_str());
    }
    span.end_at(SystemTime::from(start.to));
}
