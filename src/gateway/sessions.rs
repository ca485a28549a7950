//! Which token a session belongs to. A session id is no proof of anything (MCP, security best practices:
//! session hijacking), so whoever shows it with another token does not get at the session. And which run it
//! belongs to: the next one never heard of it.

use std::collections::HashMap;
use std::sync::Mutex;

use minimcp_actors::state::Run;
use uuid::Uuid;

use crate::vault::TokenHash;

/// Sessions remembered at least; at most twice as many.
const GENERATION: usize = 50_000;

/// Longest session id that is remembered; longer ones are refused.
pub(super) const MAX_ID: usize = 256;

type Sessions = HashMap<(Uuid, Box<str>), Bound>;

/// Whose a session is, and which run knows of it, once one was asked.
#[derive(Debug, Clone, Copy)]
struct Bound {
    token: TokenHash,
    run: Option<Run>,
}

/// Sessions by instance and id. Bounded: when the young ones are full they become the old ones, and the old
/// ones are forgotten. A forgotten session is bound anew by the next request that shows it.
#[derive(Debug)]
pub(super) struct SessionTable {
    generation: usize,
    both: Mutex<(Sessions, Sessions)>,
}

impl SessionTable {
    pub(super) fn new() -> Self {
        Self::of(GENERATION)
    }

    fn of(generation: usize) -> Self {
        Self { generation, both: Mutex::default() }
    }

    /// Whether the holder of this token may use the session; the first to show it is its owner.
    pub(super) fn claim(&self, instance: Uuid, session: &str, token: &TokenHash) -> bool {
        session.len() <= MAX_ID && self.bound(instance, session, token, |bound| bound.token == *token)
    }

    /// Whether this run knows of the session of this token; the first that is asked does. A run keeps its sessions
    /// in memory, so they end with it, also where another has taken its place meanwhile.
    pub(super) fn is_known_to(&self, instance: Uuid, session: &str, token: &TokenHash, run: Run) -> bool {
        self.bound(instance, session, token, |bound| *bound.run.get_or_insert(run) == run)
    }

    /// Looks at a session, which is bound to this token if it is to none.
    fn bound<T>(
        &self,
        instance: Uuid,
        session: &str,
        token: &TokenHash,
        look: impl FnOnce(&mut Bound) -> T,
    ) -> T {
        let key = (instance, Box::from(session));
        // A panic while it was held would be a bug of the map itself; the content is a cache either way.
        let mut both = self.both.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (young, old) = &mut *both;
        if let Some(bound) = young.get_mut(&key) {
            return look(bound);
        }
        let mut bound = old.remove(&key).unwrap_or(Bound { token: *token, run: None });
        if young.len() >= self.generation {
            *old = std::mem::take(young);
        }
        let looked = look(&mut bound);
        young.insert(key, bound);
        looked
    }

    /// Forgets a session that has ended.
    pub(super) fn forget(&self, instance: Uuid, session: &str) {
        let key = (instance, Box::from(session));
        let mut both = self.both.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        both.0.remove(&key);
        both.1.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_belongs_to_the_token_that_showed_it_first() {
        let table = SessionTable::of(2);
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        assert!(table.claim(one, "s", &[1; 32]));
        assert!(table.claim(one, "s", &[1; 32]));
        assert!(!table.claim(one, "s", &[2; 32]));
        assert!(table.claim(other, "s", &[2; 32]), "ids are per instance");
        assert!(!table.claim(one, &"x".repeat(MAX_ID + 1), &[1; 32]));

        assert!(table.claim(one, "t", &[1; 32]), "the young ones are full, `s` grows old");
        assert!(!table.claim(one, "s", &[2; 32]), "and is still bound");
        for n in 0..10 {
            assert!(table.claim(one, &n.to_string(), &[1; 32]));
        }
        assert!(table.claim(one, "s", &[2; 32]), "long forgotten");
        table.forget(one, "s");
        assert!(table.claim(one, "s", &[1; 32]));
        let both = table.both.lock().unwrap();
        assert!(both.0.len() <= 2 && both.1.len() <= 2);
    }

    #[test]
    fn a_session_ends_with_its_run_and_with_nothing_else() {
        let table = SessionTable::of(2);
        let id = Uuid::now_v7();
        let known = |run| table.is_known_to(id, "s", &[1; 32], Run(run));
        assert!(table.claim(id, "s", &[1; 32]));
        assert!(known(3) && known(3));
        assert!(!known(4) && !known(4) && known(3));
        table.forget(id, "s");
        assert!(known(4), "given out anew, by the next run");
    }
}
