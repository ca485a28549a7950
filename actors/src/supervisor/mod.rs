//! The actor that decides. It holds the [`Life`](crate::lifecycle::Life) of every instance, feeds it commands
//! and facts, carries out the effects, and owns the timers, the ports and the order of starts. It does no
//! IO itself, so nothing that hangs can hold it up.

mod effects;
mod entry;
mod handlers;
mod leases;
mod outliving;
mod parts;
mod replacing;
mod starts;
mod waits;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, SpawnHandle};
use chrono::Utc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use self::entry::Entry;
use self::starts::Starts;
use crate::clock::{Clock, MachineClock, Ticks};
use crate::launch::Launcher;
use crate::lifecycle::{self, Step};
use crate::meter::{Meter, Meters};
use crate::ports::Ports;
use crate::routes::RouteTable;
use crate::snapshot::{LastExit, Registry, Snapshot, Transitioned};
use crate::state::{Beside, Cause, Command, Effect, Event, Fact, Outcome, State};
use crate::timers::{Alarm, Timers};

/// What the supervisor has to be told once.
///
/// ```
/// use minimcp_actors::Config;
///
/// let config = Config { ports: 40_000..=40_099, concurrent_starts: 2, ..Config::default() };
/// assert_eq!(config.ports.count(), 100);
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Ports for children.
    pub ports: RangeInclusive<u16>,
    /// Starts under way at once.
    pub concurrent_starts: usize,
    /// How long a start that does not get ready keeps others waiting.
    pub start_slot: Duration,
    /// Between two passes over the process trees.
    pub sample_interval: Duration,
    /// Keep servers that take too much of the CPU, or write too much, to the upper half of the processors.
    pub corner: bool,
    /// The clocks that leases go by.
    pub clock: Arc<dyn Clock>,
    /// Between two comparisons of them, which is how late a lease may end after the machine has slept.
    pub clock_interval: Duration,
    /// Transitions held for readers of the stream that are slow.
    pub stream_capacity: usize,
    /// Where the actors log to.
    pub log: slog::Logger,
}

impl Default for Config {
    /// Ports 20000 to 29999, two starts per core, 3 s per start, a pass each 5 s, this machine's clocks
    /// compared each second; logs to nowhere.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            ports: 20_000..=29_999,
            concurrent_starts: 2 * cores,
            start_slot: Duration::from_secs(3),
            sample_interval: Duration::from_secs(5),
            corner: true,
            clock: Arc::new(MachineClock),
            clock_interval: Duration::from_secs(1),
            stream_capacity: 4_096,
            log: slog::Logger::root(slog::Discard, slog::o!()),
        }
    }
}

/// Messages that may wait; senders wait for room past it.
const MAILBOX: usize = 1_024;

/// The actor.
pub(crate) struct Supervisor {
    config: Config,
    launcher: Arc<dyn Launcher>,
    registry: Arc<Registry>,
    routes: Arc<RouteTable>,
    meters: Arc<Meters>,
    meter: Arc<Meter>,
    /// In the order of their ids, so that the same history gives the same order of deeds.
    entries: BTreeMap<Uuid, Box<Entry>>,
    /// The parts of each instance that has some.
    parts: BTreeMap<Uuid, Vec<Uuid>>,
    /// Who waits for the removal of an instance that is gone but for its parts.
    leaving: BTreeMap<Uuid, Vec<oneshot::Sender<()>>>,
    starts: Starts,
    ports: Ports,
    timers: Timers,
    wake: Option<(Instant, SpawnHandle)>,
    /// Events that follow from effects, to be applied before the next message.
    follow_ups: VecDeque<(Uuid, Event, Option<Ending>)>,
    epoch: Instant,
    /// What the machine had slept when this began.
    slept_before: Duration,
    slept_at_last_look: Duration,
    ticks: Ticks,
    global_seq: u64,
    ending: Option<oneshot::Sender<()>>,
}

