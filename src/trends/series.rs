//! Points in time, fewer and fewer the older they are. Pure.

use minimcp_actors::snapshot::Sample;

/// What a process tree used within one step, or at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where the step begins, in seconds since 1970.
    pub at: i64,
    /// Measurements that are in it.
    pub samples: u32,
    /// CPU in percent of one core, on average.
    pub cpu_percent: f32,
    /// The most of it.
    pub cpu_percent_max: f32,
    /// Resident memory in KiB, on average.
    pub memory_kib: u32,
    /// The most of it.
    pub memory_kib_max: u32,
    /// The most processes at once.
    pub processes: u32,
    /// How long health checks took, if there was one.
    pub health: Option<Latency>,
}

/// How long health checks took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Measurements with a health check before them.
    pub samples: u32,
    /// On average.
    pub mean_us: u32,
    /// At most.
    pub max_us: u32,
}

/// A resolution that the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// One minute, for a day.
    Minute,
    /// A quarter of an hour, for 30 days.
    Quarter,
}

impl Step {
    /// Both, the finer first.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Quarter];

    /// Seconds between two points.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Quarter => 900,
        }
    }

    /// Seconds that one row of the store spans.
    #[must_use]
    pub fn row_seconds(self) -> i64 {
        match self {
            Self::Minute => 3_600,
            Self::Quarter => 86_400,
        }
    }

    /// Seconds that points are kept.
    #[must_use]
    pub fn kept_seconds(self) -> i64 {
        match self {
            Self::Minute => 86_400,
            Self::Quarter => 30 * 86_400,
        }
    }
}

impl From<Sample> for Point {
    fn from(sample: Sample) -> Self {
        let memory_kib = u32::try_from(sample.usage.memory_bytes / 1_024).unwrap_or(u32::MAX);
        let latency = sample.health_latency_us.map(|us| {
            let us = u32::try_from(us).unwrap_or(u32::MAX);
            Latency { samples: 1, mean_us: us, max_us: us }
        });
        Self {
            at: sample.at.timestamp(),
            samples: 1,
            cpu_percent: sample.usage.cpu_percent,
            cpu_percent_max: sample.usage.cpu_percent,
            memory_kib,
            memory_kib_max: memory_kib,
            processes: sample.usage.processes,
            health: latency,
        }
    }
}

impl Point {
    /// Both as one, which begins where the first does.
    fn with(self, other: Self) -> Self {
        let (mine, others) = (f64::from(self.samples), f64::from(other.samples));
        let whole = (mine + others).max(1.0);
        let mean = |one: f64, two: f64| (one * mine + two * others) / whole;
        Self {
            at: self.at.min(other.at),
            samples: self.samples.saturating_add(other.samples),
            cpu_percent: mean(self.cpu_percent.into(), other.cpu_percent.into()) as f32,
            cpu_percent_max: self.cpu_percent_max.max(other.cpu_percent_max),
            memory_kib: mean(self.memory_kib.into(), other.memory_kib.into()).round() as u32,
            memory_kib_max: self.memory_kib_max.max(other.memory_kib_max),
            processes: self.processes.max(other.processes),
            health: match (self.health, other.health) {
                (Some(one), Some(two)) => Some(one.with(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

impl Latency {
    fn with(self, other: Self) -> Self {
        let (mine, others) = (f64::from(self.samples), f64::from(other.samples));
        let mean =
            (f64::from(self.mean_us) * mine + f64::from(other.mean_us) * others) / (mine + others).max(1.0);
        Self {
            samples: self.samples.saturating_add(other.samples),
            mean_us: mean.round() as u32,
            max_us: self.max_us.max(other.max_us),
        }
    }
}

/// The same at a coarser resolution: one point for each step of so many seconds in which there is any, in order. What
/// falls into the same step counts by how many measurements are in it.
#[must_use]
pub fn downsample(points: &[Point], seconds: i64) -> Vec<Point> {
    let mut steps: std::collections::BTreeMap<i64, Point> = std::collections::BTreeMap::new();
    for point in points {
        let at = begin(point.at, seconds);
        let point = Point { at, ..*point };
        steps.entry(at).and_modify(|step| *step = step.with(point)).or_insert(point);
    }
    steps.into_values().collect()
}

/// Where the step of this moment begins.
#[must_use]
pub fn begin(at: i64, seconds: i64) -> i64 {
    at - at.rem_euclid(seconds)
}

const VERSION: u8 = 1;
const POINT_BYTES: usize = 44;
const NO_LATENCY: u32 = 0;

/// Points as a row of the store has them: a version, then 44 bytes for each.
#[must_use]
pub fn encode(points: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + points.len() * POINT_BYTES);
    bytes.push(VERSION);
    for point in points {
        let health = point.health.unwrap_or(Latency { samples: NO_LATENCY, mean_us: 0, max_us: 0 });
        bytes.extend_from_slice(&point.at.to_le_bytes());
        for number in [
            point.samples,
            point.cpu_percent.to_bits(),
            point.cpu_percent_max.to_bits(),
            point.memory_kib,
            point.memory_kib_max,
            point.processes,
            health.samples,
            health.mean_us,
            health.max_us,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes
}

/// What [`encode`] made; `None` if it was something else.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<Point>> {
    let (version, bytes) = bytes.split_first()?;
    if *version != VERSION || bytes.len() % POINT_BYTES != 0 {
        return None;
    }
    bytes.chunks_exact(POINT_BYTES).map(point).collect()
}

fn point(bytes: &[u8]) -> Option<Point> {
    let (at, rest) = bytes.split_first_chunk::<8>()?;
    let mut numbers = rest.chunks_exact(4).filter_map(|four| four.try_into().ok().map(u32::from_le_bytes));
    let mut next = || numbers.next();
    Some(Point {
        at: i64::from_le_bytes(*at),
        samples: next()?,
        cpu_percent: f32::from_bits(next()?),
        cpu_percent_max: f32::from_bits(next()?),
        memory_kib: next()?,
        memory_kib_max: next()?,
        processes: next()?,
        health: {
            let (samples, mean_us, max_us) = (next()?, next()?, next()?);
            (samples != NO_LATENCY).then_some(Latency { samples, mean_us, max_us })
        },
    })
}

#[cfg(test)]
mod tests;
