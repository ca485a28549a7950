//! Every change of status as server-sent events: what is in the history, then what is added to it.

use std::collections::VecDeque;

use minimcp_entities::transition;
use tokio::sync::watch;
use uuid::Uuid;

use super::call::{Answer, Call};
use super::stream;
use crate::api::event::{Event, StreamMessage};
use crate::api::instance::Status;
use crate::problem::{Code, Problem};
use crate::store::{Store, StoreError};

/// Rows read at once.
const BATCH: u64 = 200;

/// Every change of status of my instances; of everybody's for operators and administrators. `Last-Event-ID`
/// goes on behind that event; without it only what happens from now on is sent. `follow=false` sends what is
/// there, from the beginning unless told otherwise, and ends.
#[utoipa::path(get, path = "/v1/events", tag = "watching", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("Last-Event-ID" = Option<i64>, Header), ("follow" = Option<bool>, Query)),
    responses((status = 200, body = StreamMessage, content_type = "text/event-stream")))]
pub(super) async fn follow(call: Call) -> Answer {
    let owner = call.caller()?.reads();
    let mut query = call.query();
    let follow = query.word("follow", &[("true", true), ("false", false)])?.unwrap_or(true);
    query.end()?;
    let parts = call.parts();
    // Asked for before the first look, so that nothing falls in between.
    let news = parts.journal.news();
    let last = match call.header("last-event-id")? {
        Some(text) => text.parse().map_err(|_| {
            Problem::new(Code::InvalidHeader, "`Last-Event-ID` has to be the id of an event of this stream")
        })?,
        None if follow => parts.store.newest_transition().await?,
        None => 0,
    };
    let history = History { store: parts.store.clone(), owner, last, read: VecDeque::new(), news, follow };
    let events = futures::stream::unfold(Some(history), |history| async move {
        let mut history = history?;
        match history.next().await {
            Ok(Some(row)) => Some((shown(&row), Some(history))),
            Ok(None) => None,
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    stream::answer(&call, events)
}

/// A reader of the history that waits at its end.
struct History {
    store: Store,
    owner: Option<Uuid>,
    last: i64,
    read: VecDeque<transition::Model>,
    news: watch::Receiver<u64>,
    follow: bool,
}

impl History {
    async fn next(&mut self) -> Result<Option<transition::Model>, StoreError> {
        loop {
            if let Some(row) = self.read.pop_front() {
                self.last = row.id;
                return Ok(Some(row));
            }
            self.news.borrow_and_update();
            self.read = self.store.transitions_after(self.last, self.owner, BATCH).await?.into();
            // An error means that the journal has ended, and nothing will be added.
            if self.read.is_empty() && (!self.follow || self.news.changed().await.is_err()) {
                return Ok(None);
            }
        }
    }
}

fn shown(row: &transition::Model) -> Result<warp::sse::Event, Problem> {
    stream::event("transition", Some(row.id), &view(row)?)
}

fn view(row: &transition::Model) -> Result<Event, StoreError> {
    let status = |name: &str, column| {
        let status = minimcp_actors::state::Status::from_name(name);
        status.map(Status::from).ok_or(StoreError::Corrupt { table: "transitions", column })
    };
    Ok(Event {
        id: row.id,
        instance_id: row.instance_id,
        user_id: row.user_id,
        seq: row.seq,
        generation: row.run,
        from: row.from_status.as_deref().map(|name| status(name, "from_status")).transpose()?,
        to: status(&row.to_status, "to_status")?,
        cause: row.cause.clone(),
        reason: row.reason.clone(),
        at: row.at,
    })
}