/// What is known about an exit besides the exit itself.
#[derive(Debug)]
struct Ending {
    detail: String,
    stderr_tail: String,
}

impl Supervisor {
    pub(crate) fn new(
        config: Config,
        launcher: Arc<dyn Launcher>,
        registry: Arc<Registry>,
        routes: Arc<RouteTable>,
        meters: Arc<Meters>,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            starts: Starts::new(config.concurrent_starts),
            ports: Ports::new(config.ports.clone()),
            slept_before: config.clock.slept(),
            slept_at_last_look: config.clock.slept(),
            ticks: Ticks::new(Duration::ZERO, config.clock.wall()),
            config,
            launcher,
            registry,
            routes,
            meters,
            meter,
            entries: BTreeMap::new(),
            parts: BTreeMap::new(),
            leaving: BTreeMap::new(),
            timers: Timers::default(),
            wake: None,
            follow_ups: VecDeque::new(),
            epoch: Instant::now(),
            global_seq: 0,
            ending: None,
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed() + self.config.clock.slept().saturating_sub(self.slept_before)
    }

    /// `known` is the state that everybody knows it to be in, if they do.
    fn take_on(
        &mut self,
        entry: Entry,
        known: Option<State>,
        effects: Vec<Effect>,
        ctx: &mut Context<Self>,
    ) -> Arc<Snapshot> {
        let id = entry.spec.id;
        if let Some(whole) = entry.spec.part_of {
            self.parts.entry(whole).or_default().push(id);
        }
        self.entries.insert(id, Box::new(entry));
        self.publish(id, known, false);
        self.carry_out(id, effects, ctx);
        self.settle(ctx);
        self.snapshot(id)
    }

    fn snapshot(&self, id: Uuid) -> Arc<Snapshot> {
        #[expect(clippy::expect_used, reason = "only asked for entries at hand")]
        self.entries.get(&id).map(|entry| entry.snapshot(self.now())).expect("the entry is at hand")
    }

    /// Feeds an event to an instance and does all that follows.
    fn apply(&mut self, id: Uuid, event: Event, ending: Option<Ending>, ctx: &mut Context<Self>) {
        self.follow_ups.push_back((id, event, ending));
        self.settle(ctx);
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        loop {
            if let Some((id, event, ending)) = self.follow_ups.pop_front() {
                self.step(id, event, ending, ctx);
            } else if let Some((id, run)) = self.starts.grant() {
                self.step(id, Event::Fact(Fact::Granted(run)), None, ctx);
                let launched = self.entries.get(&id).is_some_and(|entry| {
                    entry.life.state() == State::Starting { run }
                        || entry.life.beside() == Some(Beside::Starting { run })
                });
                if launched {
                    self.alarm(self.config.start_slot, Alarm::Slot(id, run), ctx);
                } else {
                    self.starts.release(id, run);
                }
            } else {
                return;
            }
        }
    }

    fn step(&mut self, id: Uuid, event: Event, ending: Option<Ending>, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Step { life, effects } = lifecycle::next(&entry.spec.policy, entry.life.clone(), event, now);
        let old = std::mem::replace(&mut entry.life, life);
        let before = old.state();
        let after = entry.life.state();
        let mut unused = None;
        if let Event::Fact(Fact::Exited(run, exit)) = event
            && old.live_runs().any(|live| live == run)
        {
            let Ending { detail, stderr_tail } =
                ending.unwrap_or_else(|| Ending { detail: String::new(), stderr_tail: String::new() });
            let cause = entry.life.cause();
            entry.last_exit = Some(LastExit { run, exit, cause, detail, at: Utc::now(), stderr_tail });
            unused = entry.let_go(run);
            self.starts.release(id, run);
        }
        let gave_up = replacing::gave_up(&old, event, &entry.life);
        if gave_up {
            entry.given_up = Some(replacing::why_given_up(event, entry.last_exit.as_ref()));
        }
        let unused = [unused, entry.follow_present()];
        let other_beside = old.beside() != entry.life.beside();
        unused.into_iter().for_each(|port| self.release_port(id, port));
        if before != after || gave_up {
            self.moved(id, before, after, gave_up);
        } else if other_beside {
            self.show(id);
        }
        if let State::Running { run } = after
            && !replacing::serves(before, run)
        {
            self.watch_idle(id, run, ctx);
        }
        self.carry_out(id, effects, ctx);
        if before != after
            && let State::Ended(outcome) = after
        {
            self.ended(id, outcome);
        }
    }

