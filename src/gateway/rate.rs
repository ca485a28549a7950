//! How many requests within a time are taken: the generic cell rate algorithm, which needs one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// One rate.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Nanoseconds between two requests; 0 is no bound.
    interval: u64,
    /// How far ahead of an even stream a burst may be, in nanoseconds.
    slack: u64,
    begin: Instant,
    /// When the next request would come if all came evenly, in nanoseconds since `begin`.
    due: AtomicU64,
}

impl Rate {
    /// `count` requests per `period`, `burst` of them at once; a count of 0 is no bound.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = nanoseconds(period).checked_div(count.into()).unwrap_or(0);
        let slack = interval.saturating_mul(burst.into());
        Self { interval, slack, begin: Instant::now(), due: AtomicU64::new(0) }
    }

    /// Takes one request, or says how long to wait.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        if self.interval == 0 {
            return Ok(());
        }
        let now = nanoseconds(self.begin.elapsed());
        let taken = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let next = due.max(now).saturating_add(self.interval);
            (next <= now.saturating_add(self.slack)).then_some(next)
        });
        let early = |due: u64| due.saturating_add(self.interval).saturating_sub(now + self.slack);
        taken.map(drop).map_err(|due| Duration::from_nanos(early(due)))
    }

    /// Whether forgetting it would change nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.load(Ordering::Relaxed) <= nanoseconds(self.begin.elapsed())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_per_interval() {
        let rate = Rate::new(50, Duration::from_secs(1), 100);
        let passed = (0..1_000).filter(|_| rate.take().is_ok()).count();
        assert_eq!(passed, 100);
        let wait = rate.take().unwrap_err();
        assert_eq!(wait, Duration::from_millis(20));
        assert!(!rate.is_idle());
        tokio::time::advance(wait).await;
        assert!(rate.take().is_ok());
        assert!(rate.take().is_err());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(rate.is_idle());
        let unbound = Rate::new(0, Duration::from_secs(1), 0);
        assert!((0..10_000).all(|_| unbound.take().is_ok()));
    }
}
