//! One life of a daemon around the real actors: it restores what earlier ones left, does what callers ask in the
//! order in which the daemon does it (first the store, then the supervisor, then the answer), and dies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Probe, Spec};
use minimcp_actors::message::Refused;
use minimcp_actors::recovery::{Course, course, serving};
use minimcp_actors::state::{Command, Status};
use minimcp_actors::{Config, Supervision, start};
use uuid::Uuid;

use crate::checks::Wanted;
use crate::machine::Machine;
use crate::rules::policy;
use crate::store::{Lost, Mode, Row, Store, journal};

#[derive(Debug)]
struct Nothing;

impl Planner for Nothing {
    fn plan(&self, _: &Launch) -> Result<Plan, NoPlan> {
        Err(NoPlan::Never("the machine of the simulation needs no plan".into()))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    pub(crate) machine: Machine,
    pub(crate) store: Store,
    pub(crate) supervision: Supervision,
}

/// What callers ask.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Stop,
    Restart,
    Restore,
    Wake,
    Hibernate,
    Replace,
    Extend,
    Delete,
}

const ASKED: [(Ask, u32); 8] = [
    (Ask::Stop, 15),
    (Ask::Restart, 20),
    (Ask::Restore, 20),
    (Ask::Wake, 10),
    (Ask::Hibernate, 10),
    (Ask::Replace, 12),
    (Ask::Extend, 8),
    (Ask::Delete, 5),
];

fn spec(id: Uuid, row: &Row) -> Spec {
    let mut spec = Spec::new("sim", policy(row.overlap), Probe::Process, Arc::new(Nothing));
    spec.id = id;
    spec.lease_ends_at = Some(row.expires_at);
    spec
}

impl Daemon {
    /// Begins in the present runtime. What an earlier daemon left is restored beside everything else.
    pub(crate) fn begin(machine: Machine, store: Store) -> Self {
        let config = Config {
            concurrent_starts: 2,
            start_slot: Duration::from_secs(1),
            sample_interval: Duration::from_secs(1_000_000),
            corner: false,
            clock: Arc::new(machine.clone()),
            stream_capacity: 64,
            ..Config::default()
        };
        let supervision = start(config, Arc::new(machine.clone()));
        Self { machine, store, supervision }
    }

