//! What the supervisor keeps about one instance, and how it shows to outsiders.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::instance::Instance;
use crate::launch::{Record, Spec};
use crate::lifecycle::Life;
use crate::routes::Lane;
use crate::snapshot::{Health, LastExit, Snapshot};
use crate::state::{Cause, Exit, Outcome, Restarting, Run, State, Usage};

/// One instance.
pub(super) struct Entry {
    pub(super) spec: Spec,
    pub(super) life: Life,
    pub(super) actor: Option<Addr<Instance>>,
    /// The record of the run to adopt, until it is adopted.
    pub(super) to_adopt: Option<Box<Record>>,
    pub(super) restore_if_lost: bool,
    /// Restarts under earlier daemons.
    pub(super) restarts_before: u64,
    pub(super) port: Option<u16>,
    pub(super) pid: Option<u32>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) restored_at: Option<DateTime<Utc>>,
    pub(super) next_start_at: Option<DateTime<Utc>>,
    pub(super) lease_ends_at: Option<DateTime<Utc>>,
    pub(super) seq: u64,
    pub(super) since: DateTime<Utc>,
    pub(super) usage: Option<Usage>,
    pub(super) health: Option<Health>,
    pub(super) last_exit: Option<LastExit>,
    /// Those who wait for the instance to be removed; it is on its way out if there is one.
    pub(super) removal: Vec<oneshot::Sender<()>>,
}

impl Entry {
    pub(super) fn new(spec: Spec, life: Life) -> Self {
        Self {
            lease_ends_at: spec.lease_ends_at,
            spec,
            life,
            actor: None,
            to_adopt: None,
            restore_if_lost: false,
            restarts_before: 0,
            port: None,
            pid: None,
            started_at: None,
            restored_at: None,
            next_start_at: None,
            seq: 0,
            since: Utc::now(),
            usage: None,
            health: None,
            last_exit: None,
            removal: Vec::new(),
        }
    }

    /// Forgets what was true of a run that is over.
    pub(super) fn clear_run(&mut self) {
        self.actor = None;
        self.pid = None;
        self.usage = None;
        self.health = None;
    }

    /// Where requests go in the present state.
    pub(super) fn lane(&self) -> Lane {
        let status = self.life.state().status();
        match (self.life.state(), self.port) {
            (State::Running { run } | State::Unhealthy { run, .. }, Some(port)) => {
                Lane::Http { run, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
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
            run: life.last_run(),
            pid: self.pid,
            port: self.port,
            started_at: self.started_at,
            restored_at: self.restored_at,
            lease_ends_at: self.lease_ends_at,
            restarts: self.restarts_before.saturating_add(life.restarts()),
            restarts_in_window: u32::try_from(in_window).unwrap_or(u32::MAX),
            next_start_at: self.next_start_at.filter(|_| backing_off),
            usage: self.usage,
            health: self.health.clone(),
            last_exit: self.last_exit.clone(),
            limits: self.spec.policy.limits,
        })
    }

    /// What led here, in words.
    fn reason(&self) -> String {
        let cause = self.life.cause();
        let detail = match cause {
            Cause::Exited | Cause::LaunchFailed => self.last_exit.as_ref().map(exit_words),
            Cause::ProbesFailed => self.health.as_ref().and_then(|health| health.problem.clone()),
            _ => None,
        };
        match detail {
            Some(detail) => format!("{}: {detail}", cause.words()),
            None => cause.words().to_owned(),
        }
    }
}

fn exit_words(last: &LastExit) -> String {
    let detail = &last.detail;
    match last.exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::Unknown if detail.is_empty() => "nobody saw how".to_owned(),
        Exit::Unknown | Exit::Unspawned | Exit::Unstartable | Exit::ActorDied => detail.clone(),
    }
}

/// The run that a report has to be about to count.
pub(super) fn current_run(life: &Life) -> Option<Run> {
    life.state().live_run()
}