    fn release_port(&mut self, id: Uuid, port: Option<u16>) {
        if let Some(port) = port {
            self.ports.release(id, port);
        }
    }

    fn nothing_lives(&self) -> bool {
        self.entries.values().all(|entry| entry.life.live_runs().next().is_none())
    }

    /// Does what every change of state asks for, whatever led to it.
    fn moved(&mut self, id: Uuid, before: State, after: State, gave_up: bool) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if let State::Running { run } = after {
            self.starts.release(id, run);
        }
        if matches!(after, State::Ended(_))
            && let Some(port) = entry.port.take()
        {
            self.ports.release(id, port);
        }
        let found = matches!((before, after), (State::Adopting { .. }, State::Starting { .. }));
        let back = before == State::Ended(Outcome::Disconnected) && !matches!(after, State::Ended(_));
        if found || back {
            entry.restored_at = Some(Utc::now());
        }
        let took_over = matches!(after, State::Running { run } if before.live_run() != Some(run));
        self.publish(id, Some(before), gave_up || took_over);
    }

    /// Shows the instance, and tells of it if its status has changed or if this is `news` anyway.
    fn publish(&mut self, id: Uuid, before: Option<State>, news: bool) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let from = before.map(|state| state.status());
        let status = entry.life.state().status();
        self.routes.set(id, entry.way());
        let news = news || from != Some(status);
        if news {
            entry.seq += 1;
            entry.since = Utc::now();
        }
        let snapshot = entry.snapshot(now);
        let is_part = snapshot.part_of.is_some();
        self.registry.put(Arc::clone(&snapshot));
        if !news || is_part {
            return;
        }
        self.global_seq += 1;
        slog::info!(self.config.log, "transition"; "instance" => %id, "status" => %status,
            "run" => %snapshot.run, "reason" => &snapshot.reason);
        self.registry.publish(Transitioned { global_seq: self.global_seq, from, snapshot });
    }

    /// Shows what has changed without a transition.
    fn show(&self, id: Uuid) {
        if let Some(entry) = self.entries.get(&id) {
            self.registry.put(entry.snapshot(self.now()));
        }
    }

    fn ended(&mut self, id: Uuid, outcome: Outcome) {
        self.end_parts(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if !entry.removal.is_empty() || entry.spec.part_of.is_some() {
            self.forget(id);
        } else if outcome == Outcome::Disconnected
            && entry.life.cause() == Cause::Lost
            && entry.restore_if_lost
        {
            self.follow_ups.push_back((id, Event::Command(Command::Restore), None));
        }
        if self.ending.is_some() && self.nothing_lives() {
            self.answer_shutdown();
        }
    }

    fn forget(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.remove(&id) {
            if let Some(port) = entry.port {
                self.ports.release(id, port);
            }
            self.registry.remove(id);
            self.routes.remove(id);
            self.end_parts(id);
            self.forget_part(&entry.spec);
            self.removed(id, entry.removal);
        }
    }

    fn answer_shutdown(&mut self) {
        if let Some(waiter) = self.ending.take() {
            let _ = waiter.send(());
            // Keeps refusing whatever still comes.
            self.ending = Some(oneshot::channel().0);
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(self.config.clock_interval, Self::compare_clocks);
    }
}
