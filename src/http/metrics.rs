//! What the daemon counts and measures, in the Prometheus text format. No label holds a user or an instance.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use http::StatusCode;
use minimcp_actors::snapshot::Transitioned;
use minimcp_actors::state::{Cause, Status};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::call::{Answer, Call, with_body};
use super::context::Context;
use crate::gateway::Gateway;
use crate::machine::Machine;
use crate::problem::Problem;
use crate::traces::Traces;

const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Standing {
    status: String,
    mcp_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Move {
    to: String,
    cause: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

/// The daemon's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    instances: Family<Standing, Gauge>,
    transitions: Family<Move, Counter>,
    start_seconds: Histogram,
    answers: Family<Class, Counter>,
    mailboxes: Family<Kind, Gauge>,
    in_flight: Gauge,
    journal_waiting: Gauge,
    journal_written: Gauge,
    store_seconds: Gauge<f64, AtomicU64>,
    audit_records: Gauge,
    audit_failing: Gauge,
    uptime: Gauge,
    machine_memory: Gauge,
    machine_available: Gauge,
    machine_load: Gauge<f64, AtomicU64>,
}

impl Metrics {
    pub(super) fn new(gateway: &Gateway, traces: &Traces) -> Self {
        let mut registry = Registry::default();
        gateway.register(&mut registry);
        traces.register(&mut registry);
        let metrics = Self {
            instances: Family::default(),
            transitions: Family::default(),
            // From 10 ms to 82 s.
            start_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            answers: Family::default(),
            mailboxes: Family::default(),
            in_flight: Gauge::default(),
            journal_waiting: Gauge::default(),
            journal_written: Gauge::default(),
            store_seconds: Gauge::default(),
            audit_records: Gauge::default(),
            audit_failing: Gauge::default(),
            uptime: Gauge::default(),
            machine_memory: Gauge::default(),
            machine_available: Gauge::default(),
            machine_load: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("minimcp_instances", "Instances by status and type", metrics.instances.clone());
        registry.register(
            "minimcp_transitions",
            "Changes of status by the new one and by cause: restarts, kills, ends",
            metrics.transitions.clone(),
        );
        registry.register_with_unit(
            "minimcp_start",
            "From the launch of a run to its readiness",
            Unit::Seconds,
            metrics.start_seconds.clone(),
        );
        registry.register(
            "minimcp_http_answers",
            "Answers of the management API by class",
            metrics.answers.clone(),
        );
        registry.register(
            "minimcp_mailbox_depth",
            "Messages waiting, by kind of actor",
            metrics.mailboxes.clone(),
        );
        registry.register(
            "minimcp_gateway_in_flight",
            "Requests under way through the gateway",
            metrics.in_flight.clone(),
        );
        registry.register(
            "minimcp_journal_waiting",
            "Entries that wait for the store",
            metrics.journal_waiting.clone(),
        );
        registry.register(
            "minimcp_journal_written",
            "Entries written since the daemon began",
            metrics.journal_written.clone(),
        );
        registry.register_with_unit(
            "minimcp_store_write",
            "How long the last batch of the journal took",
            Unit::Seconds,
            metrics.store_seconds.clone(),
        );
        registry.register(
            "minimcp_audit_records",
            "Audit records written since the daemon began",
            metrics.audit_records.clone(),
        );
        registry.register(
            "minimcp_audit_failing",
            "1 while audit records cannot be written and what needs them is refused",
            metrics.audit_failing.clone(),
        );
        registry.register_with_unit(
            "minimcp_uptime",
            "Since the daemon began",
            Unit::Seconds,
            metrics.uptime.clone(),
        );
        registry.register_with_unit(
            "minimcp_machine_memory",
            "What the machine has, or the container that the daemon is in",
            Unit::Bytes,
            metrics.machine_memory.clone(),
        );
        registry.register_with_unit(
            "minimcp_machine_memory_available",
            "What processes can have without swapping",
            Unit::Bytes,
            metrics.machine_available.clone(),
        );
        registry.register(
            "minimcp_machine_load",
            "Processes that ran or wanted to, on average over the last minute",
            metrics.machine_load.clone(),
        );
        // A rate sees a counter rise only if it was there before: what alerts are about begins at 0.
        for cause in Cause::ALL {
            for to in [Status::Restarting, Status::Disconnected] {
                let (to, cause) = (to.to_string(), cause.as_str().to_owned());
                metrics.transitions.get_or_create(&Move { to, cause }).inc_by(0);
            }
        }
        metrics.answers.get_or_create(&Class { class: "5xx".to_owned() }).inc_by(0);
        Self { registry, ..metrics }
    }

    /// Counts an answer of the management API.
    pub(super) fn answered(&self, status: StatusCode) {
        self.answers.get_or_create(&Class { class: format!("{}xx", status.as_u16() / 100) }).inc();
    }

    /// Counts a change of status; `launched` is when the run began that is ready with it.
    fn moved(&self, transitioned: &Transitioned, launched: Option<DateTime<Utc>>) {
        let snapshot = &transitioned.snapshot;
        let cause = snapshot.cause.as_str().to_owned();
        self.transitions.get_or_create(&Move { to: snapshot.status.to_string(), cause }).inc();
        if let Some(took) = launched.and_then(|launched| (snapshot.since - launched).to_std().ok()) {
            self.start_seconds.observe(took.as_secs_f64());
        }
    }

    /// Sets what is measured when somebody looks.
    fn look(&self, context: &Context) {
        let parts = &context.parts;
        self.instances.clear();
        let mut in_flight = 0;
        for snapshot in parts.supervision.registry().all() {
            let standing =
                Standing { status: snapshot.status.to_string(), mcp_type: snapshot.kind.to_string() };
            self.instances.get_or_create(&standing).inc();
            in_flight +=
                parts.supervision.routes().get(snapshot.id).map_or(0, |route| i64::from(route.in_flight()));
        }
        self.in_flight.set(in_flight);
        self.mailboxes.clear();
        for actor in parts.supervision.actors() {
            let depth = i64::try_from(actor.mailbox_depth).unwrap_or(i64::MAX);
            self.mailboxes.get_or_create(&Kind { kind: actor.kind.to_owned() }).inc_by(depth);
        }
        self.journal_waiting.set(parts.journal.waiting().try_into().unwrap_or(i64::MAX));
        self.journal_written.set(parts.journal.written().try_into().unwrap_or(i64::MAX));
        self.store_seconds.set(crate::instances::view::milliseconds(parts.journal.last_write_us()) / 1_000.0);
        let trail = parts.trail.standing();
        self.audit_records.set(trail.records.try_into().unwrap_or(i64::MAX));
        self.audit_failing.set(trail.failing.into());
        self.uptime.set(context.uptime_seconds().try_into().unwrap_or(i64::MAX));
        // Where the machine does not tell, its last values stand; the daemon has nothing to mend there.
        if let Ok(machine) = Machine::look() {
            self.machine_memory.set(machine.memory.try_into().unwrap_or(i64::MAX));
            self.machine_available.set(machine.available.try_into().unwrap_or(i64::MAX));
            self.machine_load.set(machine.load);
        }
    }
}

/// Counts every change of status until the daemon ends.
pub(super) async fn observe(context: Arc<Context>) {
    let mut transitions = context.parts.supervision.registry().subscribe();
    let mut launched: HashMap<Uuid, DateTime<Utc>> = HashMap::new();
    loop {
        let next = tokio::select! {
            next = transitions.recv() => next,
            () = context.parts.stop.cancelled() => return,
        };
        match next {
            Ok(transitioned) => {
                let snapshot = &transitioned.snapshot;
                let ready = snapshot.status == Status::Running;
                let began = launched.remove(&snapshot.id).filter(|_| ready);
                if snapshot.status == Status::Starting {
                    launched.insert(snapshot.id, snapshot.since);
                }
                context.metrics.moved(&transitioned, began);
            }
            // What was passed over is not counted; the gauges are right all the same.
            Err(RecvError::Lagged(_)) => launched.clear(),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Everything the daemon counts and measures. For operators.
#[utoipa::path(get, path = "/metrics", tag = "watching", security(("token" = ["operator"]), ("token" = ["admin"])),
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn show(call: Call) -> Answer {
    call.caller()?.operates()?;
    call.no_query()?;
    call.context.metrics.look(&call.context);
    let mut text = String::new();
    encode(&mut text, &call.context.metrics.registry).map_err(|error| Problem::internal(&error))?;
    Ok(with_body(StatusCode::OK, TEXT, text.into()))
}
