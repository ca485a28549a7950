//! What a client of the older era has between its requests.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::outbox::{End, Outbox, Weight};

/// The id of a session: random, printable and of no meaning.
pub(super) type SessionId = Arc<str>;

/// Messages that wait for a client to listen.
const PENDING: usize = 32;

/// A new id, of 256 random bits.
///
/// # Errors
/// If the system has no randomness to give.
pub(super) fn new_id() -> Result<SessionId, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    listening: Option<Arc<Outbox>>,
    pending: VecDeque<String>,
    subscriptions: HashSet<String>,
    used: Instant,
}

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self { listening: None, pending: VecDeque::new(), subscriptions: HashSet::new(), used: now }
    }

    pub(super) fn used(&mut self, now: Instant) {
        self.used = now;
    }

    /// For how long nothing has been heard of the client; `None` while it listens.
    pub(super) fn idle_for(&self, now: Instant) -> Option<Duration> {
        self.listening.is_none().then(|| now.duration_since(self.used))
    }

    pub(super) fn listens(&self) -> bool {
        self.listening.is_some()
    }

    /// Opens the listening stream, with all that has waited for it. `None` if there is one.
    pub(super) fn listen(&mut self, now: Instant) -> Option<Arc<Outbox>> {
        if self.listening.is_some() {
            return None;
        }
        self.used = now;
        let outbox = Arc::new(Outbox::default());
        for message in self.pending.drain(..) {
            outbox.push(Weight::Other, message.into());
        }
        self.listening = Some(Arc::clone(&outbox));
        Some(outbox)
    }

    /// The client closed this listening stream.
    pub(super) fn stop_listening(&mut self, outbox: &Arc<Outbox>, now: Instant) {
        if self.listening.as_ref().is_some_and(|present| Arc::ptr_eq(present, outbox)) {
            self.listening = None;
            self.used = now;
        }
    }

    /// What waits for the client, for a stream that it has opened for something else.
    pub(super) fn take_pending(&mut self) -> VecDeque<String> {
        std::mem::take(&mut self.pending)
    }

    /// Tells the client as soon as it listens. What is the same is told once.
    pub(super) fn tell(&mut self, message: &str) -> bool {
        if let Some(listening) = &self.listening {
            if listening.push(Weight::Other, message.to_owned().into()) {
                return true;
            }
            self.listening = None;
        }
        if self.pending.iter().any(|waiting| waiting == message) {
            return true;
        }
        if self.pending.len() >= PENDING {
            return false;
        }
        self.pending.push_back(message.to_owned());
        true
    }

    pub(super) fn subscribes(&self, uri: &str) -> bool {
        self.subscriptions.contains(uri)
    }

    /// Answers whether that is new.
    pub(super) fn subscribe(&mut self, uri: &str) -> bool {
        self.subscriptions.insert(uri.to_owned())
    }

    /// Answers whether there was a subscription.
    pub(super) fn unsubscribe(&mut self, uri: &str) -> bool {
        self.subscriptions.remove(uri)
    }

    /// The uris that it subscribes to.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.subscriptions.iter().map(String::as_str)
    }

    pub(super) fn close(&self) {
        if let Some(listening) = &self.listening {
            listening.close(End::Done);
        }
    }
}
