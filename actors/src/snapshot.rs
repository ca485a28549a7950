//! What outsiders may know about an instance, kept in a concurrent map that is written by the supervisor
//! and read by anyone without a message.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::launch::cgroup::Enforced;
use crate::launch::isolation::Report;
use crate::policy::Limits;
use crate::state::{Cause, Exit, Run, Status, Usage};

/// Samples kept per instance: at the default interval of 5 s, the last ten minutes.
const TREND_LENGTH: usize = 120;

/// The last end of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastExit {
    /// The run that ended.
    pub run: Run,
    /// How it ended.
    pub exit: Exit,
    /// Why the supervisor thinks it ended, if it had a hand in it.
    pub cause: Cause,
    /// What there is to say about it, such as why a launch failed. Never holds a secret.
    pub detail: String,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// The last lines the run wrote to stderr, at most 4 KiB.
    pub stderr_tail: String,
}

/// The result of the last health probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When the probe ended.
    pub checked_at: DateTime<Utc>,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// Why it was missed, or `None` if it was answered.
    pub problem: Option<String>,
}

/// One measurement of a process tree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// What it showed.
    pub usage: Usage,
    /// Latency of the health probe before it, in microseconds.
    pub health_latency_us: Option<u64>,
}

/// An instance as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The instance.
    pub id: Uuid,
    /// Who it belongs to.
    pub owner: Uuid,
    /// What kind it is, such as the name of its type.
    pub kind: Arc<str>,
    /// The instance that this is a part of, if it is none itself.
    pub part_of: Option<Uuid>,
    /// Grows by one with each transition of this instance; the first is 1.
    pub seq: u64,
    /// Where it stands.
    pub status: Status,
    /// What led there.
    pub cause: Cause,
    /// What led there, in words.
    pub reason: String,
    /// When it came there.
    pub since: DateTime<Utc>,
    /// The present run, or the newest.
    pub run: Run,
    /// Process id of the present run.
    pub pid: Option<u32>,
    /// Port of the present run.
    pub port: Option<u16>,
    /// The second run and its process id, while one replaces another.
    pub beside: Option<(Run, u32)>,
    /// When the present run was launched.
    pub started_at: Option<DateTime<Utc>>,
    /// When a process of an earlier daemon was adopted.
    pub restored_at: Option<DateTime<Utc>>,
    /// When the lease ends.
    pub lease_ends_at: Option<DateTime<Utc>>,
    /// Runs begun after an earlier one had ended.
    pub restarts: u64,
    /// Restarts that count against a budget at present.
    pub restarts_in_window: u32,
    /// When the next run is due, while backing off.
    pub next_start_at: Option<DateTime<Utc>>,
    /// The last measurement.
    pub usage: Option<Usage>,
    /// The last health probe.
    pub health: Option<Health>,
    /// The last end of a process.
    pub last_exit: Option<LastExit>,
    /// Limits of the process tree.
    pub limits: Limits,
    /// Who keeps them, while there is a process.
    pub enforced: Option<Enforced>,
    /// What keeps the process of the present run to itself, while there is one.
    pub isolation: Option<Arc<Report>>,
}

/// One change of status or of the run that serves, or a replacement that was given up, as published to whoever listens.
#[derive(Debug, Clone, PartialEq)]
pub struct Transitioned {
    /// Grows by one with each transition of any instance since the daemon began.
    pub global_seq: u64,
    /// The status before, or `None` for the first transition since the daemon began.
    pub from: Option<Status>,
    /// The instance after the change.
    pub snapshot: Arc<Snapshot>,
}

/// A [`Sample`] as it is kept: half as large, since there are a hundred and more of every instance.
#[derive(Debug, Clone, Copy)]
struct Kept {
    at_ms: i64,
    memory_kib: u32,
    cpu_percent: f32,
    processes: u32,
    tasks: u32,
    /// `u32::MAX` for none.
    health_latency_us: u32,
}

impl From<Sample> for Kept {
    fn from(sample: Sample) -> Self {
        let health_latency_us =
            sample.health_latency_us.map_or(u32::MAX, |us| u32::try_from(us).unwrap_or(u32::MAX - 1));
        Self {
            at_ms: sample.at.timestamp_millis(),
            memory_kib: u32::try_from(sample.usage.memory_bytes / 1024).unwrap_or(u32::MAX),
            cpu_percent: sample.usage.cpu_percent,
            processes: sample.usage.processes,
            tasks: sample.usage.tasks,
            health_latency_us,
        }
    }
}

