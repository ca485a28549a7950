//! What waits for one client: bounded, and never in the way of anybody else.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// Messages that wait for a client at most, beside the last one.
const MESSAGES: usize = 256;
/// Bytes of those messages at most; a single one may be larger.
const BYTES: usize = 4 * 1024 * 1024;

/// How much a message matters to a client that is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Dropped first.
    Progress,
    /// If there is no room for it, the client's stream is closed.
    Other,
    /// The answer, after which nothing comes. There is always room for it.
    Last,
}

/// Why nothing comes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All was said.
    Done,
    /// The server is gone.
    Lost,
    /// The client took too long to read.
    Slow,
}

/// What a client gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Message(Weight, Bytes),
    End(End),
}

/// A queue from the reader of a child to one client.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<(Weight, Bytes)>,
    bytes: usize,
    end: Option<End>,
    waker: Option<Waker>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The queue is whole between any two statements, so a panic elsewhere leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message, if there is room. Answers whether the client still listens.
    pub(super) fn push(&self, weight: Weight, message: Bytes) -> bool {
        let mut inner = self.lock();
        if inner.end.is_some() {
            return false;
        }
        if weight == Weight::Last {
            inner.end = Some(End::Done);
        } else if inner.is_full(message.len()) {
            if weight == Weight::Progress {
                return true;
            }
            inner.drop_progress();
            if inner.is_full(message.len()) {
                inner.queue.clear();
                return inner.close(End::Slow);
            }
        }
        inner.bytes += message.len();
        inner.queue.push_back((weight, message));
        inner.wake();
        true
    }

    /// Says that nothing comes any more. What waits is still delivered.
    pub(super) fn close(&self, end: End) {
        let mut inner = self.lock();
        if inner.end.is_none() {
            inner.close(end);
        }
    }

    /// The next message, once there is one.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut inner = self.lock();
        if let Some((weight, message)) = inner.queue.pop_front() {
            inner.bytes -= message.len();
            return Poll::Ready(Next::Message(weight, message));
        }
        match inner.end {
            Some(end) => Poll::Ready(Next::End(end)),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The next message.
    pub(super) async fn next(&self) -> Next {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl Inner {
    fn is_full(&self, more: usize) -> bool {
        self.queue.len() >= MESSAGES || (!self.queue.is_empty() && self.bytes + more > BYTES)
    }

    fn drop_progress(&mut self) {
        self.queue.retain(|(weight, _)| *weight != Weight::Progress);
        self.bytes = self.queue.iter().map(|(_, message)| message.len()).sum();
    }

    fn close(&mut self, end: End) -> bool {
        self.end = Some(end);
        self.wake();
        false
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn all(outbox: &Outbox) -> Vec<Next> {
        std::iter::from_fn(|| outbox.next().now_or_never())
            .scan(false, |ended, next| {
                let stop = std::mem::replace(ended, matches!(next, Next::End(_)));
                (!stop).then_some(next)
            })
            .collect()
    }

    #[test]
    fn a_slow_client_loses_its_progress_first_and_then_its_stream() {
        let outbox = Outbox::default();
        for n in 0..MESSAGES * 2 {
            assert!(outbox.push(Weight::Progress, n.to_string().into()), "dropping progress harms nothing");
        }
        for _ in 0..MESSAGES {
            assert!(outbox.push(Weight::Other, Bytes::from_static(b"x")));
        }
        let inner_length = outbox.lock().queue.len();
        assert_eq!(inner_length, MESSAGES, "all progress made room");
        assert!(!outbox.push(Weight::Other, Bytes::from_static(b"x")));
        assert!(!outbox.push(Weight::Last, Bytes::from_static(b"late")));
        assert_eq!(all(&outbox), [Next::End(End::Slow)]);
    }

    #[test]
    fn there_is_always_room_for_the_answer_and_nothing_comes_after_it() {
        let outbox = Outbox::default();
        for _ in 0..MESSAGES {
            outbox.push(Weight::Other, Bytes::from_static(b"x"));
        }
        assert!(outbox.push(Weight::Last, vec![b'y'; BYTES * 2].into()));
        assert!(!outbox.push(Weight::Last, Bytes::from_static(b"again")));
        outbox.close(End::Lost);
        let all = all(&outbox);
        assert_eq!(all.len(), MESSAGES + 2);
        assert_eq!(all.last(), Some(&Next::End(End::Done)));
    }

    #[test]
    fn large_messages_count_by_their_bytes() {
        let outbox = Outbox::default();
        let large = || Bytes::from(vec![b'x'; BYTES]);
        assert!(outbox.push(Weight::Other, large()), "a single one may be as large as a line");
        assert!(outbox.push(Weight::Progress, large()), "dropped");
        assert!(!outbox.push(Weight::Other, large()));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let outbox = std::sync::Arc::new(Outbox::default());
        let waiting = tokio::spawn({
            let outbox = std::sync::Arc::clone(&outbox);
            async move { outbox.next().await }
        });
        tokio::task::yield_now().await;
        outbox.close(End::Lost);
        assert_eq!(waiting.await.unwrap(), Next::End(End::Lost));
    }
}
