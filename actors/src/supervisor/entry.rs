//! What the supervisor keeps about one instance, and how it shows to outsiders.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::leases::Lease;
use crate::instance::Instance;
use crate::launch::cgroup::Enforced;
use crate::launch::isolation::Report;
use crate::launch::{Record, Spec};
use crate::lifecycle::Life;
use crate::routes::{Calls, Lane, Way};
use crate::snapshot::{Health, LastExit, Snapshot};
use crate::state::{Beside, Cause, Exit, Outcome, Restarting, Run, State, Usage};

/// What is known of a run while it has, or may have, a process.
pub(super) struct Held {
    pub(super) run: Run,
    pub(super) actor: Addr<Instance>,
    pub(super) port: Option<u16>,
    pub(super) calls: Arc<Calls>,
    pub(super) pid: Option<u32>,
    /// The user of its own, if it has one.
    pub(super) uid: Option<u32>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) usage: Option<Usage>,
    pub(super) enforced: Option<Enforced>,
    pub(super) health: Option<Health>,
    /// What keeps its process to itself, once it is there.
    pub(super) isolation: Option<Arc<Report>>,
    /// When the kernel ends its process.
    pub(super) alarm_at: Option<DateTime<Utc>>,
    /// Whether a timer is set for that already.
    pub(super) alarm_watched: bool,
}

/// One instance.
pub(super) struct Entry {
    pub(super) spec: Spec,
    pub(super) life: Life,
    /// One run, or two while one replaces the other.
    pub(super) held: Vec<Held>,
    /// The record of the run to adopt, until it is adopted.
    pub(super) to_adopt: Option<Box<Record>>,
    pub(super) restore_if_lost: bool,
    /// Restarts under earlier daemons.
    pub(super) restarts_before: u64,
    /// The port of the present run, kept for the next one.
    pub(super) port: Option<u16>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) restored_at: Option<DateTime<Utc>>,
    pub(super) next_start_at: Option<DateTime<Utc>>,
    pub(super) lease: Option<Lease>,
    pub(super) seq: u64,
    pub(super) since: DateTime<Utc>,
    pub(super) last_exit: Option<LastExit>,
    /// The run that waits for something before it may start, and what that is.
    pub(super) waits: Option<(Run, String)>,
    /// Why the last replacement was given up.
    pub(super) given_up: Option<String>,
    /// What its parts used when they were last measured.
    pub(super) parts: Usage,
    /// Those who wait for the instance to be removed; it is on its way out if there is one.
    pub(super) removal: Vec<oneshot::Sender<()>>,
}

impl Entry {
    pub(super) fn new(spec: Spec, life: Life, lease: Option<Lease>) -> Self {
        Self {
            lease,
            spec,
            life,
            held: Vec::new(),
            to_adopt: None,
            restore_if_lost: false,
            restarts_before: 0,
            port: None,
            started_at: None,
            restored_at: None,
            next_start_at: None,
            seq: 0,
            since: Utc::now(),
            last_exit: None,
            waits: None,
            given_up: None,
            parts: Usage::default(),
            removal: Vec::new(),
        }
    }

    pub(super) fn held(&self, run: Run) -> Option<&Held> {
        self.held.iter().find(|held| held.run == run)
    }

