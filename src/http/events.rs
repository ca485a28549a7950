//! Every change of status and every reminder as server-sent events: what is in the history, then what is added
//! to it.

use std::collections::VecDeque;
use std::fmt;

use minimcp_entities::transition;
use tokio::sync::watch;
use uuid::Uuid;

use super::call::{self, Answer, Call, ok};
use super::stream;
use crate::api::event::{CredentialEvent, Event, StreamMessage, Told};
use crate::api::instance::Status;
use crate::api::problem::ProblemDocument;
use crate::expiry::OnExpiry;
use crate::problem::{Code, Problem};
use crate::store::{Reminder, Store, StoreError};

/// Rows read at once.
const BATCH: u64 = 200;

/// Every change of status of my instances (`transition`) and every reminder of my credentials
/// (`credential.expiring`, `credential.expired`); everybody's for operators and administrators. `Last-Event-ID`
/// goes on behind that event; without it only what happens from now on is sent. `follow=false` sends what is
/// there, from the beginning unless told otherwise, and ends.
#[utoipa::path(get, path = "/v1/events", tag = "watching", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("Last-Event-ID" = Option<String>, Header), ("follow" = Option<bool>, Query)),
    responses((status = 200, body = StreamMessage, content_type = "text/event-stream")))]
pub(super) async fn follow(call: Call) -> Answer {
    let owner = call.caller()?.reads();
    let mut query = call.query();
    let follow = query.word("follow", &[("true", true), ("false", false)])?.unwrap_or(true);
    query.end()?;
    let parts = call.parts();
    // Asked for before the first look, so that nothing falls in between.
    let news = (parts.journal.news(), parts.instances.bell().news());
    let last = match call.header("last-event-id")? {
        Some(text) => Place::parse(text).ok_or_else(|| {
            Problem::new(Code::InvalidHeader, "`Last-Event-ID` has to be the id of an event of this stream")
        })?,
        None if follow => Place {
            transition: parts.store.newest_transition().await?,
            reminder: parts.store.newest_reminder().await?,
        },
        None => Place::default(),
    };
    let history = History { store: parts.store.clone(), owner, last, read: VecDeque::new(), news, follow };
    let events = futures::stream::unfold(Some(history), |history| async move {
        let mut history = history?;
        match history.next().await {
            Ok(Some(item)) => Some((shown(&item, history.last), Some(history))),
            Ok(None) => None,
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    stream::answer(&call, events)
}

/// The changes of an instance's status, the newest first.
#[utoipa::path(get, path = "/v1/instances/{id}/transitions", tag = "watching", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<Event>), (status = 404, body = ProblemDocument)))]
pub(super) async fn transitions(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let page = call::page(&mut query)?;
    query.end()?;
    let store = &call.parts().store;
    let page = store.transitions(store.instance(call::id(&text)?, own).await?.id, &page).await?;
    let items = page.items.iter().map(view).collect::<Result<_, _>>()?;
    ok(&crate::api::Page { items, next_cursor: page.next_cursor })
}

/// How far a reader got in the two histories that make the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    transition: i64,
    reminder: i64,
}

impl Place {
    /// `12`, or `12.3` behind the third reminder.
    fn parse(text: &str) -> Option<Self> {
        let (transition, reminder) = text.split_once('.').unwrap_or((text, "0"));
        Some(Self { transition: transition.parse().ok()?, reminder: reminder.parse().ok()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reminder {
            0 => write!(f, "{}", self.transition),
            reminder => write!(f, "{}.{reminder}", self.transition),
        }
    }
}

/// One entry of the two histories.
enum Item {
    Transition(transition::Model),
    Reminder(Box<Reminder>),
}

/// A reader of the histories that waits at their ends.
struct History {
    store: Store,
    owner: Option<Uuid>,
    last: Place,
    read: VecDeque<Item>,
    news: (watch::Receiver<u64>, watch::Receiver<u64>),
    follow: bool,
}

impl History {
    async fn next(&mut self) -> Result<Option<Item>, StoreError> {
        loop {
            if let Some(item) = self.read.pop_front() {
                match &item {
                    Item::Transition(row) => self.last.transition = row.id,
                    Item::Reminder(reminder) => self.last.reminder = reminder.given.id,
                }
                return Ok(Some(item));
            }
            self.news.0.borrow_and_update();
            self.news.1.borrow_and_update();
            let reminders = self.store.reminders_after(self.last.reminder, self.owner, BATCH).await?;
            let rows = self.store.transitions_after(self.last.transition, self.owner, BATCH).await?;
            self.read.extend(reminders.into_iter().map(|reminder| Item::Reminder(Box::new(reminder))));
            self.read.extend(rows.into_iter().map(Item::Transition));
            if !self.read.is_empty() {
                continue;
            }
            if !self.follow {
                return Ok(None);
            }
            let news = tokio::select! {
                news = self.news.0.changed() => news,
                news = self.news.1.changed() => news,
            };
            // An error means that the journal has ended, and nothing will be added.
            if news.is_err() {
                return Ok(None);
            }
        }
    }
}

fn shown(item: &Item, place: Place) -> Result<warp::sse::Event, Problem> {
    let id = Some(place.to_string());
    match item {
        Item::Transition(row) => stream::event("transition", id, &Told::Transition(view(row)?)),
        Item::Reminder(reminder) => {
            let expired = reminder.given.threshold_days == 0;
            let kind = if expired { "credential.expired" } else { "credential.expiring" };
            stream::event(kind, id, &Told::Credential(reminded(reminder)?))
        }
    }
}

fn reminded(Reminder { given, credential }: &Reminder) -> Result<CredentialEvent, StoreError> {
    let corrupt = StoreError::Corrupt { table: "mcp_credentials", column: "on_expiry" };
    Ok(CredentialEvent {
        reminder_id: given.id,
        credential_id: given.credential_id,
        user_id: given.user_id,
        mcp_type: credential.mcp_type.clone(),
        name: credential.name.clone(),
        expires_at: given.expires_at,
        threshold_days: given.threshold_days,
        on_expiry: OnExpiry::from_name(&credential.on_expiry).ok_or(corrupt)?,
        at: given.at,
    })
}

/// A row of the history as callers see it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_stream_round_trips_and_anything_else_is_refused() {
        for (text, transition, reminder) in [("0", 0, 0), ("12", 12, 0), ("12.3", 12, 3)] {
            let place = Place { transition, reminder };
            assert_eq!(Place::parse(text), Some(place));
            assert_eq!(place.to_string(), text);
        }
        for text in ["", "x", "1.", ".1", "1.2.3", "1,2"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
