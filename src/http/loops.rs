//! The threads that serve connections: an event loop each, to which a connection belongs from its first byte to
//! its last. Its task is never handed to another thread, so no thread has to be woken for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Event loops on threads of their own. They end when this is dropped, with whatever still runs on them.
#[derive(Debug)]
pub struct Loops {
    all: Vec<Loop>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Loop {
    handle: Handle,
    /// Connections that are served there.
    open: Arc<AtomicUsize>,
}

/// A connection's place on a loop, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Loops {
    /// One loop for each processor.
    ///
    /// # Errors
    /// What the system says if it gives no thread or event loop.
    pub fn start() -> io::Result<Self> {
        Self::of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn of(count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let guard = end.clone().drop_guard();
        let all = (0..count.max(1)).map(|number| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let end = end.clone();
            let thread = std::thread::Builder::new().name(format!("connections-{number}"));
            thread.spawn(move || runtime.block_on(end.cancelled()))?;
            Ok(Loop { handle, open: Arc::default() })
        });
        Ok(Self { all: all.collect::<io::Result<_>>()?, _end: guard })
    }

    /// The loop with the fewest connections, and a place on it.
    pub(super) fn place(&self) -> (&Handle, Place) {
        let least = self.all.iter().min_by_key(|each| each.open.load(Ordering::Relaxed));
        let least = least.expect("there is at least one loop");
        least.open.fetch_add(1, Ordering::Relaxed);
        (&least.handle, Place(Arc::clone(&least.open)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_evenly_and_a_place_that_is_free_is_taken_again() {
        let loops = Loops::of(2).unwrap();
        let places: Vec<Place> = (0..4).map(|_| loops.place().1).collect();
        let open = || loops.all.iter().map(|each| each.open.load(Ordering::Relaxed)).collect::<Vec<_>>();
        assert_eq!(open(), [2, 2]);
        drop(places);
        assert_eq!(open(), [0, 0]);
    }

    #[test]
    fn what_runs_on_a_loop_stays_on_its_thread_and_ends_with_it() {
        let loops = Loops::of(1).unwrap();
        let (told, tell) = std::sync::mpsc::channel();
        let (handle, _place) = loops.place();
        let thread = std::thread::current().id();
        handle.spawn(async move {
            told.send(std::thread::current().id() != thread).unwrap();
            // Kept until the loop ends, which drops it.
            let _told = told;
            std::future::pending::<()>().await;
        });
        assert_eq!(tell.recv(), Ok(true));
        drop(loops);
        assert!(tell.recv().is_err(), "its task was dropped");
    }
}