    pub(super) fn held_mut(&mut self, run: Run) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.run == run)
    }

    /// The run that the state is about.
    fn present(&self) -> Option<&Held> {
        self.life.state().live_run().and_then(|run| self.held(run))
    }

    /// Forgets a run that is over. Answers its port if nothing needs it any more.
    pub(super) fn let_go(&mut self, run: Run) -> Option<u16> {
        let at = self.held.iter().position(|held| held.run == run)?;
        let port = self.held.swap_remove(at).port;
        port.filter(|_| port != self.port)
    }

    /// Takes the port and the start of the present run for those of the instance. Answers a port that nothing
    /// needs any more.
    pub(super) fn follow_present(&mut self) -> Option<u16> {
        let present = self.present()?;
        let (port, started_at) = (present.port, present.started_at);
        self.started_at = started_at.or(self.started_at);
        if port.is_none() || port == self.port {
            return None;
        }
        std::mem::replace(&mut self.port, port).filter(|old| !self.uses(*old))
    }

    /// Whether a run has this port.
    pub(super) fn uses(&self, port: u16) -> bool {
        self.held.iter().any(|held| held.port == Some(port))
    }

    /// Where requests go in the present state.
    pub(super) fn way(&self) -> Way {
        let calls = self.present().map_or_else(Arc::default, |held| Arc::clone(&held.calls));
        Way::new(self.lane(), calls)
    }

    fn lane(&self) -> Lane {
        let status = self.life.state().status();
        let present = self.present();
        match (self.life.state(), present.and_then(|held| held.port)) {
            (State::Running { run } | State::Unhealthy { run, .. }, Some(port)) => {
                let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                Lane::Http { run, addr, uid: present.and_then(|held| held.uid) }
            }
            (State::Running { run } | State::Unhealthy { run, .. }, None) if self.spec.probe.is_piped() => {
                Lane::Pipes { run }
            }
            (State::Ended(Outcome::Hibernated) | State::Stopping { then: Outcome::Hibernated, .. }, _) => {
                Lane::Asleep
            }
            (State::Ended(_) | State::Stopping { .. }, _) => Lane::Gone(status),
            (
                State::Pending { .. }
                | State::Adopting { .. }
                | State::Starting { .. }
                | State::Running { .. }
                | State::Unhealthy { .. }
                | State::Restarting(_),
                _,
            ) => Lane::Coming(status),
        }
    }

    pub(super) fn snapshot(&self, now: Duration) -> Arc<Snapshot> {
        let life = &self.life;
        let present = self.present();
        let beside = life.beside().and_then(Beside::live_run).and_then(|run| self.held(run));
        let backing_off = matches!(life.state(), State::Restarting(Restarting::BackingOff { .. }));
        let in_window = life.restarts_in_window(&self.spec.policy, now);
        Arc::new(Snapshot {
            id: self.spec.id,
            owner: self.spec.owner,
            kind: Arc::clone(&self.spec.kind),
            seq: self.seq,
            status: life.state().status(),
            cause: life.cause(),
            reason: self.reason(),
            since: self.since,
            run: life.run(),
            pid: present.and_then(|held| held.pid),
            port: self.port,
            beside: beside.and_then(|held| Some((held.run, held.pid?))),
            started_at: self.started_at,
            restored_at: self.restored_at,
            lease_ends_at: self.lease.map(|lease| lease.given),
            restarts: self.restarts_before.saturating_add(life.restarts()),
            restarts_in_window: u32::try_from(in_window).unwrap_or(u32::MAX),
            next_start_at: self.next_start_at.filter(|_| backing_off),
            part_of: self.spec.part_of,
            usage: present.and_then(|held| held.usage).map(|own| self.with_parts(own)),
            health: present.and_then(|held| held.health.clone()),
            last_exit: self.last_exit.clone(),
            limits: self.spec.policy.limits,
            enforced: present.and_then(|held| held.enforced),
            isolation: present.and_then(|held| held.isolation.clone()),
        })
    }

    /// What it uses with all its parts.
    pub(super) fn with_parts(&self, own: Usage) -> Usage {
        Usage {
            memory_bytes: own.memory_bytes + self.parts.memory_bytes,
            cpu_percent: own.cpu_percent + self.parts.cpu_percent,
            processes: own.processes + self.parts.processes,
            tasks: own.tasks + self.parts.tasks,
            refused_forks: own.refused_forks + self.parts.refused_forks,
        }
    }

    /// What led here, in words.
    fn reason(&self) -> String {
        if let Some((run, words)) = &self.waits
            && self.life.state().queued_run() == Some(*run)
        {
            return words.clone();
        }
        let cause = self.life.cause();
        let detail = match cause {
            Cause::Exited | Cause::LaunchFailed => self.last_exit.as_ref().map(exit_words),
            Cause::ProbesFailed => self.present().and_then(|held| held.health.as_ref()?.problem.clone()),
            Cause::ReplacementFailed => self.given_up.clone(),
            _ => None,
        };
        match detail {
            Some(detail) => format!("{}: {detail}", cause.words()),
            None => cause.words().to_owned(),
        }
    }
}

pub(super) fn exit_words(last: &LastExit) -> String {
    let detail = &last.detail;
    match last.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::OomKilled => "killed at the memory limit".to_owned(),
        Exit::Unknown if detail.is_empty() => "nobody saw how".to_owned(),
        Exit::Unknown | Exit::Unspawned | Exit::Unstartable | Exit::ActorDied => detail.clone(),
    }
}
