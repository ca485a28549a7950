//! What instances used over time: as measured for some minutes, by the minute for a day, by the quarter of an hour for 30
//! days.
//!
//! The measurements of the last minutes are in the registry, where the supervisor puts them; the task in here reads them
//! there and writes each minute that is over to the store, in batches. No actor waits for it or hears of it. A minute
//! that is under way when the daemon dies is lost.

pub mod series;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use minimcp_actors::Supervision;
use minimcp_actors::snapshot::Sample;
use slog::{Logger, error};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{Store, StoreError};
use series::{Point, Step, downsample};

/// Between two looks at the registry, which holds 120 measurements of each instance.
const LOOK: Duration = Duration::from_secs(10);
/// At the shortest interval of measurements it holds 12 s of them.
const SHORTEST_LOOK: Duration = Duration::from_secs(2);
/// Between two looks for what is too old.
const FORGET: TimeDelta = TimeDelta::hours(1);
/// Minutes of one instance that wait for the store at most.
const WAITING: usize = 60;
/// Points written in one transaction at most.
const BATCH: usize = 200;

/// Writes trends, as the only one.
#[derive(Debug)]
pub struct Trends {
    store: Store,
    supervision: Supervision,
    instances: HashMap<Uuid, Recent>,
    forgotten_at: Option<DateTime<Utc>>,
    log: Logger,
}

/// What was read of an instance and is not in the store yet.
#[derive(Debug, Default)]
struct Recent {
    /// The newest measurement that was read.
    last: Option<DateTime<Utc>>,
    /// One point for each minute.
    minutes: Vec<Point>,
}

impl Recent {
    fn add(&mut self, samples: Vec<Sample>) {
        let Some(newest) = samples.last() else { return };
        self.last = Some(newest.at);
        let points = self.minutes.iter().copied().chain(samples.into_iter().map(Point::from));
        self.minutes = downsample(&points.collect::<Vec<_>>(), Step::Minute.seconds());
        let surplus = self.minutes.len().saturating_sub(WAITING);
        self.minutes.drain(..surplus);
    }

    /// The minutes that are over.
    fn over(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Point> {
        let present = series::begin(now.timestamp(), Step::Minute.seconds());
        self.minutes.iter().filter(move |minute| minute.at < present)
    }
}

impl Trends {
    /// Trends of the instances that are under supervision.
    #[must_use]
    pub fn new(store: Store, supervision: Supervision, log: Logger) -> Self {
        Self { store, supervision, instances: HashMap::new(), forgotten_at: None, log }
    }

    /// Writes until `stop` is cancelled.
    pub async fn run(mut self, sample_interval: Duration, stop: CancellationToken) {
        let look = LOOK.min(sample_interval * 20).max(SHORTEST_LOOK);
        let mut looks = tokio::time::interval(look);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        while tokio::select! { () = stop.cancelled() => false, _ = looks.tick() => true } {
            self.read();
            match self.write(Utc::now()).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        error!(self.log, "trends could not be written; an hour of them waits"; "error" => %error);
                    }
                }
            }
        }
    }

    /// Takes over what was measured since the last look.
    fn read(&mut self) {
        let registry = self.supervision.registry();
        let present = registry.all();
        for snapshot in &present {
            let since = self.instances.get(&snapshot.id).and_then(|recent| recent.last);
            // Measurements are kept to the millisecond.
            let samples = registry.trend(snapshot.id, since.map(|last| last + TimeDelta::milliseconds(1)));
            if !samples.is_empty() {
                self.instances.entry(snapshot.id).or_default().add(samples);
            }
        }
        let present: std::collections::HashSet<Uuid> = present.iter().map(|snapshot| snapshot.id).collect();
        self.instances.retain(|id, _| present.contains(id));
    }

    /// Writes the minutes that are over, and forgets what is too old.
    async fn write(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let over: Vec<(Uuid, Point)> = self
            .instances
            .iter()
            .flat_map(|(id, recent)| recent.over(now).map(|minute| (*id, *minute)))
            .collect();
        for batch in over.chunks(BATCH) {
            self.store.add_trend_minutes(batch).await?;
            for (id, written) in batch {
                if let Some(recent) = self.instances.get_mut(id) {
                    recent.minutes.retain(|minute| minute.at != written.at);
                }
            }
        }
        if self.forgotten_at.is_none_or(|at| now - at >= FORGET || now < at) {
            self.store.forget_trends(now).await?;
            self.forgotten_at = Some(now);
        }
        Ok(())
    }
}

/// The resolution that reaches back to `since` and is the finest of those: `None` for the measurements themselves, of
/// which the oldest in memory is `oldest`.
#[must_use]
pub fn fitting(
    since: Option<DateTime<Utc>>,
    oldest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Step> {
    let since = since?;
    if oldest.is_some_and(|oldest| oldest <= since) || now - since <= TimeDelta::minutes(2) {
        return None;
    }
    let day = TimeDelta::seconds(Step::Minute.kept_seconds());
    Some(if now - since <= day { Step::Minute } else { Step::Quarter })
}

#[cfg(test)]
mod tests {
    use minimcp_actors::state::Usage;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn sample(seconds: i64) -> Sample {
        let usage = Usage { memory_bytes: 1 << 20, cpu_percent: 10.0, processes: 1, ..Usage::default() };
        Sample { at: at(seconds), usage, health_latency_us: None }
    }

    #[test]
    fn the_finest_resolution_that_reaches_back_is_answered() {
        let now = at(100 * 86_400);
        let ago = |minutes: i64| Some(now - TimeDelta::minutes(minutes));
        for (since, oldest, expected) in [
            (None, None, None),
            (None, ago(10), None),
            (ago(1), None, None),
            (ago(9), ago(10), None),
            (ago(9), ago(5), Some(Step::Minute)),
            (ago(9), None, Some(Step::Minute)),
            (ago(24 * 60), ago(10), Some(Step::Minute)),
            (ago(24 * 60 + 1), ago(10), Some(Step::Quarter)),
            (ago(90 * 24 * 60), None, Some(Step::Quarter)),
        ] {
            assert_eq!(fitting(since, oldest, now), expected, "{since:?} {oldest:?}");
        }
    }

    #[test]
    fn a_minute_is_written_once_it_is_over_and_no_more_than_an_hour_of_them_waits() {
        let mut recent = Recent::default();
        recent.add((0..24).map(|n| sample(600 + n * 5)).collect());
        assert_eq!(recent.last, Some(at(715)));
        let over: Vec<(i64, u32)> = recent.over(at(716)).map(|minute| (minute.at, minute.samples)).collect();
        assert_eq!(over, [(600, 12)]);
        recent.add(vec![sample(719)]);
        let over: Vec<(i64, u32)> = recent.over(at(720)).map(|minute| (minute.at, minute.samples)).collect();
        assert_eq!(over, [(600, 12), (660, 13)]);
        recent.add((0..100).map(|n| sample(1_200 + n * 60)).collect());
        assert_eq!((recent.minutes.len(), recent.minutes[0].at), (WAITING, 1_200 + 40 * 60));
    }
}
