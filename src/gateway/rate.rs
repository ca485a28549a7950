//! How many requests per second an instance takes: the generic cell rate algorithm, which needs one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Requests that may come at once, as a multiple of those per second.
const BURST: u64 = 2;

/// The rate of one instance.
#[derive(Debug)]
pub(super) struct Rate {
    /// Nanoseconds between two requests; 0 is no bound.
    interval: u64,
    begin: Instant,
    /// When the next request would come if all came evenly, in nanoseconds since `begin`.
    due: AtomicU64,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        let interval = 1_000_000_000u64.checked_div(per_second.into()).unwrap_or(0);
        Self { interval, begin: Instant::now(), due: AtomicU64::new(0) }
    }

    /// Takes one request, or says how long to wait.
    pub(super) fn take(&self) -> Result<(), Duration> {
        if self.interval == 0 {
            return Ok(());
        }
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let slack = self.interval.saturating_mul(BURST.saturating_mul(1_000_000_000 / self.interval));
        let taken = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let next = due.max(now).saturating_add(self.interval);
            (next <= now.saturating_add(slack)).then_some(next)
        });
        taken.map(drop).map_err(|due| Duration::from_nanos(due.saturating_add(self.interval) - now - slack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_one_per_interval() {
        let rate = Rate::new(50);
        let passed = (0..1_000).filter(|_| rate.take().is_ok()).count();
        assert_eq!(passed, 100);
        let wait = rate.take().unwrap_err();
        assert_eq!(wait, Duration::from_millis(20));
        tokio::time::advance(wait).await;
        assert!(rate.take().is_ok());
        assert!(rate.take().is_err());
        let unbound = Rate::new(0);
        assert!((0..10_000).all(|_| unbound.take().is_ok()));
    }
}
