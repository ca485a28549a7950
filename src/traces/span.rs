//! A span: something that takes its time, as part of a trace. One that is not sampled is nothing at all.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use uuid::Uuid;

use super::Tracing;
use super::current::Current;

/// Something that takes its time. It ends when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Box<Recorded>>);

#[derive(Debug)]
struct Recorded {
    span: opentelemetry_sdk::trace::Span,
    tracing: Arc<Tracing>,
}

impl Span {
    /// None, as nothing has a name of it.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The span if it is sampled, else none.
    pub(super) fn of(span: opentelemetry_sdk::trace::Span, tracing: &Arc<Tracing>) -> Self {
        if !span.is_recording() {
            return Self::none();
        }
        Self(Some(Box::new(Recorded { span, tracing: Arc::clone(tracing) })))
    }

    /// Whether anybody will see it.
    pub(crate) fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// The time, if a child is to be made later that begins now.
    pub(crate) fn now(&self) -> Option<SystemTime> {
        self.is_recorded().then(SystemTime::now)
    }

    /// A part of it that begins now, or began at `since`.
    pub(crate) fn child(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        since: Option<SystemTime>,
    ) -> Self {
        let Some(recorded) = &self.0 else { return Self::none() };
        let mut builder = SpanBuilder::from_name(name).with_kind(kind);
        builder.start_time = since;
        recorded.tracing.begin(builder, Some(recorded.span.span_context().clone()))
    }

    /// Says something about it. Never a secret, a body, a query or anything that a caller makes up.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(recorded) = &mut self.0 {
            recorded.span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Gives it another name.
    pub(crate) fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(recorded) = &mut self.0 {
            recorded.span.update_name(name);
        }
    }

    /// It failed, with this kind of error: a word of a small set.
    pub(crate) fn fail(&mut self, kind: impl Into<Cow<'static, str>>) {
        if let Some(recorded) = &mut self.0 {
            recorded.span.set_attribute(KeyValue::new("error.type", kind.into()));
            recorded.span.set_status(Status::error(""));
        }
    }

    /// Ends it at this time.
    pub(super) fn end_at(mut self, at: SystemTime) {
        if let Some(recorded) = &mut self.0 {
            recorded.span.end_with_timestamp(at);
        }
    }

    /// It leads to the next start of this instance, whose span becomes a part of it.
    pub(crate) fn leads_to_start_of(&self, instance: Uuid) {
        if let Some(recorded) = &self.0 {
            recorded.tracing.causes.note(instance, recorded.span.span_context().clone());
        }
    }

    /// Itself, for what is done within it and does not know it.
    pub(crate) fn current(&self) -> Option<Current> {
        let recorded = self.0.as_ref()?;
        Some(Current::new(Arc::clone(&recorded.tracing), recorded.span.span_context().clone()))
    }
}
