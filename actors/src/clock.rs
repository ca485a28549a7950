//! The clocks that leases go by. Timers follow the monotonic clock, which nobody can set, but which stands still
//! while the machine sleeps. A lease is given in wall time, which goes on then, but which anybody can set.
//!
//! [`Ticks`] compares the two at each look. While they go together, the earlier of both ends a lease. A wall clock
//! that was set by more than [`JUMP`] is not followed: leases then end by the monotonic clock, as they were meant
//! before.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

/// More than this between two looks is no correction of the wall clock but another time.
const JUMP: TimeDelta = TimeDelta::seconds(30);
/// Less than this is not worth another timer.
const WORTH: TimeDelta = TimeDelta::milliseconds(100);

/// The clocks of a machine.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use chrono::{DateTime, Utc};
/// use minimcp_actors::Config;
/// use minimcp_actors::clock::Clock;
///
/// /// A clock that stands still, for tests.
/// #[derive(Debug)]
/// struct Still(DateTime<Utc>);
///
/// impl Clock for Still {
///     fn wall(&self) -> DateTime<Utc> {
///         self.0
///     }
///
///     fn slept(&self) -> Duration {
///         Duration::ZERO
///     }
/// }
///
/// let config = Config { clock: Arc::new(Still(DateTime::UNIX_EPOCH)), ..Config::default() };
/// assert_eq!(config.clock.wall(), DateTime::UNIX_EPOCH);
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// What time it is.
    fn wall(&self) -> DateTime<Utc>;

    /// For how long the machine has slept since it was booted.
    fn slept(&self) -> Duration;
}

/// The clocks of this machine.
///
/// ```
/// use minimcp_actors::clock::{Clock, MachineClock};
///
/// let first = MachineClock.wall();
/// assert!(chrono::Utc::now() >= first);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn wall(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn slept(&self) -> Duration {
        let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
        // Read in this order, the difference is never less than none.
        let awake = read(ClockId::Monotonic);
        let slept = read(ClockId::Boottime).saturating_sub(awake);
        // What passes between the two readings is no sleep.
        if slept < Duration::from_millis(50) { Duration::ZERO } else { slept }
    }
}

/// What a look at the clocks has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// By how much the wall clock was set, if it was.
    pub(crate) jumped: Option<TimeDelta>,
    /// The wall clock has moved against ours so far that leases end at other times of ours.
    pub(crate) moved: bool,
}

/// How the wall clock goes against ours.
#[derive(Debug)]
pub(crate) struct Ticks {
    ours: Duration,
    wall: DateTime<Utc>,
    /// All jumps so far: what has to be taken from the wall clock to get the time that leases go by.
    jumps: TimeDelta,
    /// By how much the wall clock has moved since leases were last set by it.
    moved: TimeDelta,
}

impl Ticks {
    pub(crate) fn new(ours: Duration, wall: DateTime<Utc>) -> Self {
        Self { ours, wall, jumps: TimeDelta::zero(), moved: TimeDelta::zero() }
    }

    /// Compares the clocks. `ours` counts what the machine slept.
    pub(crate) fn look(&mut self, ours: Duration, wall: DateTime<Utc>) -> Look {
        let passed = TimeDelta::from_std(ours.saturating_sub(self.ours)).unwrap_or(TimeDelta::MAX);
        let step = (wall - self.wall) - passed;
        (self.ours, self.wall) = (ours, wall);
        if step.abs() > JUMP {
            self.jumps += step;
            return Look { jumped: Some(step), moved: false };
        }
        self.moved += step;
        let moved = self.moved.abs() >= WORTH;
        if moved {
            self.moved = TimeDelta::zero();
        }
        Look { jumped: None, moved }
    }

    /// A time of the wall clock as leases keep it: it means the same after jumps.
    pub(crate) fn kept(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        at - self.jumps
    }

    /// A kept time as one of ours, by what the wall clock showed at the last look. What is past is now.
    pub(crate) fn ours(&self, kept: DateTime<Utc>) -> Duration {
        self.ours + (kept - (self.wall - self.jumps)).to_std().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: i64) -> TimeDelta {
        TimeDelta::seconds(n)
    }

    #[test]
    fn a_wall_clock_that_is_set_far_moves_no_lease_and_one_that_is_corrected_does() {
        let begin = DateTime::<Utc>::UNIX_EPOCH + second(1_000_000_000);
        let ours = Duration::from_secs;
        for days in [400, -400] {
            let mut ticks = Ticks::new(ours(10), begin);
            let kept = ticks.kept(begin + second(60));
            assert_eq!(ticks.ours(kept), ours(70));

            let set = begin + TimeDelta::days(days) + second(1);
            assert_eq!(ticks.look(ours(11), set).jumped, Some(TimeDelta::days(days)));
            assert_eq!(ticks.ours(kept), ours(70), "the lease of before");
            let later = ticks.kept(set + second(60));
            assert_eq!(ticks.ours(later), ours(71), "a lease of after");

            assert_eq!(ticks.look(ours(12), set + second(21)), Look { jumped: None, moved: true });
            assert_eq!(ticks.ours(kept), ours(50), "twenty seconds earlier");
            assert_eq!(ticks.look(ours(13), set + second(22)), Look { jumped: None, moved: false });
        }
    }

    #[test]
    fn what_the_machine_slept_is_no_jump() {
        let begin = DateTime::<Utc>::UNIX_EPOCH;
        let mut ticks = Ticks::new(Duration::ZERO, begin);
        let slept = Duration::from_secs(3_600);
        assert_eq!(ticks.look(slept, begin + slept), Look { jumped: None, moved: false });
        assert!(MachineClock.slept() >= Duration::ZERO);
    }
}
