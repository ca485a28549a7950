//! What is wrong with an instance, in words: what was looked at, and what follows from it.

mod likely;
mod load;
mod steps;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use minimcp_actors::launch::Probe;
use minimcp_actors::snapshot::Sample;
use tokio::net::TcpStream;

use crate::api::diagnosis::{Check, Diagnosis};
use crate::api::instance::{Instance, Status};
use crate::machine::Machine;
use load::Load;

/// What one look may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of a health body that are shown.
const SHOWN: usize = 2_048;

/// What was found by looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Findings {
    /// Whether the process is there; `None` if there should be none.
    process: Option<bool>,
    /// Whether the port accepts connections; `None` if there is none to ask.
    port: Option<bool>,
    /// What the health endpoint said; `None` if there is none to ask.
    health: Option<Result<String, String>>,
}

/// Looks at the process, its port and its health endpoint.
pub(super) async fn look(instance: &Instance, probe: &Probe) -> Findings {
    let process = instance.process_id.map(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
    let addr = instance.assigned_port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let port = match addr {
        Some(addr) => Some(connect(addr).await.is_ok()),
        None => None,
    };
    let health = match (addr, probe) {
        (Some(addr), Probe::Http { path }) => Some(get(addr, path).await),
        (_, Probe::Http { .. } | Probe::Process | Probe::Tcp | Probe::Mcp { .. } | Probe::Pipes { .. }) => {
            None
        }
    };
    Findings { process, port, health }
}

async fn connect(addr: SocketAddr) -> Result<TcpStream, String> {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.kind().to_string()),
        Err(_) => Err("no connection in time".into()),
    }
}

async fn get(addr: SocketAddr, path: &str) -> Result<String, String> {
    let asked = async {
        let stream = TcpStream::connect(addr).await.map_err(|error| error.kind().to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let request = Request::get(path).header("host", addr.to_string()).body(Empty::<bytes::Bytes>::new());
        let request = request.map_err(|error| error.to_string())?;
        let answered = async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), 64 * 1_024).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN).collect();
            let answer = format!("{} {text}", status.as_u16());
            if status.is_success() { Ok(answer) } else { Err(answer) }
        };
        tokio::select! {
            answer = answered => answer,
            ended = connection => Err(ended.err().map_or("the connection was closed".into(), |error| error.to_string())),
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("no answer in time".into()))
}

impl Findings {
    /// Whether nothing that was asked just now is wrong.
    fn are_well(&self) -> bool {
        self.process != Some(false) && self.port != Some(false) && !matches!(self.health, Some(Err(_)))
    }
}

/// What the findings mean and what to do next. `samples` are those of the present run since it serves.
pub(super) fn conclude(instance: &Instance, findings: &Findings, samples: &[Sample]) -> Diagnosis {
    let load = Load::of(samples, &instance.limits.declared, Machine::look().ok());
    let mut checks = checks(instance, findings);
    checks.extend(load.checks());
    let healthy = instance.status == Status::Running && checks.iter().all(|check| check.ok != Some(false));
    Diagnosis {
        instance_id: instance.id,
        status: instance.status,
        healthy,
        summary: summary(instance, findings, &load, healthy),
        checks,
        last_exit: instance.last_exit.clone(),
        limits: instance.limits.clone(),
        next_steps: steps::next(instance, findings, &load, healthy),
    }
}

fn checks(instance: &Instance, findings: &Findings) -> Vec<Check> {
    let process = match (instance.process_id, findings.process) {
        (Some(pid), Some(true)) => match instance.started_at {
            Some(at) => format!("process {pid} is there since {}", at.format("%F %T UTC")),
            None => format!("process {pid} is there"),
        },
        (Some(pid), _) => format!("process {pid} is gone"),
        (None, _) => "there is no process at present".into(),
    };
    let port = match (instance.assigned_port, findings.port) {
        (Some(port), Some(true)) => format!("port {port} accepts connections"),
        (Some(port), _) => format!("port {port} accepts no connection"),
        (None, _) => "there is no port at present".into(),
    };
    let (answers, health) = match &findings.health {
        Some(Ok(answer)) => (Some(true), format!("the health endpoint answered {answer}")),
        Some(Err(problem)) => {
            (Some(false), format!("the health endpoint did not answer as it should: {problem}"))
        }
        None => (None, "there is no health endpoint to ask at present".into()),
    };
    let recent = instance.stats.health.as_ref();
    let probes = match recent {
        Some(last) => match &last.problem {
            None => format!("the last check was answered in {:.1} ms", last.latency_ms),
            Some(problem) => format!("the last check was missed: {problem}"),
        },
        None => "this run was not checked yet".into(),
    };
    let exit = match &instance.last_exit {
        Some(last) => {
            let how = match (last.code, last.signal) {
                (Some(code), _) => format!("with exit code {code}"),
                (None, Some(signal)) => format!("by signal {signal}"),
                (None, None) => "in a way that nobody saw".into(),
            };
            format!("the last process ended {how} ({}) at {}", last.cause, last.at.format("%F %T UTC"))
        }
        None => "no process of it has ended yet".into(),
    };
    let check = |name: &str, ok, detail| Check { name: name.into(), ok, detail };
    let lacks_one = matches!(instance.status, Status::Disconnected | Status::Failed);
    vec![
        check("process", findings.process.or(lacks_one.then_some(false)), process),
        check("port", findings.port, port),
        check("health", answers, health),
        check("probes", recent.map(|last| last.healthy), probes),
        check("last_exit", None, exit),
        check("restarts", None, restarts(instance)),
        check("lease", None, format!("the lease ends at {}", instance.expires_at.format("%F %T UTC"))),
    ]
}