    /// As the daemon restores: deletions first, then everything, then what belongs to nothing. With `replace`,
    /// survivors are ended and started anew.
    pub(crate) async fn restore(&self, replace: bool) {
        let rows = loop {
            match self.store.read().await {
                Ok(rows) => break rows,
                Err(Lost) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let base: BTreeMap<Uuid, u64> = rows.iter().map(|(id, row)| (*id, row.seq)).collect();
        actix::spawn(journal(self.store.clone(), self.supervision.clone(), base));
        let mut records: BTreeMap<Uuid, Vec<_>> = BTreeMap::new();
        let left = self.machine.at().take_records();
        for record in left {
            records.entry(record.id).or_default().push(record);
        }
        for (id, row) in rows {
            let left = records.remove(&id).unwrap_or_default();
            if row.wanted == Wanted::Gone {
                for record in &left {
                    self.machine.put_down(record).await;
                }
                while self
                    .store
                    .write(|rows| {
                        rows.remove(&id);
                    })
                    .await
                    .is_err()
                {}
                continue;
            }
            let newest = left.iter().map(|record| record.run).max().unwrap_or_default();
            let machine = self.machine.clone();
            let lives =
                move |record: &minimcp_actors::launch::Record| machine.at().lives((record.id, record.run));
            let (record, others) = serving(row.known.run, left, lives);
            for record in &others {
                self.machine.put_down(record).await;
            }
            let Course { put_down, past, fate, then } = course(&row.known, record, newest, replace);
            if let Some(record) = put_down {
                self.machine.put_down(&record).await;
            }
            match self.supervision.recover(spec(id, &row), past, fate).await {
                // It was made since this daemon began.
                Ok(_) | Err(Refused::Exists(_)) => {}
                Err(refused) => panic!("{id} cannot be recovered: {refused}"),
            }
            if let Some(command) = then {
                // What is over already refuses it.
                let _ = self.supervision.order(id, command).await;
            }
        }
        for record in records.values().flatten() {
            self.machine.put_down(record).await;
        }
        let mut machine = self.machine.at();
        let now = machine.now();
        machine.checks.has_restored(now);
        machine.checks.note(now, "restored".into());
    }

    /// One owner with one instance, who asks for this and that.
    pub(crate) async fn owner(self, id: Uuid) {
        loop {
            let pause = self.machine.at().ms(8_000);
            tokio::time::sleep(pause).await;
            if self.machine.at().calm {
                return;
            }
            if self.supervision.registry().get(id).is_some() {
                let ask = self.choose();
                self.ask(id, ask).await;
            } else if !self.machine.at().checks.instances.contains_key(&id) {
                self.create(id).await;
            }
        }
    }

    fn choose(&self) -> Ask {
        let mut machine = self.machine.at();
        let mut at = machine.rng.u32(0..100);
        for (ask, weight) in ASKED {
            if at < weight {
                return ask;
            }
            at -= weight;
        }
        Ask::Restart
    }

    fn note(&self, id: Uuid, line: &str) {
        let mut machine = self.machine.at();
        let now = machine.now();
        machine.checks.note(now, format!("{} {line}", id.as_u128() & 0xff));
    }

    async fn create(&self, id: Uuid) {
        let row = {
            let mut machine = self.machine.at();
            let lease = machine.ms(150_000) + Duration::from_secs(2);
            let overlap = machine.rng.bool();
            let ends = machine.now() + lease;
            machine.checks.expect(id, overlap);
            machine.checks.asked(id, Some(Wanted::Running), Some(ends));
            Row::new(machine.wall() + TimeDelta::from_std(lease).unwrap(), overlap)
        };
        let spec = spec(id, &row);
        self.note(id, "create");
        let stored = self
            .store
            .write(|rows| {
                rows.insert(id, row);
            })
            .await;
        let made = match stored {
            Ok(()) => self.supervision.create(spec).await.is_ok(),
            Err(Lost) => false,
        };
        self.note(id, if made { "created" } else { "not created" });
        self.machine.at().checks.answered(id, made.then_some(Wanted::Running), made);
    }

    async fn ask(&self, id: Uuid, ask: Ask) {
        self.note(id, &format!("{ask:?}"));
        let done = self.carry_out(id, ask).await;
        self.note(id, &format!("{ask:?}: {done:?}"));
        let (then, lease) = match (ask, done) {
            (Ask::Stop, Ok(())) => (Some(Wanted::Stopped), false),
            (Ask::Restart | Ask::Restore, Ok(())) => (Some(Wanted::Running), false),
            (Ask::Delete, Ok(())) => (Some(Wanted::Gone), false),
            (Ask::Extend, Ok(())) => (None, true),
            _ => (None, false),
        };
        self.machine.at().checks.answered(id, then, lease);
    }

    fn expect(&self, id: Uuid, then: Option<Wanted>) {
        self.machine.at().checks.asked(id, then, None);
    }

    async fn want(&self, id: Uuid, stopped: bool, command: Command) -> Result<(), ()> {
        let before = self.store.read().await.map_err(drop)?.get(&id).map(|row| row.wanted);
        let set = |wanted: Wanted| {
            self.store.change(id, move |row| {
                row.wanted = wanted;
                row.known.stopped = wanted == Wanted::Stopped;
            })
        };
        set(if stopped { Wanted::Stopped } else { Wanted::Running }).await.map_err(drop)?;
        match (self.supervision.order(id, command).await, before) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(before)) => {
                // That it cannot be taken back is what makes both possible.
                let _ = set(before).await;
                Err(())
            }
            (Err(_), None) => Err(()),
        }
    }

