//! The supervisor's timers: one queue for all instances, so that ten thousand leases cost one timer of the
//! runtime. Nothing is ever cancelled: a timer that has lost its meaning is ignored when it fires.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tokio::time::Instant;
use uuid::Uuid;

use crate::state::{Run, Timer};

/// What the supervisor wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A timer of an instance's life.
    Life(Uuid, Timer),
    /// A start has had its slot for long enough.
    Slot(Uuid, Run),
    /// The run may have gone without a call for as long as it may.
    Idle(Uuid, Run),
    /// The kernel is about to end the run, whose lease may have been extended since it was launched.
    Outlived(Uuid, Run),
}

/// Timers by the time at which they are due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    armed: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Due {
    at: Instant,
    /// Keeps timers of one instant in the order they were armed in.
    order: u64,
    alarm: Alarm,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Instant, alarm: Alarm) {
        self.armed += 1;
        self.heap.push(Reverse(Due { at, order: self.armed, alarm }));
    }

    /// When the next timer is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// Takes out the next timer that is due by `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Alarm> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.alarm)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timers_fire_in_the_order_they_are_due_and_not_before() {
        let start = Instant::now();
        let grace = |run| Alarm::Life(Uuid::nil(), Timer::Grace(Run(run)));
        let mut timers = Timers::default();
        for (seconds, run) in [(3, 1), (1, 2), (1, 3)] {
            timers.arm(start + Duration::from_secs(seconds), grace(run));
        }
        assert_eq!(timers.pop(start), None);
        let late = start + Duration::from_secs(2);
        assert_eq!(timers.pop(late), Some(grace(2)));
        assert_eq!(timers.pop(late), Some(grace(3)));
        assert_eq!(timers.pop(late), None);
        assert_eq!(timers.next_at(), Some(start + Duration::from_secs(3)));
    }
}
