//! An instance as callers see it: its row, and over it what the supervisor knows at this moment.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use minimcp_actors::launch::cgroup::Enforcer;
use minimcp_actors::routes::Route;
use minimcp_actors::snapshot::Snapshot;
use minimcp_entities::mcp_instance;
use serde_json::Value;

use crate::api::instance::{DeclaredLimits, Health, Instance, LastExit, Limits, Restarts, Stats, Status};
use crate::config::Settings;

/// The instance in JSON. Without a snapshot it is shown as it was last written down.
pub(crate) fn instance(
    settings: &Settings,
    row: &mcp_instance::Model,
    snapshot: Option<&Snapshot>,
    route: Option<&Arc<Route>>,
) -> Instance {
    let status = snapshot.map_or_else(|| stored_status(row), |snapshot| snapshot.status.into());
    let port = match snapshot {
        Some(snapshot) => snapshot.port.filter(|_| snapshot.pid.is_some()),
        None => row.assigned_port.and_then(|port| u16::try_from(port).ok()),
    };
    let ended = minimcp_actors::state::Status::from(status).is_ended();
    let called = route.and_then(|route| route.last_access_ms()).and_then(DateTime::from_timestamp_millis);
    Instance {
        id: row.id,
        name: row.name.clone(),
        user_id: row.user_id,
        mcp_type: row.mcp_type.clone(),
        status,
        status_reason: snapshot.map(|snapshot| snapshot.reason.clone()).or_else(|| row.status_reason.clone()),
        generation: snapshot.map_or_else(|| unsigned(row.generation), |snapshot| snapshot.run.0),
        process_id: match snapshot {
            Some(snapshot) => snapshot.pid,
            None => row.process_id.and_then(|pid| u32::try_from(pid).ok()),
        },
        assigned_port: port,
        access_url: settings.access_url(row.id),
        direct_url: port.map(|port| format!("http://127.0.0.1:{port}")),
        created_at: row.created_at,
        started_at: snapshot.and_then(|snapshot| snapshot.started_at).or(row.started_at),
        expires_at: row.expires_at,
        stopped_at: match snapshot {
            Some(snapshot) => ended.then_some(snapshot.since),
            None => row.stopped_at,
        },
        restored_at: snapshot.and_then(|snapshot| snapshot.restored_at).or(row.restored_at),
        last_checked_at: newest(checked_at(snapshot), row.last_checked_at),
        last_accessed_at: newest(called, row.last_accessed_at),
        restarts: Restarts {
            total: unsigned(row.restarts_total).max(snapshot.map_or(0, |snapshot| snapshot.restarts)),
            in_window: snapshot.map_or(0, |snapshot| snapshot.restarts_in_window),
            next_at: snapshot.and_then(|snapshot| snapshot.next_start_at),
        },
        stats: snapshot.map(stats).unwrap_or_default(),
        limits: limits(snapshot),
        last_exit: snapshot
            .and_then(|snapshot| snapshot.last_exit.as_ref())
            .map(LastExit::from)
            .or_else(|| row.last_exit.clone().and_then(|last| serde_json::from_value(last).ok())),
        credential_id: row.credential_id,
        credentials_exposure: None,
        isolation: snapshot.and_then(|snapshot| snapshot.isolation.as_deref()).map(Into::into),
        config: match &row.config {
            Value::Object(config) => config.clone(),
            _ => serde_json::Map::new(),
        },
        debug: row.debug,
    }
}

fn stored_status(row: &mcp_instance::Model) -> Status {
    minimcp_actors::state::Status::from_name(&row.status).map_or(Status::Pending, Into::into)
}

fn checked_at(snapshot: Option<&Snapshot>) -> Option<DateTime<Utc>> {
    Some(snapshot?.health.as_ref()?.checked_at)
}

fn newest(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    one.max(other)
}

fn stats(snapshot: &Snapshot) -> Stats {
    Stats {
        cpu_percent: snapshot.usage.map(|usage| usage.cpu_percent),
        memory_bytes: snapshot.usage.map(|usage| usage.memory_bytes),
        processes: snapshot.usage.map(|usage| usage.processes),
        health: snapshot.health.as_ref().map(|health| Health {
            healthy: health.problem.is_none(),
            checked_at: health.checked_at,
            latency_ms: milliseconds(health.latency_us),
            problem: health.problem.clone(),
        }),
    }
}