fn restarts(instance: &Instance) -> String {
    let counted = format!(
        "{} restarts so far, {} count at present",
        instance.restarts.total, instance.restarts.in_window
    );
    match instance.restarts.next_at {
        Some(at) => format!("{counted}; the next one is due at {}", at.format("%T UTC")),
        None => counted,
    }
}

fn summary(instance: &Instance, findings: &Findings, load: &Load, healthy: bool) -> String {
    let reason = instance.status_reason.as_deref().unwrap_or("nothing is known yet");
    match (instance.status, load.slow()) {
        (Status::Running, _) if healthy => "The server is running and answers.".into(),
        (Status::Running, Some(why)) if findings.are_well() => {
            format!("The server is running, but it is slow or soon will be: {why}.")
        }
        (Status::Running, _) => {
            "The server counts as running, but not everything about it is as it should be.".into()
        }
        (status, _) => format!("The instance is {status}. {reason}."),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use uuid::Uuid;

    use super::*;
    use crate::api::instance::{DeclaredLimits, LastExit, Limits, Restarts, Stats};

    fn instance(status: Status) -> Instance {
        Instance {
            id: Uuid::now_v7(),
            name: None,
            user_id: Uuid::now_v7(),
            mcp_type: "github".into(),
            status,
            status_reason: Some("The process ended by itself: exit code 3".into()),
            generation: 1,
            process_id: None,
            assigned_port: None,
            access_url: String::new(),
            direct_url: None,
            created_at: Utc::now(),
            started_at: None,
            expires_at: Utc::now(),
            stopped_at: None,
            restored_at: None,
            last_checked_at: None,
            last_accessed_at: None,
            restarts: Restarts::default(),
            stats: Stats::default(),
            limits: Limits { declared: DeclaredLimits::default(), enforced_by: vec![] },
            last_exit: None,
            credential_id: None,
            credentials_exposure: None,
            isolation: None,
            config: serde_json::Map::new(),
            debug: false,
        }
    }

    #[test]
    fn every_status_gets_words_and_a_next_step() {
        let nothing = Findings { process: None, port: None, health: None };
        for status in minimcp_actors::state::Status::ALL {
            let diagnosis = conclude(&instance(status.into()), &nothing, &[]);
            assert!(!diagnosis.summary.is_empty() && !diagnosis.next_steps.is_empty(), "{status}");
            assert_eq!(diagnosis.healthy, status == minimcp_actors::state::Status::Running, "{status}");
        }
    }

    #[test]
    fn what_was_seen_is_told_and_what_is_wrong_is_not_healthy() {
        let mut instance = instance(Status::Running);
        (instance.process_id, instance.assigned_port) = (Some(12), Some(20_000));
        let health = Some(Err("503 {\"status\":\"unhealthy\"}".to_owned()));
        let diagnosis = conclude(&instance, &Findings { process: Some(true), port: Some(true), health }, &[]);
        assert!(!diagnosis.healthy);
        let check = |name: &str| diagnosis.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(
            (check("process").ok, check("process").detail.as_str()),
            (Some(true), "process 12 is there")
        );
        assert_eq!(check("health").ok, Some(false));
        assert!(check("health").detail.contains("503"));
    }

    #[test]
    fn the_way_it_ended_leads_to_advice() {
        let mut instance = instance(Status::Disconnected);
        instance.last_exit = Some(LastExit {
            code: None,
            signal: Some(9),
            cause: "high_memory".into(),
            at: Utc::now(),
            stderr_tail: "out of heap".into(),
        });
        let findings = Findings { process: None, port: None, health: None };
        let diagnosis = conclude(&instance, &findings, &[]);
        assert!(diagnosis.checks.iter().any(|check| check.detail.contains("signal 9")));
        assert!(diagnosis.next_steps.iter().any(|step| step.contains("/restore")));
        assert!(diagnosis.next_steps.iter().any(|step| step.contains("memory")));
        assert_eq!(diagnosis.last_exit.unwrap().stderr_tail, "out of heap");
    }
}
