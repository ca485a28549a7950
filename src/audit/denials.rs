//! How many refused attempts to authenticate are written down. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The span over which they are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Records per span; the rest is counted.
const PER_WINDOW: u32 = 60;

/// Bounds what strangers can have written.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    begun: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Denials {
    /// Whether an attempt is written down; otherwise it is counted.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        self.begun.get_or_insert(now);
        if self.written < PER_WINDOW {
            self.written += 1;
            return true;
        }
        self.left_out += 1;
        false
    }

    /// Counts attempts that were lost on the way here.
    pub(crate) fn lose(&mut self, count: u64, now: Instant) {
        if count > 0 {
            self.begun.get_or_insert(now);
            self.left_out += count;
        }
    }

    /// How long until the span ends, if one has begun.
    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.begun.map(|begun| (begun + WINDOW).saturating_duration_since(now))
    }

    /// Ends the span if it is over. Answers how many attempts were not written down, if any.
    pub(crate) fn close(&mut self, now: Instant) -> Option<u64> {
        if self.remaining(now)? > Duration::ZERO {
            return None;
        }
        self.begun = None;
        self.written = 0;
        Some(std::mem::take(&mut self.left_out)).filter(|left_out| *left_out > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_sixty_records_a_minute_and_one_number() {
        let mut denials = Denials::default();
        let begun = Instant::now();
        assert_eq!(denials.remaining(begun), None);
        assert_eq!((0..1_000).filter(|_| denials.admit(begun)).count(), 60);
        denials.lose(5, begun);
        assert_eq!(denials.close(begun + WINDOW / 2), None);
        assert_eq!(denials.remaining(begun + WINDOW / 2), Some(WINDOW / 2));
        assert_eq!(denials.close(begun + WINDOW), Some(945));
        assert!(denials.admit(begun + WINDOW), "another minute");
        assert_eq!(denials.close(begun + WINDOW * 2), None, "nothing was left out");
        assert_eq!(denials.remaining(begun + WINDOW * 2), None);
    }
}
