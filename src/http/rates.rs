//! How often a caller may ask, whoever it is: one rate for each, forgotten once it is full again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::gateway::Rate;

/// Callers remembered at most.
const CALLERS: usize = 10_000;

/// A rate for each caller.
#[derive(Debug)]
pub(super) struct Rates {
    count: u32,
    period: Duration,
    burst: u32,
    callers: Mutex<HashMap<Uuid, Rate>>,
}

impl Rates {
    /// `count` requests per `period`, `burst` of them at once; a count of 0 is no bound.
    pub(super) fn new(count: u32, period: Duration, burst: u32) -> Self {
        Self { count, period, burst, callers: Mutex::default() }
    }

    /// Takes one request of this caller, or says how long they should wait.
    pub(super) fn take(&self, caller: Uuid) -> Result<(), Duration> {
        if self.count == 0 {
            return Ok(());
        }
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= CALLERS && !callers.contains_key(&caller) {
            callers.retain(|_, rate| !rate.is_idle());
            if callers.len() >= CALLERS {
                callers.clear();
            }
        }
        let rate = callers.entry(caller).or_insert_with(|| Rate::new(self.count, self.period, self.burst));
        rate.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_caller_has_a_rate_of_their_own_and_few_are_remembered() {
        let minute = Duration::from_secs(60);
        let rates = Rates::new(30, minute, 30);
        let (una, ugo) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!((0..100).filter(|_| rates.take(una).is_ok()).count(), 30);
        assert_eq!(rates.take(una), Err(Duration::from_secs(2)));
        assert!(rates.take(ugo).is_ok(), "another caller");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(rates.take(una).is_ok() && rates.take(una).is_err(), "one more after its time");
        tokio::time::advance(minute).await;
        assert_eq!((0..100).filter(|_| rates.take(una).is_ok()).count(), 30, "a minute makes all of it good");
        for _ in 0..2 * CALLERS {
            let _ = rates.take(Uuid::now_v7());
        }
        assert!(rates.callers.lock().unwrap().len() <= CALLERS);
        assert!((0..1_000).all(|_| Rates::new(0, minute, 0).take(una).is_ok()), "no bound");
    }
}
