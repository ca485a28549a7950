//! The rules that the simulated instances live by: short, so that much happens in a minute.

use std::time::Duration;

use minimcp_actors::policy::{Backoff, Budget, Policy, Timing};

pub(crate) const CRASHES: u32 = 3;
pub(crate) const FAILED_STARTS: u32 = 2;
pub(crate) const PERIOD: Duration = Duration::from_secs(60);
pub(crate) const STABLE: Duration = Duration::from_secs(10);
pub(crate) const GRACE: Duration = Duration::from_secs(1);

pub(crate) fn policy(overlap: bool) -> Policy {
    let timing = Timing {
        start_timeout: Duration::from_secs(3),
        probe_interval: Duration::from_secs(2),
        probe_timeout: Duration::from_millis(500),
        grace: GRACE,
        stable_after: STABLE,
    };
    Policy {
        crashes: Budget::new(CRASHES, PERIOD).unwrap(),
        failed_starts: Budget::new(FAILED_STARTS, PERIOD).unwrap(),
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)).unwrap(),
        timing,
        overlap,
        ..Policy::default()
    }
}
