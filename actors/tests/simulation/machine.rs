//! The machine: processes that outlive daemons and do what their scripts say, its clocks, and the run directory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use futures::FutureExt;
use futures::future::BoxFuture;
use minimcp_actors::clock::Clock;
use minimcp_actors::launch::{Identity, Launch, LaunchError, Launcher, Missed, Process, Record, Spec};
use minimcp_actors::state::{Exit, Run};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::checks::Checks;

/// One run of one instance.
pub(crate) type Key = (Uuid, Run);

/// What one process does by itself. Times are from its launch, but for the last.
#[derive(Debug, Clone, Copy)]
struct Script {
    ready: Option<Duration>,
    exit: Option<(Duration, Exit)>,
    hang: Option<Duration>,
    /// From SIGTERM to its end; `None` if it ignores it.
    term: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Up,
    Hang,
    Exit(Exit),
}

#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    exit: Option<Exit>,
    up: bool,
    hangs: bool,
}

#[derive(Debug)]
pub(crate) struct Body {
    record: Record,
    script: Script,
    condition: watch::Sender<Condition>,
    machine: Machine,
}

/// Everything that a daemon does not take along when it dies.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    inner: Arc<Mutex<Inner>>,
    news: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) rng: Rng,
    /// Nothing goes wrong any more.
    pub(crate) calm: bool,
    pub(crate) checks: Checks,
    live: BTreeMap<Key, Arc<Body>>,
    /// Records of processes that no daemon saw end.
    stale: Vec<Record>,
    agenda: BTreeMap<(Duration, u64), (Key, Deed)>,
    /// Time that passed before the present runtime began, and when that was.
    base: Duration,
    begun: Option<Instant>,
    slept: Duration,
    wall: TimeDelta,
    count: u64,
}

impl Inner {
    /// Time of the monotonic clock.
    fn monotonic(&self) -> Duration {
        self.base + self.begun.map(|begun| begun.elapsed()).unwrap_or_default()
    }

    /// The same with what the machine has slept.
    pub(crate) fn now(&self) -> Duration {
        self.monotonic() + self.slept
    }

    pub(crate) fn wall(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::from_std(self.now()).unwrap() + self.wall
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    pub(crate) fn ms(&mut self, up_to: u64) -> Duration {
        Duration::from_millis(self.rng.u64(0..=up_to))
    }

    fn script(&mut self) -> Script {
        if self.calm {
            let soon = Duration::from_millis(20);
            return Script { ready: Some(soon), exit: None, hang: None, term: Some(soon) };
        }
        let ready = if self.chance(90) { Some(self.ms(4_000)) } else { None };
        let exit = match self.rng.u32(0..100) {
            0..25 => Some(Exit::Signal(9)),
            25..40 => Some(Exit::Code(1)),
            40..50 => Some(Exit::Code(0)),
            _ => None,
        };
        let exit = exit.map(|exit| (self.ms(15_000), exit));
        let hang = if self.chance(15) { Some(self.ms(20_000)) } else { None };
        let term = if self.chance(80) { Some(self.ms(1_500)) } else { None };
        Script { ready, exit, hang, term }
    }

    fn plan(&mut self, after: Duration, key: Key, deed: Deed) {
        self.count += 1;
        self.agenda.insert((self.monotonic() + after, self.count), (key, deed));
    }

    fn carry_out(&mut self, key: Key, deed: Deed) {
        let Some(body) = self.live.get(&key).cloned() else { return };
        match deed {
            Deed::Up => body.condition.send_modify(|now| now.up = true),
            Deed::Hang => body.condition.send_modify(|now| now.hangs = true),
            Deed::Exit(exit) => {
                self.live.remove(&key);
                if self.begun.is_none() {
                    self.stale.push(body.record.clone());
                }
                let now = self.now();
                self.checks.ended(now, key, exit);
                body.condition.send_modify(|now| now.exit = Some(exit));
            }
        }
    }

    /// What the run directory holds.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        let stale = std::mem::take(&mut self.stale);
        self.live.values().map(|body| body.record.clone()).chain(stale).collect()
    }

    pub(crate) fn lives(&self, key: Key) -> bool {
        self.live.contains_key(&key)
    }

    pub(crate) fn live(&self) -> Vec<Key> {
        self.live.keys().copied().collect()
    }

    /// The kernel's OOM killer, or somebody with a shell, ends a process.
    pub(crate) fn kill_one(&mut self) {
        let live = self.live();
        if !live.is_empty() {
            let key = live[self.rng.usize(..live.len())];
            self.plan(Duration::ZERO, key, Deed::Exit(Exit::Signal(9)));
        }
    }

    /// Sets the wall clock.
    pub(crate) fn set_wall(&mut self, by: TimeDelta) {
        self.wall += by;
        let now = self.now();
        self.checks.wall_was_set(now, by);
    }

    /// The machine sleeps: all its processes with it.
    pub(crate) fn sleep(&mut self, long: Duration) {
        self.slept += long;
        let now = self.now();
        self.checks.slept(now);
    }

    /// Time passes without any daemon.
    pub(crate) fn pass(&mut self, long: Duration) {
        let end = self.base + long;
        while let Some((&(at, n), &(key, deed))) = self.agenda.first_key_value() {
            if at > end {
                break;
            }
            self.agenda.remove(&(at, n));
            self.base = at.max(self.base);
            self.carry_out(key, deed);
        }
        self.base = end;
    }

