//! Who may use which instance: the hashes of their tokens, kept in memory so that no request needs the store.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use subtle::{Choice, ConstantTimeEq};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::rate::Rate;
use crate::vault::TokenHash;

/// The way in to one instance.
#[derive(Debug)]
pub struct Grant {
    /// The hash of the access token.
    pub token: TokenHash,
    /// The hash of the token before it, and until when that works.
    pub previous: Option<(TokenHash, DateTime<Utc>)>,
    /// Where the server's MCP endpoint is, such as `/mcp`.
    pub mcp_path: Arc<str>,
}

/// An admitted caller of one instance.
#[derive(Debug)]
pub(super) struct Admitted {
    /// The hash of the token that was shown.
    pub(super) token: TokenHash,
    entry: Arc<Entry>,
}

impl Admitted {
    /// Where the server's MCP endpoint is.
    pub(super) fn mcp_path(&self) -> &str {
        &self.entry.grant.mcp_path
    }

    /// How often the instance may be asked.
    pub(super) fn rate(&self) -> &Rate {
        &self.entry.rate
    }

    /// Cancelled when the token lets nobody in any more.
    pub(super) fn live(&self) -> CancellationToken {
        self.entry.live.clone()
    }
}

#[derive(Debug)]
struct Entry {
    grant: Grant,
    rate: Arc<Rate>,
    live: CancellationToken,
}

/// The way in to every instance. Filled at the start of the daemon, and whenever one is created, gets a new
/// token or is deleted.
#[derive(Debug)]
pub struct AccessTable {
    entries: DashMap<Uuid, Arc<Entry>>,
    per_second: u32,
}

impl AccessTable {
    /// An empty table that allows this many requests per second and instance; 0 is no bound.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { entries: DashMap::new(), per_second }
    }

    /// Lets the holders of these tokens in, and nobody else from now on: who listens with another token is let
    /// go of. Who listens with one that has an overlap may go on listening.
    pub fn grant(&self, id: Uuid, grant: Grant) {
        let keeps = |token| token == grant.token || grant.previous.is_some_and(|(kept, _)| token == kept);
        let present = self
            .entries
            .get(&id)
            .map(|entry| (Arc::clone(&entry.rate), entry.live.clone(), entry.grant.token));
        let (rate, live) = match present {
            Some((rate, live, token)) if keeps(token) => (rate, live),
            Some((rate, live, _)) => {
                live.cancel();
                (rate, CancellationToken::new())
            }
            None => (Arc::new(per_second(self.per_second)), CancellationToken::new()),
        };
        self.entries.insert(id, Arc::new(Entry { grant, rate, live }));
    }

    /// Lets nobody in any more.
    pub fn revoke(&self, id: Uuid) {
        if let Some((_, entry)) = self.entries.remove(&id) {
            entry.live.cancel();
        }
    }

    /// Looks at the hash of the token that was shown. An unknown instance takes as long as a wrong token.
    pub(super) fn admit(&self, id: Uuid, shown: &TokenHash, now: DateTime<Utc>) -> Option<Admitted> {
        let entry = self.entries.get(&id).map(|entry| Arc::clone(&entry));
        let nobody = [0; 32];
        let (current, previous) = match entry.as_deref() {
            Some(Entry { grant, .. }) => {
                let previous = grant.previous.filter(|(_, until)| now < *until).map(|(hash, _)| hash);
                (grant.token, previous.unwrap_or(nobody))
            }
            None => (nobody, nobody),
        };
        let known = Choice::from(u8::from(current != nobody));
        let spare = Choice::from(u8::from(previous != nobody));
        let fits = (shown.ct_eq(&current) & known) | (shown.ct_eq(&previous) & spare);
        let entry = entry.filter(|_| bool::from(fits))?;
        Some(Admitted { token: *shown, entry })
    }
}

fn per_second(count: u32) -> Rate {
    Rate::new(count, Duration::from_secs(1), count.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_token_and_within_its_overlap_the_one_before_are_let_in() {
        let table = AccessTable::new(0);
        let id = Uuid::now_v7();
        let now = Utc::now();
        let until = now + Duration::from_secs(60);
        let admits = |hash: u8, at: DateTime<Utc>| table.admit(id, &[hash; 32], at).is_some();
        assert!(!admits(1, now), "unknown instance");

        let mcp_path: Arc<str> = "/mcp".into();
        table.grant(id, Grant { token: [1; 32], previous: None, mcp_path: Arc::clone(&mcp_path) });
        assert!(admits(1, now) && !admits(2, now) && !admits(0, now));
        assert!(table.admit(Uuid::now_v7(), &[1; 32], now).is_none(), "another instance");

        table.grant(id, Grant { token: [2; 32], previous: Some(([1; 32], until)), mcp_path });
        assert!(admits(2, now) && admits(1, now));
        assert!(!admits(1, until) && admits(2, until), "the overlap is over");

        table.revoke(id);
        assert!(!admits(2, now) && !admits(0, now));
    }
}
