//! What to do next, the most useful first. Pure.

use super::Findings;
use super::likely::{self, Likely};
use super::load::Load;
use crate::api::instance::{Instance, Status};

pub(super) fn next(instance: &Instance, findings: &Findings, load: &Load, healthy: bool) -> Vec<String> {
    if healthy {
        return vec!["nothing needs to be done".into()];
    }
    // A limit that ended it is known; words are only likely, and how a process ended says less than they do.
    let why = over_limit(instance).map(str::to_owned);
    let why = why.or_else(|| likely(instance, findings).map(|likely| likely.advice().into()));
    let mut steps: Vec<String> = why.or_else(|| after(instance).map(str::to_owned)).into_iter().collect();
    let slow = load.advice();
    let only_slow = instance.status == Status::Running && !slow.is_empty() && findings.are_well();
    steps.extend(slow);
    steps.extend(if only_slow { vec![logs(instance)] } else { by_status(instance) });
    let in_trouble = matches!(
        instance.status,
        Status::Running | Status::Unhealthy | Status::Disconnected | Status::Failed
    );
    if in_trouble && !instance.debug {
        let make = format!("minimcp create {} --debug", instance.mcp_type);
        steps.push(format!("if its logs do not say enough, make one like it with debug output: `{make}`"));
    }
    steps
}

/// The usual reason that its words speak of: those of a run that has ended, or of one that answers and is not well.
fn likely(instance: &Instance, findings: &Findings) -> Option<Likely> {
    let reason = instance.status_reason.as_deref().unwrap_or_default();
    let missed = instance.stats.health.as_ref().and_then(|last| last.problem.as_deref());
    match instance.status {
        // Of a run that serves, the end of an earlier one says nothing.
        Status::Running | Status::Unhealthy => {
            let answer = findings.health.as_ref().and_then(|answer| answer.as_ref().err());
            answer.map(String::as_str).into_iter().chain(missed).find_map(likely::from_words)
        }
        Status::Stopped | Status::Expired | Status::Hibernated => None,
        Status::Pending
        | Status::Starting
        | Status::Restarting
        | Status::Stopping
        | Status::Disconnected
        | Status::Failed => {
            let last = instance.last_exit.as_ref().map_or("", |last| last.stderr_tail.as_str());
            [last, reason].into_iter().chain(missed).find_map(likely::from_words)
        }
    }
}

/// What its last process ended of, unless that is over.
fn cause(instance: &Instance) -> Option<&str> {
    let matters = !matches!(instance.status, Status::Running | Status::Stopped | Status::Expired);
    instance.last_exit.as_ref().filter(|_| matters).map(|last| last.cause.as_str())
}

fn over_limit(instance: &Instance) -> Option<&'static str> {
    match cause(instance)? {
        "high_memory" | "oom_killed" => Some(
            "it used more memory than it may: give it less to do at once, or have the type's memory limit raised",
        ),
        "high_cpu" => Some(
            "it used more CPU than it may: give it less to do at once, or have the type's CPU limit raised",
        ),
        "too_many_processes" => Some(
            "it wanted more processes and threads than it may: see what it starts, or have the type's limit raised",
        ),
        _ => None,
    }
}

fn after(instance: &Instance) -> Option<&'static str> {
    match cause(instance)? {
        "start_timeout" => Some(
            "see whether the server listens on the port in PORT and answers its health endpoint; one that needs longer to \
             start has it in `start_timeout_seconds` of its type",
        ),
        "probes_failed" => Some(
            "its process was there and did not answer its health checks: its last lines say what it was busy with or \
             waited for",
        ),
        "launch_failed" => Some(
            "its program could not be started: `minimcp types show` has the program of its type, `minimcp doctor` says \
             what this machine lacks",
        ),
        _ => None,
    }
}

fn logs(instance: &Instance) -> String {
    let id = instance.id;
    format!("read what the server wrote: `minimcp logs {id}`, GET /v1/instances/{id}/logs?stream=stderr")
}

fn by_status(instance: &Instance) -> Vec<String> {
    let id = instance.id;
    match instance.status {
        Status::Running | Status::Unhealthy => vec![
            "wait for the next checks: three misses in a row make a new run".into(),
            logs(instance),
            format!("or begin a new run now: `minimcp restart {id}`, POST /v1/instances/{id}/restart"),
        ],
        Status::Pending | Status::Starting | Status::Restarting | Status::Stopping => {
            vec![
                format!("wait until it has settled: GET /v1/instances/{id}/wait?status=running"),
                logs(instance),
            ]
        }
        Status::Hibernated => vec!["send it a request through access_url, which wakes it".into()],
        Status::Disconnected => vec![
            logs(instance),
            "mend what made it end, such as its credentials".into(),
            format!("then bring it back: `minimcp restore {id}`, POST /v1/instances/{id}/restore"),
        ],
        Status::Failed => vec![
            "mend what the reason names, such as its credential set or its type".into(),
            format!("then begin a new run: `minimcp restart {id}`, POST /v1/instances/{id}/restart"),
        ],
        Status::Stopped => {
            vec![format!(
                "start it again if you want it: `minimcp restart {id}`, POST /v1/instances/{id}/restart"
            )]
        }
        Status::Expired => vec!["create a new instance: the lease of this one is over".into()],
    }
}
