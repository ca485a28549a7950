//! Who may use which instance: the hashes of their tokens, kept in memory so that no request needs the store.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;
use uuid::Uuid;

use super::answers::Tools;
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
    standing: Arc<Standing>,
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

    /// The tools that the instance has listed.
    pub(super) fn tools(&self) -> &Arc<Tools> {
        &self.entry.tools
    }

    /// Ready when the token lets nobody in any more: when it was revoked, or replaced and its overlap is over.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut standing = self.standing.subscribe();
        async move {
            loop {
                let until = match *standing.borrow_and_update() {
                    Valid::Always => None,
                    Valid::Until(until) => Some(until),
                    Valid::Never => return,
                };
                let left = until.map(|until| (until - Utc::now()).to_std().unwrap_or_default());
                let changed = tokio::time::timeout(left.unwrap_or(Duration::MAX), standing.changed());
                // Over as well if nobody is there any more who could say so.
                let Ok(Ok(())) = changed.await else { return };
            }
        }
    }
}

/// How long a token lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Valid {
    Always,
    Until(DateTime<Utc>),
    Never,
}

/// How long a token lets somebody in, for those who listen with it.
type Standing = watch::Sender<Valid>;

#[derive(Debug)]
struct Entry {
    grant: Grant,
    rate: Arc<Rate>,
    tools: Arc<Tools>,
    standing: Arc<Standing>,
    /// That of the token before it, if there is one.
    previous: Option<Arc<Standing>>,
}

impl Entry {
    /// How it stands with this token, if it was the present one or that before it.
    fn standing_of(&self, token: &TokenHash) -> Option<&Arc<Standing>> {
        if self.grant.token == *token {
            return Some(&self.standing);
        }
        self.previous.as_ref().filter(|_| self.grant.previous.is_some_and(|(kept, _)| kept == *token))
    }

    fn standings(&self) -> impl Iterator<Item = &Arc<Standing>> {
        std::iter::once(&self.standing).chain(&self.previous)
    }
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
    /// go of. Who listens with one that has an overlap may go on until that is over.
    pub fn grant(&self, id: Uuid, grant: Grant) {
        let before = self.entries.get(&id).map(|entry| Arc::clone(&entry));
        let standing = |token: TokenHash, valid: Valid| {
            let known = before.as_ref().and_then(|entry| entry.standing_of(&token).cloned());
            let standing = known.unwrap_or_else(|| Arc::new(Standing::new(valid)));
            standing.send_replace(valid);
            standing
        };
        let previous = grant.previous.map(|(token, until)| standing(token, Valid::Until(until)));
        let standing = standing(grant.token, Valid::Always);
        let (rate, tools) = match &before {
            Some(entry) => (Arc::clone(&entry.rate), Arc::clone(&entry.tools)),
            None => (Arc::new(per_second(self.per_second)), Arc::default()),
        };
        let entry = Arc::new(Entry { grant, rate, tools, standing, previous });
        self.entries.insert(id, Arc::clone(&entry));
        for left in before.iter().flat_map(|before| before.standings()) {
            if !entry.standings().any(|kept| Arc::ptr_eq(kept, left)) {
                left.send_replace(Valid::Never);
            }
        }
    }

    /// Lets nobody in any more.
    pub fn revoke(&self, id: Uuid) {
        if let Some((_, entry)) = self.entries.remove(&id) {
            for standing in entry.standings() {
                standing.send_replace(Valid::Never);
            }
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
        let present = shown.ct_eq(&current) & known;
        let fits = present | (shown.ct_eq(&previous) & spare);
        let entry = entry.filter(|_| bool::from(fits))?;
        let standing = if bool::from(present) { &entry.standing } else { entry.previous.as_ref()? };
        Some(Admitted { token: *shown, standing: Arc::clone(standing), entry })
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

    #[tokio::test(start_paused = true)]
    async fn who_listens_is_let_go_of_with_the_token_or_with_its_overlap_and_no_sooner() {
        let table = AccessTable::new(0);
        let id = Uuid::now_v7();
        let now = Utc::now();
        let grant = |token: u8, previous: Option<(u8, u64)>| {
            let previous = previous.map(|(hash, secs)| ([hash; 32], now + Duration::from_secs(secs)));
            table.grant(id, Grant { token: [token; 32], previous, mcp_path: "/mcp".into() });
        };
        let over = |token: u8| Box::pin(table.admit(id, &[token; 32], now).unwrap().over());
        macro_rules! pending {
            ($over:expr) => {
                assert!(futures::poll!($over.as_mut()).is_pending())
            };
        }
        grant(1, None);
        let mut first = over(1);
        pending!(first);
        grant(2, Some((1, 60)));
        let (replaced, mut second) = (over(1), over(2));
        pending!(first);
        let begin = tokio::time::Instant::now();
        replaced.await;
        // It began when there was no overlap yet, which ends it nevertheless.
        first.await;
        assert!(begin.elapsed() <= Duration::from_secs(60) && begin.elapsed() > Duration::from_secs(50));
        pending!(second);

        grant(3, Some((2, 600)));
        pending!(second);
        let mut third = over(3);
        pending!(third);
        grant(4, None);
        second.await;
        third.as_mut().await;
        assert!(begin.elapsed() < Duration::from_secs(61), "at once");
        let fourth = over(4);
        table.revoke(id);
        fourth.await;
    }
}
