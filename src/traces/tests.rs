use chrono::TimeDelta;
use minimcp_actors::policy::Limits;
use minimcp_actors::snapshot::{Snapshot, Transitioned};
use minimcp_actors::state::{Cause, Status};

use super::*;

/// A transition of the same instance, so many seconds after the first.
fn moved(status: Status, cause: Cause, seconds: i64) -> Transitioned {
    let began = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let snapshot = Snapshot {
        id: Uuid::nil(),
        owner: Uuid::nil(),
        kind: "faulty".into(),
        part_of: None,
        seq: 1,
        status,
        cause,
        reason: String::new(),
        since: began + TimeDelta::seconds(seconds),
        run: minimcp_actors::state::Run(3),
        pid: None,
        port: None,
        beside: None,
        started_at: Some(began),
        restored_at: None,
        lease_ends_at: None,
        restarts: 0,
        restarts_in_window: 0,
        next_start_at: None,
        usage: None,
        health: None,
        last_exit: None,
        limits: Limits::default(),
        enforced: None,
        isolation: None,
    };
    Transitioned { global_seq: 1, from: None, snapshot: Arc::new(snapshot) }
}

/// The starts in these transitions: cause, seconds, what failed, and whether a request asked for it.
fn starts(history: &[(Status, Cause, i64)]) -> Vec<(Cause, i64, Option<Cause>, bool)> {
    let mut starts = Starts::default();
    let told = history.iter().filter_map(|(status, cause, seconds)| {
        starts.hear(&moved(*status, *cause, *seconds), |_| Some(SpanContext::NONE))
    });
    told.map(|start| {
        (start.cause, (start.to - start.from).num_seconds(), start.failed, start.parent.is_some())
    })
    .collect()
}

#[test]
fn a_start_is_from_its_launch_to_its_readiness_or_to_what_kept_it_from_that() {
    use Status::{Failed, Hibernated, Pending, Restarting, Running, Starting, Unhealthy};
    let good =
        [(Pending, Cause::Commanded, 0), (Starting, Cause::Commanded, 1), (Running, Cause::Commanded, 3)];
    assert_eq!(starts(&good), [(Cause::Commanded, 2, None, true)]);
    let woken = [(Hibernated, Cause::Idle, 0), (Starting, Cause::Woken, 1), (Running, Cause::Woken, 2)];
    assert_eq!(starts(&woken), [(Cause::Woken, 1, None, true)]);
    let after_a_crash =
        [(Restarting, Cause::Exited, 0), (Starting, Cause::Exited, 5), (Running, Cause::Exited, 6)];
    assert_eq!(starts(&after_a_crash), [(Cause::Exited, 1, None, false)], "nobody asked for it");
    let bad = [
        (Starting, Cause::Commanded, 0),
        (Restarting, Cause::StartTimeout, 4),
        (Starting, Cause::StartTimeout, 5),
        (Failed, Cause::LaunchFailed, 6),
    ];
    let both = [
        (Cause::Commanded, 4, Some(Cause::StartTimeout), true),
        (Cause::StartTimeout, 1, Some(Cause::LaunchFailed), false),
    ];
    assert_eq!(starts(&bad), both);
    assert_eq!(starts(&[(Unhealthy, Cause::ProbesFailed, 0), (Running, Cause::Recovered, 1)]), []);
    assert_eq!(starts(&[(Starting, Cause::Adopted, 0), (Running, Cause::Adopted, 1)]), [], "it ran already");
    assert_eq!(starts(&[(Running, Cause::Replaced, 2)]), [(Cause::Replaced, 2, None, false)]);
}

#[test]
fn without_a_collector_a_span_is_nothing() {
    let traces = Traces::off();
    let mut headers = HeaderMap::new();
    headers.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
    let span = traces.of_request(&headers);
    assert!(!span.is_recorded() && span.now().is_none() && span.current().is_none());
    assert!(!span.child("x", SpanKind::Internal, None).is_recorded());
    assert_eq!(size_of::<Span>(), size_of::<usize>());
}
