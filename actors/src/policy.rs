//! The rules one instance lives by, as values that cannot be built wrong.
//!
//! Nothing here looks at a clock, a process or an actor. Each constructor checks its ranges once, so that
//! [`crate::lifecycle`] never has to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::{Cause, Usage};

/// A rule that cannot hold, with the words for the person who wrote it.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::policy::Budget;
///
/// let refused = Budget::new(3, Duration::ZERO).unwrap_err();
/// assert_eq!(refused.field, "budget.period");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {rule}, got {got}")]
pub struct Invalid {
    /// The field at fault, such as `budget.intensity`.
    pub field: &'static str,
    /// The range that holds.
    pub rule: &'static str,
    /// What was given.
    pub got: String,
}

fn refuse<T>(field: &'static str, rule: &'static str, got: impl std::fmt::Display) -> Result<T, Invalid> {
    Err(Invalid { field, rule, got: got.to_string() })
}

const DAY: Duration = Duration::from_secs(86_400);

/// Which ends of a process lead to a new one. The words are Erlang's.
///
/// ```
/// use minimcp_actors::policy::{Policy, RestartPolicy};
///
/// assert_eq!(Policy::default().restart, RestartPolicy::Permanent, "a server that exits comes back");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Always: a server that exits by itself comes back.
    #[default]
    Permanent,
    /// Only after a fault; an exit with code 0 ends the instance as stopped.
    Transient,
    /// Never.
    Temporary,
}

/// How many restarts are allowed within a sliding period before the supervisor gives up.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::policy::Budget;
///
/// let budget = Budget::new(5, Duration::from_secs(300))?;
/// assert_eq!((budget.intensity(), budget.period().as_secs()), (5, 300));
/// # Ok::<(), minimcp_actors::policy::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    intensity: u32,
    period: Duration,
}

impl Budget {
    /// `intensity` restarts (0 to 1,000) within `period` (1 s to 24 h).
    ///
    /// # Errors
    /// [`Invalid`] names the value that is out of range.
    pub fn new(intensity: u32, period: Duration) -> Result<Self, Invalid> {
        if intensity > 1_000 {
            return refuse("budget.intensity", "0 to 1000", intensity);
        }
        if period < Duration::from_secs(1) || period > DAY {
            return refuse("budget.period", "1 s to 24 h", format!("{period:?}"));
        }
        Ok(Self { intensity, period })
    }

    /// Restarts allowed within the period.
    #[must_use]
    pub fn intensity(&self) -> u32 {
        self.intensity
    }

    /// The length of the sliding period.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

/// Delay before the n-th restart of a window: none for the first, then doubling from `initial` to `max`.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::policy::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60))?;
/// assert_eq!([1, 2, 3, 99].map(|nth| backoff.delay(nth).as_millis()), [0, 200, 400, 60_000]);
/// # Ok::<(), minimcp_actors::policy::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    /// `initial` is 1 ms or more, `max` at least `initial` and at most 24 h.
    ///
    /// # Errors
    /// [`Invalid`] names the value that is out of range.
    pub fn new(initial: Duration, max: Duration) -> Result<Self, Invalid> {
        if initial < Duration::from_millis(1) {
            return refuse("backoff.initial", "at least 1 ms", format!("{initial:?}"));
        }
        if max < initial || max > DAY {
            return refuse("backoff.max", "from backoff.initial to 24 h", format!("{max:?}"));
        }
        Ok(Self { initial, max })
    }

    /// The delay before restart `nth` (1 is the first) of the present window, without jitter.
    #[must_use]
    pub fn delay(&self, nth: u32) -> Duration {
        match nth {
            0 | 1 => Duration::ZERO,
            n => 2u32
                .checked_pow(n - 2)
                .and_then(|factor| self.initial.checked_mul(factor))
                .map_or(self.max, |delay| delay.min(self.max)),
        }
    }
}

/// What a process tree may use. A limit that is `None` is not enforced.
///
/// ```
/// use minimcp_actors::policy::{Limits, Policy};
///
/// let limits = Limits { memory_bytes: Some(256 << 20), ..Limits::default() };
/// assert!(Policy { limits, ..Policy::default() }.checked().is_ok());
/// let nothing = Limits { memory_bytes: Some(0), ..limits };
/// assert!(Policy { limits: nothing, ..Policy::default() }.checked().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Resident memory of the whole tree, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU of the whole tree in percent of one core: 150 is one and a half cores.
    pub cpu_percent: Option<u32>,
    /// Processes and threads of the whole tree together, as the kernel counts them.
    pub tasks: Option<u32>,
}

/// Samples in a row over each limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Over {
    memory: u32,
    cpu: u32,
    tasks: u32,
}

/// How long things may take and how often they are looked at.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::policy::{Policy, Timing};
///
/// let timing = Timing { start_timeout: Duration::from_secs(120), ..Timing::default() };
/// assert!(Policy { timing, ..Policy::default() }.checked().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From spawn to ready; past it the start has failed.
    pub start_timeout: Duration,
    /// Between two health probes of a running process.
    pub probe_interval: Duration,
    /// What one probe may take before it counts as missed.
    pub probe_timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// A run that was ready for this long clears the restart windows.
    pub stable_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(30),
            probe_interval: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(10),
            stable_after: Duration::from_secs(120),
        }
    }
}

