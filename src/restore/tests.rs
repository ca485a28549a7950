//! What becomes of an instance after a start of the daemon, by what is wanted and what is there.

use minimcp_actors::launch::Identity;
use minimcp_actors::recovery::Decision;
use minimcp_actors::state::{Command, Outcome};

use super::*;

fn decide(
    row: &mcp_instance::Model,
    desired: Desired,
    record: Option<&Record>,
    renewed_at: Option<DateTime<Utc>>,
    on_restart: OnRestart,
) -> Result<Decision, StoreError> {
    let row = mcp_instance::Model { desired: desired.as_str().into(), ..row.clone() };
    let known = remembered(&row, renewed_at)?;
    Ok(recovery::decide(&known, record, on_restart == OnRestart::Replace))
}

fn row(status: Status, cause: Cause) -> mcp_instance::Model {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    mcp_instance::Model {
        id: Uuid::nil(),
        user_id: Uuid::nil(),
        mcp_type: "everything".into(),
        credential_id: None,
        name: None,
        config: serde_json::json!({}),
        debug: false,
        restart: None,
        limits: None,
        idle_timeout_seconds: None,
        desired: Desired::Running.as_str().into(),
        status: status.as_str().into(),
        cause: Some(cause.as_str().into()),
        status_reason: None,
        generation: 3,
        process_id: None,
        assigned_port: None,
        token_hash: Vec::new(),
        previous_token_hash: None,
        previous_token_until: None,
        restart_requested_at: None,
        created_at: at,
        started_at: None,
        expires_at: at,
        stopped_at: None,
        restored_at: None,
        last_checked_at: None,
        last_accessed_at: None,
        restarts_total: 0,
        last_exit: None,
        mac: Vec::new(),
    }
}

fn record(run: u64) -> Record {
    Record {
        id: Uuid::nil(),
        run: Run(run),
        identity: Identity { pid: 1, start_ticks: 1, boot_id: "b".into() },
        port: None,
        nonce: String::new(),
        started_at: DateTime::<Utc>::UNIX_EPOCH,
        log_dir: "logs".into(),
        stderr_from: 0,
        uid: None,
        isolation: None,
        alarm_at: None,
        cgroups: Vec::new(),
        piped: false,
    }
}

#[test]
fn what_is_wanted_and_what_is_there_decide_together() {
    use Decision::{Adopt, Rest, Start};
    use Desired::{Running, Stopped};
    let adopt = Adopt { restore: true, then: None };
    let stop = Adopt { restore: false, then: Some(Command::Stop) };
    let rest = |outcome, cause| Rest(outcome, cause);
    for (status, cause, desired, run, expected) in [
        (Status::Running, Cause::Commanded, Running, Some(3), adopt),
        (Status::Running, Cause::Commanded, Running, None, Start),
        (Status::Pending, Cause::Commanded, Running, None, Start),
        (Status::Running, Cause::Commanded, Stopped, Some(3), stop),
        (Status::Running, Cause::Commanded, Stopped, None, rest(Outcome::Stopped, Cause::Commanded)),
        (Status::Hibernated, Cause::Idle, Running, None, rest(Outcome::Hibernated, Cause::Idle)),
        (Status::Hibernated, Cause::Idle, Running, Some(3), rest(Outcome::Hibernated, Cause::Idle)),
        (Status::Hibernated, Cause::Idle, Running, Some(4), adopt),
        (Status::Stopping, Cause::Idle, Running, None, rest(Outcome::Hibernated, Cause::Idle)),
        (Status::Disconnected, Cause::DaemonShutdown, Running, None, Start),
        (Status::Disconnected, Cause::Lost, Running, None, Start),
        (Status::Disconnected, Cause::Exited, Running, None, rest(Outcome::Disconnected, Cause::Exited)),
        (Status::Failed, Cause::LaunchFailed, Running, None, rest(Outcome::Failed, Cause::LaunchFailed)),
        (Status::Expired, Cause::LeaseEnded, Running, None, rest(Outcome::Expired, Cause::LeaseEnded)),
    ] {
        let record = run.map(record);
        let decided = decide(&row(status, cause), desired, record.as_ref(), None, OnRestart::Adopt).unwrap();
        assert_eq!(decided, expected, "{status} by {cause:?}, wanted {desired:?}, record of run {run:?}");
    }
}

