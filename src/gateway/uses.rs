//! From where which token is used. The first use is recorded before the request goes on, and again each hour: a
//! record per request would tell nothing more and cost more than the request.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;
use uuid::Uuid;

use crate::audit::Unavailable;
use crate::vault::TokenHash;

/// From one record of a use to the next.
const AGAIN: Duration = Duration::from_secs(3_600);
/// From a record that failed to the next try, where the use is known.
const RETRY: Duration = Duration::from_secs(60);
/// Uses remembered at most; past it those that are due are forgotten, and if none is, all.
const USES: usize = 10_000;

/// An instance, the hash of a token and an address.
type Use = (Uuid, TokenHash, IpAddr);

/// When each use is recorded next. Requests of the same use wait for its first record.
#[derive(Debug, Default)]
pub(super) struct Uses(DashMap<Use, Arc<Due>>);

/// When one use is recorded next.
#[derive(Debug, Default)]
struct Due {
    next: Mutex<Option<Instant>>,
    /// Held by whoever is recording the use. Only those who find a record due ask for it.
    turn: tokio::sync::Mutex<()>,
}

impl Due {
    fn next(&self) -> Option<Instant> {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, next: Instant) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next().is_none_or(|next| next <= now)
    }
}

impl Uses {
    /// Lets `record` record the use, if that is due.
    ///
    /// # Errors
    /// What `record` fails with, if the use is new. A use that was recorded before goes on.
    pub(super) async fn recorded(
        &self,
        of: Use,
        now: Instant,
        record: impl Future<Output = Result<(), Unavailable>>,
    ) -> Result<(), Unavailable> {
        let known = self.0.get(&of).map(|due| Arc::clone(&due));
        let due = known.unwrap_or_else(|| self.remember(of, now));
        if !due.is_due(now) {
            return Ok(());
        }
        let _turn = due.turn.lock().await;
        // Somebody else may have recorded it meanwhile.
        if !due.is_due(now) {
            return Ok(());
        }
        match record.await {
            Ok(()) => due.set(now + AGAIN),
            Err(unavailable) if due.next().is_none() => return Err(unavailable),
            Err(_) => due.set(now + RETRY),
        }
        Ok(())
    }

    fn remember(&self, of: Use, now: Instant) -> Arc<Due> {
        if self.0.len() >= USES {
            self.0.retain(|_, due| due.turn.try_lock().is_err() || !due.is_due(now));
            if self.0.len() >= USES {
                self.0.clear();
            }
        }
        Arc::clone(&self.0.entry(of).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test(start_paused = true)]
    async fn the_first_use_and_then_one_an_hour_are_recorded() {
        let (uses, count) = (Uses::default(), AtomicU32::new(0));
        let (begin, id) = (Instant::now(), Uuid::now_v7());
        let at = async |of: Use, now: Instant| {
            let record = async {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            uses.recorded(of, now, record).await.unwrap();
            count.load(Ordering::Relaxed)
        };
        let use_ = (id, [1; 32], HERE);
        let together = futures::future::join_all((0..100).map(|_| at(use_, begin))).await;
        assert_eq!(together, [1; 100], "whoever comes meanwhile waits for the record");
        assert_eq!(at(use_, begin + AGAIN / 2).await, 1);
        assert_eq!(at((id, [2; 32], HERE), begin).await, 2, "another token");
        assert_eq!(at((id, [1; 32], IpAddr::from([127, 0, 0, 2])), begin).await, 3, "another address");
        assert_eq!(at(use_, begin + AGAIN).await, 4, "another hour");
    }

    #[tokio::test(start_paused = true)]
    async fn while_nothing_can_be_recorded_known_uses_go_on_and_new_ones_do_not() {
        let uses = Uses::default();
        let (begin, id) = (Instant::now(), Uuid::now_v7());
        let trail = crate::audit::Trail::broken();
        let fails = || async { trail.record(crate::audit::Entry::test()).await.map(drop) };
        uses.recorded((id, [1; 32], HERE), begin, async { Ok(()) }).await.unwrap();
        assert!(uses.recorded((id, [2; 32], HERE), begin, fails()).await.is_err());
        assert!(uses.recorded((id, [2; 32], HERE), begin, fails()).await.is_err(), "still new");
        uses.recorded((id, [1; 32], HERE), begin + AGAIN, fails()).await.unwrap();
        uses.recorded((id, [2; 32], HERE), begin, async { Ok(()) }).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_takes_bounded_memory() {
        let uses = Uses::default();
        let (begin, id) = (Instant::now(), Uuid::now_v7());
        for n in 0..25_000_u32 {
            uses.recorded((id, [1; 32], IpAddr::from(n.to_be_bytes())), begin, async { Ok(()) })
                .await
                .unwrap();
        }
        assert!(uses.0.len() <= USES);
    }
}