/// All the rules of one instance.
///
/// ```
/// use std::time::Duration;
///
/// use minimcp_actors::policy::{Budget, Policy, RestartPolicy};
///
/// let hour = Duration::from_secs(3_600);
/// let policy = Policy {
///     restart: RestartPolicy::Transient, // an exit with code 0 is its end
///     crashes: Budget::new(20, hour)?,
///     ..Policy::default()
/// };
/// assert!(policy.checked().is_ok());
/// assert!(Budget::new(20, Duration::ZERO).is_err(), "what cannot hold cannot be built");
/// # Ok::<(), minimcp_actors::policy::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which ends lead to a new run.
    pub restart: RestartPolicy,
    /// Restarts of runs that had been ready.
    pub crashes: Budget,
    /// Further tries of runs that never became ready.
    pub failed_starts: Budget,
    /// Delay between restarts.
    pub backoff: Backoff,
    /// Time-outs and intervals.
    pub timing: Timing,
    /// Missed probes in a row that are a fault.
    pub strikes: u32,
    /// Limits of the whole process tree.
    pub limits: Limits,
    /// Samples in a row that may be over a limit; one more is a fault.
    pub samples_over: u32,
    /// Whether two processes may live at once while one replaces the other.
    pub overlap: bool,
}

impl Default for Policy {
    /// Permanent, 5 crashes and 3 failed starts in 300 s, back-off from 200 ms to 60 s, 3 strikes, no limits,
    /// no two processes at once.
    fn default() -> Self {
        let period = Duration::from_secs(300);
        Self {
            restart: RestartPolicy::default(),
            crashes: Budget { intensity: 5, period },
            failed_starts: Budget { intensity: 3, period },
            backoff: Backoff { initial: Duration::from_millis(200), max: Duration::from_secs(60) },
            timing: Timing::default(),
            strikes: 3,
            limits: Limits::default(),
            samples_over: 3,
            overlap: false,
        }
    }
}

impl Policy {
    /// Counts a sample, in `so_far`: samples in a row over the limits. Answers the cause if they are more than may
    /// be.
    pub(crate) fn over(&self, so_far: &mut Over, usage: Usage) -> Option<Cause> {
        let Limits { memory_bytes, cpu_percent, tasks } = self.limits;
        let count = |over: bool, so_far: &mut u32| {
            *so_far = if over { so_far.saturating_add(1) } else { 0 };
            *so_far > self.samples_over
        };
        let memory = memory_bytes.is_some_and(|max| usage.memory_bytes > max);
        let cpu = cpu_percent.is_some_and(|max| f64::from(usage.cpu_percent) > f64::from(max));
        // Where the kernel keeps the limit, the forks that it refused tell who wants more.
        let tasks = tasks.is_some_and(|max| usage.tasks > max || usage.refused_forks > 0);
        let over = [
            (count(memory, &mut so_far.memory), Cause::HighMemory),
            (count(cpu, &mut so_far.cpu), Cause::HighCpu),
            (count(tasks, &mut so_far.tasks), Cause::TooManyProcesses),
        ];
        over.into_iter().find_map(|(over, cause)| over.then_some(cause))
    }

    /// Checks what the parts cannot check alone.
    ///
    /// # Errors
    /// [`Invalid`] names the value that is out of range.
    pub fn checked(self) -> Result<Self, Invalid> {
        let timing = self.timing;
        for (field, value) in [
            ("timing.start_timeout", timing.start_timeout),
            ("timing.probe_interval", timing.probe_interval),
            ("timing.probe_timeout", timing.probe_timeout),
        ] {
            if value < Duration::from_millis(10) || value > DAY {
                return refuse(field, "10 ms to 24 h", format!("{value:?}"));
            }
        }
        if timing.grace > Duration::from_secs(600) {
            return refuse("timing.grace", "at most 600 s", format!("{:?}", timing.grace));
        }
        // Without it, each ready run would forgive the crash before it, and a crash loop would never end.
        if timing.stable_after < Duration::from_millis(1) {
            return refuse("timing.stable_after", "at least 1 ms", format!("{:?}", timing.stable_after));
        }
        if self.strikes == 0 {
            return refuse("strikes", "at least 1", self.strikes);
        }
        if self.limits.memory_bytes == Some(0) {
            return refuse("limits.memory_bytes", "at least 1", 0);
        }
        if self.limits.cpu_percent == Some(0) {
            return refuse("limits.cpu_percent", "at least 1", 0);
        }
        // A runtime such as Node begins with eleven threads.
        if let Some(tasks) = self.limits.tasks.filter(|tasks| *tasks < 16) {
            return refuse("limits.tasks", "at least 16", tasks);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_double_up_to_the_maximum() {
        let backoff = Policy::default().backoff;
        let delays: Vec<u128> = (1..=12).map(|n| backoff.delay(n).as_millis()).collect();
        assert_eq!(delays, [0, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(60), "no overflow");
    }

    #[test]
    fn rules_that_cannot_hold_are_refused_by_name() {
        let second = Duration::from_secs(1);
        assert_eq!(Budget::new(1_001, second).unwrap_err().field, "budget.intensity");
        assert_eq!(Budget::new(1, Duration::ZERO).unwrap_err().field, "budget.period");
        assert_eq!(Backoff::new(Duration::ZERO, second).unwrap_err().field, "backoff.initial");
        assert_eq!(Backoff::new(second, second / 2).unwrap_err().field, "backoff.max");
        let mut policy = Policy { strikes: 0, ..Policy::default() };
        assert_eq!(policy.checked().unwrap_err().field, "strikes");
        policy = Policy::default();
        policy.limits.cpu_percent = Some(0);
        assert_eq!(policy.checked().unwrap_err().to_string(), "limits.cpu_percent must be at least 1, got 0");
        assert_eq!(Policy::default().checked(), Ok(Policy::default()));
    }
}