#[test]
fn a_restart_that_was_promised_before_the_crash_is_carried_out_after_it() {
    let mut row = row(Status::Running, Cause::Commanded);
    row.restart_requested_at = Some(Utc::now());
    let decided = decide(&row, Desired::Running, Some(&record(3)), None, OnRestart::Adopt).unwrap();
    assert_eq!(decided, Decision::Adopt { restore: true, then: Some(Command::Restart) });
}

#[test]
fn what_was_asked_back_after_its_end_is_started_and_what_ended_after_it_rests() {
    for (status, cause) in [(Status::Stopped, Cause::Commanded), (Status::Disconnected, Cause::Exited)] {
        let mut row = row(status, cause);
        let ended_at = Utc::now();
        row.stopped_at = Some(ended_at);
        for (asked_at, starts) in [(1, true), (-1, false)] {
            row.restart_requested_at = Some(ended_at + chrono::TimeDelta::seconds(asked_at));
            let decided = decide(&row, Desired::Running, None, None, OnRestart::Adopt).unwrap();
            assert_eq!(decided == Decision::Start, starts, "{status}, asked {asked_at} s after: {decided:?}");
        }
    }
}

#[test]
fn survivors_are_replaced_where_that_is_configured() {
    let row = row(Status::Running, Cause::Commanded);
    let decided = decide(&row, Desired::Running, Some(&record(3)), None, OnRestart::Replace).unwrap();
    assert_eq!(decided, Decision::Start);
}

#[test]
fn a_row_that_holds_a_word_nobody_wrote_is_an_error() {
    let mut row = row(Status::Running, Cause::Commanded);
    row.status = "asleep".into();
    assert!(decide(&row, Desired::Running, None, None, OnRestart::Adopt).is_err());
}

#[test]
fn of_two_processes_of_an_instance_the_one_that_served_is_kept() {
    let row = row(Status::Running, Cause::Commanded);
    for (runs, dead, kept) in [
        (vec![], None, None),
        (vec![3], None, Some(3)),
        (vec![4, 3], None, Some(3)),
        (vec![3, 4], Some(3), Some(4)),
        // The journal was a step behind: the older one served until just now.
        (vec![5, 4], None, Some(4)),
    ] {
        let records = runs.iter().map(|run| record(*run)).collect();
        let (found, others) = serving(generation(&row), records, |record| Some(record.run.0) != dead);
        assert_eq!(found.map(|record| record.run.0), kept, "{runs:?} without {dead:?}");
        assert_eq!(others.len(), runs.len().saturating_sub(1));
    }
}

#[test]
fn a_run_that_is_older_than_its_credentials_is_replaced_after_the_crash() {
    let row = row(Status::Running, Cause::Commanded);
    let record = record(3);
    for (seconds, then) in [(1, Some(Command::Replace)), (-1, None)] {
        let renewed_at = Some(record.started_at + chrono::TimeDelta::seconds(seconds));
        let decided = decide(&row, Desired::Running, Some(&record), renewed_at, OnRestart::Adopt).unwrap();
        assert_eq!(decided, Decision::Adopt { restore: true, then });
    }
}

#[test]
fn the_recently_used_come_back_first_and_one_that_was_never_used_counts_from_its_making() {
    let at = |seconds| DateTime::<Utc>::from_timestamp(seconds, 0).unwrap();
    let made = |number, created, accessed: Option<i64>| mcp_instance::Model {
        id: Uuid::from_u128(number),
        created_at: at(created),
        last_accessed_at: accessed.map(at),
        ..row(Status::Running, Cause::Commanded)
    };
    let rows = vec![made(1, 0, Some(50)), made(2, 70, None), made(3, 10, Some(90)), made(4, 60, Some(60))];
    let order: Vec<u128> = recent_first(rows).iter().map(|row| row.id.as_u128()).collect();
    assert_eq!(order, [3, 2, 4, 1]);
}