    async fn carry_out(&self, id: Uuid, ask: Ask) -> Result<(), ()> {
        match ask {
            Ask::Stop => {
                self.expect(id, Some(Wanted::Stopped));
                self.want(id, true, Command::Stop).await
            }
            Ask::Restart => {
                self.expect(id, Some(Wanted::Running));
                let now = self.machine.at().wall();
                self.store
                    .change(id, |row| row.known.restart_requested_at = Some(now))
                    .await
                    .map_err(drop)?;
                self.want(id, false, Command::Restart).await
            }
            Ask::Restore => {
                self.expect(id, Some(Wanted::Running));
                let present = self.supervision.registry().get(id).map(|snapshot| snapshot.status);
                if present == Some(Status::Disconnected) {
                    let now = self.machine.at().wall();
                    let asked = self.store.change(id, |row| row.known.restart_requested_at = Some(now));
                    asked.await.map_err(drop)?;
                }
                self.want(id, false, Command::Restore).await
            }
            Ask::Replace => {
                self.expect(id, None);
                let now = self.machine.at().wall();
                self.store.change(id, |row| row.known.renewed_at = Some(now)).await.map_err(drop)?;
                self.supervision.order(id, Command::Replace).await.map(drop).map_err(drop)
            }
            Ask::Wake | Ask::Hibernate => {
                self.expect(id, None);
                let command = if matches!(ask, Ask::Wake) { Command::Wake } else { Command::Hibernate };
                self.supervision.order(id, command).await.map(drop).map_err(drop)
            }
            Ask::Extend => self.extend(id).await,
            Ask::Delete => {
                self.expect(id, Some(Wanted::Gone));
                let gone = |rows: &mut BTreeMap<Uuid, Row>| {
                    rows.entry(id).and_modify(|row| row.wanted = Wanted::Gone);
                };
                self.store.write(gone).await.map_err(drop)?;
                match self.supervision.remove(id).await {
                    Ok(()) | Err(Refused::Unknown(_)) => {}
                    Err(_) => return Err(()),
                }
                self.store
                    .write(|rows| {
                        rows.remove(&id);
                    })
                    .await
                    .map_err(drop)
            }
        }
    }

    async fn extend(&self, id: Uuid) -> Result<(), ()> {
        let before = self.store.peek(id).ok_or(())?.expires_at;
        let at = {
            let mut machine = self.machine.at();
            let lease = machine.ms(100_000) + Duration::from_secs(10);
            let ends = machine.now() + lease;
            machine.checks.asked(id, None, Some(ends));
            machine.wall() + TimeDelta::from_std(lease).unwrap()
        };
        self.store.change(id, |row| row.expires_at = at).await.map_err(drop)?;
        if self.supervision.extend(id, at).await.is_err() {
            let _ = self.store.change(id, |row| row.expires_at = before).await;
            return Err(());
        }
        Ok(())
    }

    /// What goes wrong around it, until nothing does any more.
    pub(crate) async fn trouble(self) {
        loop {
            // Two changes of a clock between two looks are seen as one, of their sum.
            let pause = self.machine.at().ms(4_000) + Duration::from_millis(1_100);
            tokio::time::sleep(pause).await;
            if self.machine.at().calm {
                return;
            }
            let kind = self.machine.at().rng.u32(0..100);
            match kind {
                0..30 => {
                    let mode = if self.machine.at().rng.bool() { Mode::Away } else { Mode::Stalled };
                    self.tell(&format!("the store is {mode:?}"));
                    self.store.set(mode);
                    let long = self.machine.at().ms(12_000);
                    tokio::time::sleep(long).await;
                    self.store.set(Mode::Well);
                    self.tell("the store is back");
                }
                30..60 => self.machine.at().kill_one(),
                60..75 => {
                    let mut machine = self.machine.at();
                    let days = machine.rng.i64(-400..=400);
                    if days != 0 {
                        machine.set_wall(TimeDelta::days(days));
                        let now = machine.now();
                        machine.checks.note(now, format!("the wall clock is set by {days} days"));
                    }
                }
                75..90 => {
                    let mut machine = self.machine.at();
                    let by = machine.rng.i64(-20_000..=20_000);
                    machine.set_wall(TimeDelta::milliseconds(by));
                    let now = machine.now();
                    machine.checks.note(now, format!("the wall clock is corrected by {by} ms"));
                }
                _ => {
                    let mut machine = self.machine.at();
                    let long = machine.ms(60_000);
                    machine.sleep(long);
                    let now = machine.now();
                    machine.checks.note(now, format!("the machine slept {long:?}"));
                }
            }
        }
    }

    fn tell(&self, line: &str) {
        let mut machine = self.machine.at();
        let now = machine.now();
        machine.checks.note(now, line.to_owned());
    }
}