/// The limits in force and who keeps each.
pub(super) fn limits(snapshot: Option<&Snapshot>) -> Limits {
    let limits = snapshot.map(|snapshot| snapshot.limits).unwrap_or_default();
    let declared = DeclaredLimits {
        max_memory_mb: limits.memory_bytes.and_then(|bytes| u32::try_from(bytes >> 20).ok()),
        max_cpu_percent: limits.cpu_percent,
        max_processes: limits.tasks,
    };
    let kept = snapshot.and_then(|snapshot| snapshot.enforced).map(|enforced| {
        [
            (declared.max_memory_mb, "memory", enforced.memory),
            (declared.max_cpu_percent, "cpu", enforced.cpu),
            (declared.max_processes, "processes", enforced.tasks),
        ]
    });
    let by = |(limit, what, who): (Option<u32>, &str, Enforcer)| {
        limit.map(|_| format!("{what}: {}", who.as_str()))
    };
    Limits { declared, enforced_by: kept.into_iter().flatten().filter_map(by).collect() }
}

/// Microseconds as milliseconds with a fraction.
#[expect(clippy::cast_precision_loss, reason = "a latency is far below 2^52 microseconds")]
pub(crate) fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use minimcp_actors::launch::cgroup::Enforced;
    use minimcp_actors::launch::isolation::Report;
    use minimcp_actors::policy::Limits;
    use minimcp_actors::state::{self, Cause, Run, Usage};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::NewInstance;

    fn row() -> mcp_instance::Model {
        NewInstance {
            id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            mcp_type: "github".into(),
            credential_id: None,
            name: Some("mine".into()),
            config: json!({"a": 1}),
            debug: true,
            restart: None,
            limits: None,
            idle_timeout_seconds: None,
            token_hash: [7; 32],
            created_at: Utc::now(),
            expires_at: Utc::now(),
        }
        .row()
    }

    fn snapshot(row: &mcp_instance::Model, status: state::Status) -> Snapshot {
        let enforced =
            Enforced { memory: Enforcer::CgroupV1, cpu: Enforcer::Sampling, tasks: Enforcer::CgroupV2 };
        Snapshot {
            id: row.id,
            owner: row.user_id,
            part_of: None,
            kind: row.mcp_type.as_str().into(),
            seq: 3,
            status,
            cause: Cause::Exited,
            reason: "because".into(),
            since: Utc::now(),
            run: Run(4),
            pid: Some(77),
            port: Some(20_001),
            beside: None,
            started_at: Some(Utc::now()),
            restored_at: None,
            lease_ends_at: None,
            restarts: 2,
            restarts_in_window: 1,
            next_start_at: None,
            usage: Some(Usage { memory_bytes: 5, cpu_percent: 1.5, processes: 2, ..Usage::default() }),
            health: None,
            last_exit: None,
            limits: Limits { memory_bytes: Some(512 << 20), cpu_percent: Some(50), tasks: Some(64) },
            enforced: Some(enforced),
            isolation: Some(Arc::new(Report::nothing("off"))),
        }
    }

    #[test]
    fn the_row_alone_tells_what_was_last_written_and_no_hash() {
        let settings = crate::config::tests::settings("");
        let row = row();
        let shown = json!(instance(&settings, &row, None, None));
        assert_eq!(shown["status"], "pending");
        assert_eq!(shown["access_url"], format!("http://127.0.0.1:7878/i/{}/mcp", row.id));
        assert_eq!(shown["config"], json!({"a": 1}));
        assert_eq!(
            shown["limits"],
            json!({"declared": {"max_memory_mb": null, "max_cpu_percent": null, "max_processes": null}, "enforced_by": []})
        );
        assert!(!shown.to_string().contains("hash"));
    }

    #[test]
    fn what_the_supervisor_knows_is_newer_than_the_row() {
        let settings = crate::config::tests::settings("");
        let row = row();
        let shown = json!(instance(&settings, &row, Some(&snapshot(&row, state::Status::Running)), None));
        assert_eq!(shown["status"], "running");
        assert_eq!(shown["status_reason"], "because");
        assert_eq!(shown["generation"], 4);
        assert_eq!(shown["process_id"], 77);
        assert_eq!(shown["direct_url"], "http://127.0.0.1:20001");
        assert_eq!(shown["stopped_at"], Value::Null);
        assert_eq!(shown["restarts"], json!({"total": 2, "in_window": 1, "next_at": null}));
        assert_eq!(shown["stats"]["processes"], 2);
        assert_eq!(
            shown["limits"]["declared"],
            json!({"max_memory_mb": 512, "max_cpu_percent": 50, "max_processes": 64})
        );
        let kept = json!(["memory: cgroup v1", "cpu: sampling", "processes: cgroup v2"]);
        assert_eq!(shown["limits"]["enforced_by"], kept);
        assert_eq!(shown["isolation"]["level"], "weak");
        assert_eq!(shown["isolation"]["layers"][0]["reason"], "off");

        let mut stopped = snapshot(&row, state::Status::Stopped);
        stopped.pid = None;
        let shown = instance(&settings, &row, Some(&stopped), None);
        assert_eq!(shown.stopped_at, Some(stopped.since));
        assert_eq!((shown.process_id, shown.assigned_port, shown.direct_url), (None, None, None));
    }
}