    /// A runtime begins.
    pub(crate) fn begin(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// It ended just now, and nobody in it saw that coming.
    pub(crate) fn end(&mut self) {
        self.base = self.monotonic();
        self.begun = None;
    }
}

impl Machine {
    pub(crate) fn new(rng: Rng, checks: Checks) -> Self {
        let inner = Inner {
            rng,
            calm: false,
            checks,
            live: BTreeMap::new(),
            stale: Vec::new(),
            agenda: BTreeMap::new(),
            base: Duration::ZERO,
            begun: None,
            slept: Duration::ZERO,
            wall: TimeDelta::zero(),
            count: 0,
        };
        Self { inner: Arc::new(Mutex::new(inner)), news: Arc::default() }
    }

    pub(crate) fn at(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the processes do what they are to do, while a runtime runs.
    pub(crate) async fn drive(self) {
        loop {
            let next = {
                let mut inner = self.at();
                let now = inner.monotonic();
                match inner.agenda.first_key_value() {
                    Some((&(at, n), &(key, deed))) if at <= now => {
                        inner.agenda.remove(&(at, n));
                        inner.carry_out(key, deed);
                        continue;
                    }
                    Some((&(at, _), _)) => at - now,
                    None => Duration::from_secs(86_400),
                }
            };
            tokio::select! {
                biased;
                () = self.news.notified() => {}
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    fn order(&self, after: Duration, key: Key, deed: Deed) {
        let mut inner = self.at();
        if inner.begun.is_some() {
            inner.plan(after, key, deed);
            self.news.notify_one();
        }
    }

    fn enter(&self, launch: &Launch) -> Arc<Body> {
        let mut inner = self.at();
        let key = (launch.id, launch.run);
        let script = inner.script();
        inner.count += 1;
        let record = Record {
            id: launch.id,
            run: launch.run,
            identity: Identity {
                pid: u32::try_from(inner.count).unwrap(),
                start_ticks: 0,
                boot_id: "sim".into(),
            },
            port: None,
            nonce: launch.nonce.clone(),
            started_at: inner.wall(),
            log_dir: "/nonexistent".into(),
            stderr_from: 0,
            uid: None,
            isolation: None,
            alarm_at: None,
            cgroups: Vec::new(),
            piped: false,
        };
        let body =
            Arc::new(Body { record, script, condition: watch::Sender::default(), machine: self.clone() });
        inner.live.insert(key, Arc::clone(&body));
        let (now, live) = (inner.now(), inner.live());
        inner.checks.launched(now, key, &live);
        for (after, deed) in [
            (script.ready, Deed::Up),
            (script.hang, Deed::Hang),
            (
                script.exit.map(|(after, _)| after),
                Deed::Exit(script.exit.map_or(Exit::Unknown, |exit| exit.1)),
            ),
        ] {
            if let Some(after) = after {
                inner.plan(after, key, deed);
            }
        }
        drop(inner);
        self.news.notify_one();
        body
    }

    /// Ends a process and waits for its end, as a daemon does with what it does not want.
    pub(crate) async fn put_down(&self, record: &Record) {
        let body = self.at().live.get(&(record.id, record.run)).cloned();
        if let Some(body) = body {
            body.kill();
            body.ended().await;
        }
    }
}

impl Launcher for Machine {
    fn launch(&self, _: &Spec, launch: Launch) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let machine = self.clone();
        let (delay, fate) = {
            let mut inner = self.at();
            let now = inner.now();
            // Actors are polled once more as they are dropped; what they do then no daemon could.
            if inner.begun.is_some() {
                inner.checks.launching(now, (launch.id, launch.run));
            }
            let calm = inner.calm;
            let late = if calm {
                5
            } else if inner.chance(5) {
                5_000
            } else {
                100
            };
            (inner.ms(late), if calm { 100 } else { inner.rng.u32(0..100) })
        };
        async move {
            tokio::time::sleep(delay).await;
            match fate {
                0..2 => Err(LaunchError::Unstartable("the script is missing".into())),
                2..8 => {
                    Err(LaunchError::System { what: "starting", source: std::io::Error::other("EAGAIN") })
                }
                _ => Ok(machine.enter(&launch) as Arc<dyn Process>),
            }
        }
        .boxed()
    }

    fn adopt(&self, _: &Spec, record: Record) -> BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>> {
        let machine = self.clone();
        async move {
            let gone = LaunchError::Gone { pid: record.identity.pid };
            let body = machine.at().live.get(&(record.id, record.run)).cloned();
            body.map(|body| body as Arc<dyn Process>).ok_or(gone)
        }
        .boxed()
    }
}

impl Body {
    fn key(&self) -> Key {
        (self.record.id, self.record.run)
    }
}

impl Process for Body {
    fn record(&self) -> &Record {
        &self.record
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let mut condition = self.condition.subscribe();
        async move {
            match condition.wait_for(|now| now.exit.is_some()).await {
                Ok(now) => now.exit.unwrap_or(Exit::Unknown),
                Err(_) => Exit::Unknown,
            }
        }
        .boxed()
    }

    fn probe(&self, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>> {
        let now = *self.condition.borrow();
        async move {
            tokio::time::sleep(if now.hangs { timeout } else { Duration::from_millis(1) }).await;
            if now.up && !now.hangs { Ok(()) } else { Err(Missed("scripted".into())) }
        }
        .boxed()
    }

    fn terminate(&self) {
        if let Some(within) = self.script.term {
            self.machine.order(within, self.key(), Deed::Exit(Exit::Code(0)));
        }
    }

    fn kill(&self) {
        self.machine.order(Duration::from_millis(3), self.key(), Deed::Exit(Exit::Signal(9)));
    }

    fn release(&self) {}

    fn stderr_tail(&self) -> BoxFuture<'static, String> {
        async { String::new() }.boxed()
    }
}

impl Clock for Machine {
    fn wall(&self) -> DateTime<Utc> {
        self.at().wall()
    }

    fn slept(&self) -> Duration {
        self.at().slept
    }
}