impl From<Kept> for Sample {
    fn from(kept: Kept) -> Self {
        Self {
            at: DateTime::from_timestamp_millis(kept.at_ms).unwrap_or_default(),
            usage: Usage {
                memory_bytes: u64::from(kept.memory_kib) * 1024,
                cpu_percent: kept.cpu_percent,
                processes: kept.processes,
                tasks: kept.tasks,
                refused_forks: 0,
            },
            health_latency_us: (kept.health_latency_us != u32::MAX).then(|| kept.health_latency_us.into()),
        }
    }
}

#[derive(Debug)]
struct Entry {
    snapshot: Arc<Snapshot>,
    trend: VecDeque<Kept>,
}

/// Every instance the supervisor knows, and the stream of their transitions.
///
/// The stream is bounded: a reader that lags is told so and reads the snapshots again.
///
/// ```no_run
/// # async fn example(supervision: minimcp_actors::Supervision) {
/// use tokio::sync::broadcast::error::RecvError;
///
/// let mut transitions = supervision.registry().subscribe();
/// loop {
///     match transitions.recv().await {
///         Ok(moved) => println!("{} is {}", moved.snapshot.id, moved.snapshot.status),
///         Err(RecvError::Lagged(_)) => println!("{} instances", supervision.registry().all().len()),
///         Err(RecvError::Closed) => break,
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Registry {
    entries: DashMap<Uuid, Entry>,
    transitions: broadcast::Sender<Arc<Transitioned>>,
}

impl Registry {
    /// An empty registry whose stream holds `capacity` transitions for slow readers.
    #[must_use]
    pub fn new(capacity: usize) -> Arc<Self> {
        let (transitions, _) = broadcast::channel(capacity);
        Arc::new(Self { entries: DashMap::new(), transitions })
    }

    /// The instance as it stands.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Arc<Snapshot>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.snapshot))
    }

    /// Every instance, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Snapshot>> {
        let mut all = self.with_parts();
        all.retain(|snapshot| snapshot.part_of.is_none());
        all
    }

    /// Every instance and every part of one, in no order.
    pub(crate) fn with_parts(&self) -> Vec<Arc<Snapshot>> {
        self.entries.iter().map(|entry| Arc::clone(&entry.snapshot)).collect()
    }

    /// Measurements taken since `since`, oldest first.
    #[must_use]
    pub fn trend(&self, id: Uuid, since: Option<DateTime<Utc>>) -> Vec<Sample> {
        self.entries.get(&id).map_or_else(Vec::new, |entry| {
            entry
                .trend
                .iter()
                .map(|kept| Sample::from(*kept))
                .filter(|sample| since.is_none_or(|since| sample.at >= since))
                .collect()
        })
    }

    /// Listens to every later transition.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Transitioned>> {
        self.transitions.subscribe()
    }

    pub(crate) fn put(&self, snapshot: Arc<Snapshot>) {
        self.entries
            .entry(snapshot.id)
            .and_modify(|entry| entry.snapshot = Arc::clone(&snapshot))
            .or_insert_with(|| Entry { snapshot, trend: VecDeque::new() });
    }

    pub(crate) fn record(&self, id: Uuid, sample: Sample) {
        if let Some(mut entry) = self.entries.get_mut(&id) {
            if entry.trend.len() == TREND_LENGTH {
                entry.trend.pop_front();
            }
            entry.trend.push_back(sample.into());
        }
    }

    pub(crate) fn remove(&self, id: Uuid) {
        self.entries.remove(&id);
    }

    pub(crate) fn publish(&self, transition: Transitioned) {
        // An error only says that nobody listens at present.
        let _ = self.transitions.send(Arc::new(transition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_kept_to_the_millisecond_and_the_kibibyte() {
        let usage = Usage { memory_bytes: 70_000 << 10, cpu_percent: 12.5, processes: 3, ..Usage::default() };
        let at = DateTime::from_timestamp_millis(1_800_000_000_123).unwrap();
        for health_latency_us in [None, Some(0), Some(1_500)] {
            let sample = Sample { at, usage, health_latency_us };
            assert_eq!(Sample::from(Kept::from(sample)), sample);
        }
        let huge = Usage { memory_bytes: u64::MAX, ..usage };
        let sample = Sample { at, usage: huge, health_latency_us: Some(u64::MAX) };
        let kept = Sample::from(Kept::from(sample));
        assert_eq!(kept.usage.memory_bytes, u64::from(u32::MAX) * 1024);
        assert_eq!(kept.health_latency_us, Some(u64::from(u32::MAX - 1)));
    }
}
