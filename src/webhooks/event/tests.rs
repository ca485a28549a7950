use chrono::TimeDelta;
use serde_json::json;

use super::*;

fn instance() -> mcp_instance::Model {
    mcp_instance::Model {
        id: Uuid::from_u128(1),
        user_id: Uuid::from_u128(2),
        mcp_type: "github".into(),
        credential_id: None,
        name: Some("work".into()),
        config: json!({"api_key": "CANARY"}),
        debug: false,
        restart: None,
        limits: None,
        idle_timeout_seconds: None,
        desired: "running".into(),
        status: "running".into(),
        cause: None,
        status_reason: None,
        generation: 1,
        process_id: None,
        assigned_port: None,
        token_hash: Vec::new(),
        previous_token_hash: None,
        previous_token_until: None,
        restart_requested_at: None,
        created_at: DateTime::UNIX_EPOCH,
        started_at: None,
        expires_at: DateTime::UNIX_EPOCH,
        stopped_at: None,
        restored_at: None,
        last_checked_at: None,
        last_accessed_at: None,
        restarts_total: 0,
        last_exit: Some(json!({"stderr_tail": "CANARY"})),
        mac: Vec::new(),
    }
}

fn transition(from: Option<Status>, to: Status, cause: Cause) -> transition::Model {
    transition::Model {
        id: 7,
        instance_id: Uuid::from_u128(1),
        user_id: Uuid::from_u128(2),
        seq: 1,
        run: 3,
        from_status: from.map(|status| status.as_str().to_owned()),
        to_status: to.as_str().to_owned(),
        cause: Some(cause.as_str().to_owned()),
        reason: cause.words().to_owned(),
        at: DateTime::UNIX_EPOCH + TimeDelta::seconds(5),
    }
}

fn webhook(scope: Reach, user: u128, events: &[EventKind]) -> webhook::Model {
    webhook::Model {
        id: Uuid::from_u128(9),
        user_id: Uuid::from_u128(user),
        name: String::new(),
        url: String::new(),
        scope: scope.as_str().to_owned(),
        events: EventKind::join(events),
        enabled: true,
        sealed: Vec::new(),
        key_id: String::new(),
        version: 1,
        previous_until: None,
        failing_since: None,
        disabled_reason: None,
        dropped: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        mac: Vec::new(),
    }
}

#[test]
fn a_change_of_status_is_told_where_its_owner_has_to_know() {
    use EventKind::{InstanceDisconnected, InstanceExpired, InstanceFailed, InstanceKilled};
    let kinds = |from, to, cause| {
        let told = of_transition(&transition(from, to, cause), &instance());
        told.into_iter().map(|one| one.kind).collect::<Vec<_>>()
    };
    let running = Some(Status::Running);
    for (from, to, cause, expected) in [
        (running, Status::Restarting, Cause::HighMemory, Some(InstanceKilled)),
        (running, Status::Restarting, Cause::HighCpu, Some(InstanceKilled)),
        (Some(Status::Unhealthy), Status::Restarting, Cause::ProbesFailed, Some(InstanceKilled)),
        (running, Status::Stopping, Cause::HighMemory, Some(InstanceKilled)),
        (Some(Status::Stopping), Status::Disconnected, Cause::HighMemory, Some(InstanceDisconnected)),
        (Some(Status::Restarting), Status::Starting, Cause::HighMemory, None),
        (Some(Status::Restarting), Status::Stopping, Cause::HighMemory, None),
        (running, Status::Unhealthy, Cause::ProbesFailed, None),
        (running, Status::Restarting, Cause::Exited, None),
        (running, Status::Stopping, Cause::LeaseEnded, None),
        (Some(Status::Stopping), Status::Expired, Cause::LeaseEnded, Some(InstanceExpired)),
        (None, Status::Expired, Cause::LeaseEnded, Some(InstanceExpired)),
        (Some(Status::Restarting), Status::Disconnected, Cause::Exited, Some(InstanceDisconnected)),
        (Some(Status::Stopping), Status::Disconnected, Cause::DaemonShutdown, None),
        (None, Status::Disconnected, Cause::Lost, None),
        (Some(Status::Starting), Status::Failed, Cause::LaunchFailed, Some(InstanceFailed)),
        (Some(Status::Stopping), Status::Stopped, Cause::Commanded, None),
        (running, Status::Hibernated, Cause::Idle, None),
    ] {
        assert_eq!(
            kinds(from, to, cause),
            expected.into_iter().collect::<Vec<_>>(),
            "{from:?} {to:?} {cause:?}"
        );
    }
}

#[test]
fn the_body_says_what_when_and_to_what_and_holds_no_configuration_and_no_output() {
    let row = transition(Some(Status::Running), Status::Restarting, Cause::HighMemory);
    let told = of_transition(&row, &instance()).remove(0);
    let body: Value = serde_json::from_str(&told.payload()).unwrap();
    assert_eq!(
        body,
        json!({"type": "instance.killed", "timestamp": "1970-01-01T00:00:05.000000Z", "data": {
            "instance_id": Uuid::from_u128(1), "user_id": Uuid::from_u128(2), "mcp_type": "github", "name": "work",
            "expires_at": "1970-01-01T00:00:00Z", "status": "restarting", "cause": "high_memory",
            "reason": "High memory usage", "generation": 3,
        }})
    );
    assert!(!told.payload().contains("CANARY"));
}

#[test]
fn a_webhook_hears_of_what_it_asked_for_of_its_owner_or_of_everybody() {
    let row = transition(Some(Status::Stopping), Status::Expired, Cause::LeaseEnded);
    let told = of_transition(&row, &instance()).remove(0);
    assert!(told.is_for(&webhook(Reach::Own, 2, &[])));
    assert!(told.is_for(&webhook(Reach::Own, 2, &[EventKind::InstanceFailed, EventKind::InstanceExpired])));
    assert!(!told.is_for(&webhook(Reach::Own, 2, &[EventKind::InstanceFailed])));
    assert!(!told.is_for(&webhook(Reach::Own, 3, &[])), "it is another's");
    assert!(told.is_for(&webhook(Reach::All, 3, &[])));
    let later = webhook::Model { created_at: told.at + TimeDelta::seconds(1), ..webhook(Reach::All, 3, &[]) };
    assert!(!told.is_for(&later), "it happened before");
    let of_the_daemon = Happened { user_id: None, ..told };
    assert!(!of_the_daemon.is_for(&webhook(Reach::Own, 2, &[])));
    assert!(of_the_daemon.is_for(&webhook(Reach::All, 3, &[])));
}

#[test]
fn names_of_events_round_trip_and_agree_with_serde() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
        assert_eq!(json!(kind), kind.as_str());
    }
    assert_eq!(EventKind::split(&EventKind::join(EventKind::ALL)), EventKind::ALL);
    assert_eq!(EventKind::split("instance.failed,of.tomorrow"), [EventKind::InstanceFailed]);
}
