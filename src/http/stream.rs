//! Server-sent events (WHATWG HTML, section 9.2).

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use warp::Reply;
use warp::reply::Response;
use warp::sse::Event;

use crate::problem::Problem;

/// Between two signs of life on a stream without events.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One event with a JSON body.
pub(super) fn event(kind: &str, id: Option<String>, data: &impl Serialize) -> Result<Event, Problem> {
    let event = Event::default().event(kind).json_data(data).map_err(|error| Problem::internal(&error))?;
    Ok(match id {
        Some(id) => event.id(id),
        None => event,
    })
}

/// An answer that goes on until the stream ends or the daemon does.
pub(super) fn answer<S>(stop: &CancellationToken, events: S) -> Response
where
    S: Stream<Item = Result<Event, Problem>> + Send + 'static,
{
    // What breaks a stream ends it; the client comes back with the last id it saw.
    let events =
        events.map(|event| event.map_err(|problem| std::io::Error::other(problem.detail().to_owned())));
    let events = Alone(Mutex::new(Box::pin(events.take_until(stop.clone().cancelled_owned()))));
    warp::sse::reply(warp::sse::keep_alive().interval(KEEP_ALIVE).stream(events)).into_response()
}

/// A stream that only its owner ever polls. warp asks for bodies that may be shared between threads, though
/// it never shares one; the lock is never taken.
struct Alone<S>(Mutex<Pin<Box<S>>>);

impl<S: Stream> Stream for Alone<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let inner = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().poll_next(cx)
    }
}
