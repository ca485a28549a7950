//! How often an address may show tokens that do not hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered at most; past it all of them get a new window.
const ADDRESSES: usize = 10_000;

/// Failed attempts by address. A token that holds is never refused here: users behind one proxy share an
/// address, and one broken client must not lock out the others.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Attempts within a window; 0 is no bound.
    attempts: u32,
    failed: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Throttle {
    /// A throttle for this many failed attempts a minute and address; 0 is no bound.
    pub(crate) fn new(attempts: u32) -> Self {
        Self { attempts, failed: Mutex::default() }
    }

    /// Notes a failed attempt, or says how long this address should leave it.
    pub(crate) fn fail(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.attempts == 0 {
            return Ok(());
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= ADDRESSES && !failed.contains_key(&from) {
            failed.retain(|_, (begin, _)| now < *begin + WINDOW);
            if failed.len() >= ADDRESSES {
                failed.clear();
            }
        }
        let (begin, attempts) = failed.entry(from).or_insert((now, 0));
        if now >= *begin + WINDOW {
            (*begin, *attempts) = (now, 0);
        }
        if *attempts >= self.attempts {
            return Err(*begin + WINDOW - now);
        }
        *attempts += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_attempts_a_minute_and_address() {
        let throttle = Throttle::new(10);
        let begin = Instant::now();
        let one = IpAddr::from([127, 0, 0, 1]);
        assert!((0..10).all(|_| throttle.fail(one, begin).is_ok()));
        assert_eq!(throttle.fail(one, begin + WINDOW / 2), Err(WINDOW / 2));
        assert!(throttle.fail(IpAddr::from([127, 0, 0, 2]), begin).is_ok(), "another address");
        assert!(throttle.fail(one, begin + WINDOW).is_ok(), "another minute");
        for n in 0..20_000u32 {
            let _ = throttle.fail(IpAddr::from(n.to_be_bytes()), begin);
        }
        assert!(throttle.failed.lock().unwrap().len() <= ADDRESSES);
        let unbound = Throttle::new(0);
        assert!((0..1_000).all(|_| unbound.fail(one, begin).is_ok()));
    }
}
