use chrono::Duration;
use serde_json::json;

use super::*;
use crate::api::instance::Status;

/// An instance as the API gives it.
pub(crate) fn instance(status: Status) -> Instance {
    serde_json::from_value(json!({
        "id": "0192f3a4-5b6c-7000-8000-000000000001",
        "name": "work",
        "user_id": "0192f3a4-0000-7000-8000-000000000001",
        "mcp_type": "github",
        "status": status,
        "status_reason": "answers",
        "generation": 3,
        "process_id": 4242,
        "assigned_port": 20001,
        "access_url": "http://127.0.0.1:7878/i/0192f3a4-5b6c-7000-8000-000000000001/mcp",
        "direct_url": "http://127.0.0.1:20001/mcp",
        "created_at": "2030-01-01T00:00:00Z",
        "started_at": "2030-01-01T00:00:01Z",
        "expires_at": "2030-01-01T01:00:00Z",
        "stopped_at": null,
        "restored_at": null,
        "last_checked_at": "2030-01-01T00:29:50Z",
        "last_accessed_at": null,
        "restarts": {"total": 2, "in_window": 1, "next_at": null},
        "stats": {
            "cpu_percent": 12.34, "memory_bytes": 157_286_400, "processes": 2,
            "health": {"healthy": true, "checked_at": "2030-01-01T00:29:50Z", "latency_ms": 1.25, "problem": null}
        },
        "limits": {"declared": {"max_memory_mb": 512, "max_cpu_percent": 50}, "enforced_by": ["memory: cgroup v1", "cpu: sampling"]},
        "last_exit": {
            "code": null, "signal": 9, "cause": "high_memory", "at": "2030-01-01T00:10:00Z",
            "stderr_tail": "one\ntwo\n"
        },
        "credential_id": null,
        "config": {"timeout_ms": 5},
        "debug": false
    }))
    .unwrap()
}

/// Half past midnight of the day the instance was made.
pub(crate) fn now() -> DateTime<Utc> {
    instance(Status::Running).created_at + Duration::minutes(30)
}

#[test]
fn a_piped_list_is_plain_and_whole() {
    let list = listing(&Output::piped(), &[instance(Status::Running)], now());
    assert_eq!(
        list.trim_fmt(),
        "ID                                    NAME  TYPE    STATUS     CPU   MEMORY  RESTARTS  LEASE\n\
         0192f3a4-5b6c-7000-8000-000000000001  work  github  running  12.3%  150 MiB         2    30m"
    );
}

#[test]
fn an_instance_is_described_with_its_last_exit() {
    let text = description(&instance(Status::Restarting), now());
    for line in [
        "status      restarting (answers)",
        "lease       2030-01-01 01:00:00 UTC (in 30m)",
        "process     4242, port 20001, run 3",
        "restarts    2, 1 of them count against the budget",
        "usage       12.3% of a core, 150 MiB, 2 processes",
        "health      healthy (1.2 ms, 10s ago)",
        "limits      512 MiB, 50% of a core (memory: cgroup v1; cpu: sampling)",
        "credential  -",
        "config      {\"timeout_ms\":5}",
        "last exit   high_memory, signal 9, 2030-01-01 00:10:00 UTC (20m ago)",
        "            two",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
