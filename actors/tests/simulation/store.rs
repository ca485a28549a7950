//! A store that may be away, stalled, or lose the answer to a write that it made, and the journal that writes what
//! happened into it, as the daemon's own does: in order, again until it succeeds, the newest of each instance.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use minimcp_actors::Supervision;
use minimcp_actors::recovery::Remembered;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Cause, Run, Status};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::checks::Wanted;
use crate::machine::Machine;

/// How long a caller waits for the store.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) wanted: Wanted,
    pub(crate) known: Remembered,
    pub(crate) seq: u64,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) overlap: bool,
}

impl Row {
    pub(crate) fn new(expires_at: DateTime<Utc>, overlap: bool) -> Self {
        let known = Remembered {
            status: Status::Pending,
            cause: Cause::Commanded,
            stopped: false,
            run: Run(0),
            restarts: 0,
            restart_requested_at: None,
            stopped_at: None,
            renewed_at: None,
        };
        Self { wanted: Wanted::Running, known, seq: 0, expires_at, overlap }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    Away,
    Stalled,
}

/// The answer did not come, whatever has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<Mutex<Inner>>,
    machine: Machine,
}

#[derive(Debug)]
struct Inner {
    rows: BTreeMap<Uuid, Row>,
    mode: Mode,
}

impl Store {
    pub(crate) fn new(machine: Machine) -> Self {
        let inner = Inner { rows: BTreeMap::new(), mode: Mode::Well };
        Self { inner: Arc::new(Mutex::new(inner)), machine }
    }

    fn at(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.at().mode = mode;
    }

    /// Looks without asking the store.
    pub(crate) fn peek(&self, id: Uuid) -> Option<Row> {
        self.at().rows.get(&id).cloned()
    }

    async fn reached(&self) -> Result<(), Lost> {
        let begun = tokio::time::Instant::now();
        let delay = self.machine.at().ms(5);
        tokio::time::sleep(delay).await;
        loop {
            let mode = self.at().mode;
            match mode {
                Mode::Well => return Ok(()),
                Mode::Stalled if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Mode::Away | Mode::Stalled => return Err(Lost),
            }
        }
    }

    pub(crate) async fn read(&self) -> Result<BTreeMap<Uuid, Row>, Lost> {
        self.reached().await?;
        Ok(self.at().rows.clone())
    }

    /// One transaction.
    pub(crate) async fn write(&self, change: impl FnOnce(&mut BTreeMap<Uuid, Row>)) -> Result<(), Lost> {
        self.reached().await?;
        {
            let mut inner = self.at();
            change(&mut inner.rows);
            let mut machine = self.machine.at();
            for (id, expected) in &mut machine.checks.instances {
                expected.recorded = inner.rows.contains_key(id);
            }
        }
        let (delay, lost) = {
            let mut machine = self.machine.at();
            (machine.ms(2), !machine.calm && machine.rng.u32(0..40) == 0)
        };
        tokio::time::sleep(delay).await;
        if lost { Err(Lost) } else { Ok(()) }
    }

    /// What is being deleted is not changed any more: that is an error, like an answer that was lost.
    pub(crate) async fn change(&self, id: Uuid, change: impl FnOnce(&mut Row)) -> Result<(), Lost> {
        let mut refused = true;
        let written = self
            .write(|rows| {
                if let Some(row) = rows.get_mut(&id).filter(|row| row.wanted != Wanted::Gone) {
                    change(row);
                    refused = false;
                }
            })
            .await;
        if refused { Err(Lost) } else { written }
    }
}

/// Writes transitions until its daemon dies.
pub(crate) async fn journal(store: Store, supervision: Supervision, base: BTreeMap<Uuid, u64>) {
    let mut stream = supervision.registry().subscribe();
    let mut heard: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut waiting: BTreeMap<Uuid, Arc<Snapshot>> = BTreeMap::new();
    let mut retry = Duration::from_millis(100);
    loop {
        let news = if waiting.is_empty() {
            Some(stream.recv().await)
        } else {
            tokio::time::timeout(Duration::from_millis(1), stream.recv()).await.ok()
        };
        let mut hear = |snapshot: Arc<Snapshot>| {
            let last = heard.entry(snapshot.id).or_default();
            if snapshot.seq > *last {
                *last = snapshot.seq;
                waiting.insert(snapshot.id, snapshot);
            }
        };
        match news {
            Some(Ok(transition)) => {
                let told = &transition.snapshot;
                {
                    let mut machine = store.machine.at();
                    let now = machine.now();
                    machine.checks.became(now, told.id, told.status, told.run);
                }
                hear(Arc::clone(told));
                continue;
            }
            Some(Err(RecvError::Lagged(_))) => {
                supervision.registry().all().into_iter().for_each(&mut hear);
                continue;
            }
            Some(Err(RecvError::Closed)) => return,
            None => {}
        }
        let batch = waiting.clone();
        let written = store
            .write(|rows| {
                for (id, snapshot) in &batch {
                    let seq = base.get(id).copied().unwrap_or_default() + snapshot.seq;
                    if let Some(row) = rows.get_mut(id).filter(|row| row.seq < seq) {
                        enter(row, seq, snapshot);
                    }
                }
            })
            .await;
        if written.is_ok() {
            waiting.retain(|id, snapshot| batch[id].seq < snapshot.seq);
            retry = Duration::from_millis(100);
        } else {
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(PATIENCE);
        }
    }
}

fn enter(row: &mut Row, seq: u64, snapshot: &Snapshot) {
    row.seq = seq;
    row.known = Remembered {
        status: snapshot.status,
        cause: snapshot.cause,
        run: snapshot.run,
        restarts: snapshot.restarts,
        stopped_at: snapshot.status.is_ended().then_some(snapshot.since),
        ..row.known
    };
}
