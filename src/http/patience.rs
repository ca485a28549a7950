//! A deadline that is moved with every request and hardly ever reached. Setting a timer of the runtime and
//! taking it back costs more than most of what else a request needs, so the timer is left where it is and only
//! looked at again when it rings early.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A deadline.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Lasts for this long from now.
    pub(crate) fn new(time: Duration) -> Self {
        Self { until: Instant::now() + time, timer: None }
    }

    /// Lasts until then, from now on.
    pub(crate) fn set(&mut self, until: Instant) {
        self.until = until;
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let until = self.until;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            if until < timer.deadline() {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}

/// The timer of one connection, for hyper: whatever it waits for with it, it waits for one thing at a time.
#[derive(Debug, Clone)]
pub(super) struct ConnectionTimer(Arc<Mutex<Patience>>);

impl ConnectionTimer {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Patience::new(Duration::ZERO))))
    }
}

impl hyper::rt::Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until((Instant::now() + duration).into_std())
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Wait { patience: Arc::clone(&self.0), until: deadline.into() })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, new_deadline: std::time::Instant) {
        *sleep = self.sleep_until(new_deadline);
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

#[derive(Debug)]
struct Wait {
    patience: Arc<Mutex<Patience>>,
    until: Instant,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A panic while it was held would be a bug of the timer itself, which holds nothing else.
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        patience.set(self.until);
        patience.poll_over(cx)
    }
}

impl hyper::rt::Sleep for Wait {}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::rt::Timer;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_was_moved_is_kept_whichever_way_it_was_moved() {
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let mut patience = Patience::new(10 * second);
        assert!(futures::poll!(poll_fn(|cx| patience.poll_over(cx))).is_pending(), "the timer is set");
        patience.set(begin + 30 * second);
        poll_fn(|cx| patience.poll_over(cx)).await;
        assert_eq!(begin.elapsed(), 30 * second, "later");

        let begin = Instant::now();
        patience.set(begin + 60 * second);
        assert!(futures::poll!(poll_fn(|cx| patience.poll_over(cx))).is_pending());
        patience.set(begin + 5 * second);
        poll_fn(|cx| patience.poll_over(cx)).await;
        assert_eq!(begin.elapsed(), 5 * second, "earlier");
    }

    #[tokio::test(start_paused = true)]
    async fn one_wait_after_another_ends_when_it_should() {
        let timer = ConnectionTimer::new();
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        for n in 1..=3 {
            let mut given_up = timer.sleep(5 * second);
            assert!(futures::poll!(given_up.as_mut()).is_pending());
            drop(given_up);
            timer.sleep(3 * second).await;
            assert_eq!(begin.elapsed(), n * 3 * second);
        }
    }
}
