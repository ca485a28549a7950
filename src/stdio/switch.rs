//! Who gets what a child says. One switch per child; it decides, and does nothing but put messages into outboxes.
//!
//! Each request gets an id of ours on its way in and its own back on its way out, so clients that share a child
//! never meet. So do progress tokens and the ids of subscriptions, which are ids of requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use minimcp_actors::routes::Route;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outbox::{End, Outbox, Weight};
use super::rpc;
use super::sessions::{Session, SessionId};
use super::splice::{self, Kind, NoMessage, Outline, Span};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Where a task has no end of its own, it counts as in use for this long, in milliseconds.
const LONGEST_TASK_MS: i64 = 24 * 3_600 * 1_000;

/// A request under way at the child.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) to: To,
    /// The id that its sender gave it, as it was spelled.
    id: String,
    /// The progress token that its sender gave it, as it was spelled.
    token: Option<String>,
    wants_logs: bool,
    listens: bool,
    session: Option<SessionId>,
    /// Kept in use by a task that comes of it.
    route: Option<Arc<Route>>,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum To {
    Client(Arc<Outbox>),
    /// We do; we get the whole message.
    Us(oneshot::Sender<String>),
}

/// Who hears what is said to nobody in particular.
#[derive(Debug)]
pub(super) enum Audience {
    /// Nobody: the child answers our own questions only.
    Nobody,
    /// Clients without sessions, who hear only what belongs to a request of theirs.
    Modern,
    /// Clients in sessions: of one client if the child is its own, else of many.
    Sessions { shared: bool, all: HashMap<SessionId, Session> },
}

/// A message that went nowhere, or something that is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Odd {
    /// It is no JSON-RPC message.
    Noise,
    /// Its line is too long.
    TooLong,
    /// An answer to what nobody asks, or no longer, or that was answered already.
    UnknownAnswer,
    /// It is for nobody.
    Undeliverable,
    /// A request that the child may not make of us.
    Request,
}

/// What follows from a message besides its delivery.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// To be written to the child.
    pub(super) answer: Option<String>,
    pub(super) odd: Option<Odd>,
    /// The list of tools is not what it was.
    pub(super) tools_changed: bool,
    /// The instance works on a task for so many milliseconds more.
    pub(super) task: Option<(Arc<Route>, i64)>,
}

impl Heard {
    fn odd(odd: Odd) -> Self {
        Self { odd: Some(odd), ..Self::default() }
    }

    fn delivered(done: bool) -> Self {
        if done { Self::default() } else { Self::odd(Odd::Undeliverable) }
    }
}

/// The switch of one child.
#[derive(Debug)]
pub(super) struct Switch {
    next: u64,
    calls: BTreeMap<u64, Call>,
    pub(super) audience: Audience,
    /// The child is gone, so that nothing can begin any more.
    pub(super) lost: bool,
}

impl Switch {
    /// Ids begin at a random one, so that no answer to an earlier daemon is taken for one to us.
    pub(super) fn new(first: u64) -> Self {
        Self { next: first, calls: BTreeMap::new(), audience: Audience::Nobody, lost: false }
    }

    /// Begins a request of a client. Answers our id of it and what the child is to read.
    pub(super) fn begin(
        &mut self,
        text: &str,
        outline: &Outline,
        outbox: Arc<Outbox>,
        session: Option<SessionId>,
        route: Option<Arc<Route>>,
    ) -> (u64, String) {
        let id = self.next_id();
        let ours = |span: Span| (span, id.to_string());
        let meta = outline.params.as_ref().and_then(|params| splice::member(text, params, "_meta"));
        let of_meta = |name| meta.as_ref().map_or_else(Vec::new, |meta| splice::every(text, meta, name));
        let tokens = of_meta("progressToken");
        let call = Call {
            to: To::Client(outbox),
            id: outline.id(text).unwrap_or("null").to_owned(),
            token: tokens.last().map(|span| text[span.clone()].to_owned()),
            wants_logs: !of_meta(LOG_LEVEL).is_empty(),
            listens: outline.method == "subscriptions/listen",
            session,
            route,
        };
        self.calls.insert(id, call);
        let edits = outline.ids.iter().cloned().chain(tokens).map(ours).collect();
        (id, splice::replaced(text, edits))
    }

    /// Begins a request of our own. Answers its id.
    pub(super) fn begin_own(&mut self, answer: oneshot::Sender<String>) -> u64 {
        let id = self.next_id();
        let (token, session, route) = (None, None, None);
        let (wants_logs, listens) = (false, false);
        let call =
            Call { to: To::Us(answer), id: id.to_string(), token, wants_logs, listens, session, route };
        self.calls.insert(id, call);
        id
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Nobody waits for this request any more. Answers whether it was under way.
    pub(super) fn abandon(&mut self, id: u64) -> bool {
        self.calls.remove(&id).is_some()
    }

    /// Our id of a session's request.
    pub(super) fn call_of(&self, session: &str, id: &str) -> Option<u64> {
        let is_meant = |call: &Call| call.session.as_deref() == Some(session) && call.id == id;
        self.calls.iter().rev().find(|(_, call)| is_meant(call)).map(|(id, _)| *id)
    }

    /// Whether a session has requests under way.
    pub(super) fn is_busy(&self, session: &str) -> bool {
        self.calls.values().any(|call| call.session.as_deref() == Some(session))
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut Session> {
        match &mut self.audience {
            Audience::Sessions { all, .. } => all.get_mut(id),
            Audience::Nobody | Audience::Modern => None,
        }
    }

    /// The child is gone: nobody gets an answer.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        for call in std::mem::take(&mut self.calls).into_values() {
            if let To::Client(outbox) = call.to {
                outbox.close(End::Lost);
            }
        }
        if let Audience::Sessions { all, .. } = &mut self.audience {
            all.drain().for_each(|(_, session)| session.close());
        }
    }

    /// Ends a session with its stream and its requests.
    pub(super) fn end_session(&mut self, id: &str) -> bool {
        let Audience::Sessions { all, .. } = &mut self.audience else { return false };
        let Some(session) = all.remove(id) else { return false };
        session.close();
        self.calls.retain(|_, call| {
            let others = call.session.as_deref() != Some(id);
            if !others && let To::Client(outbox) = &call.to {
                outbox.close(End::Lost);
            }
            others
        });
        true
    }

    /// Takes in one line of the child.
    pub(super) fn hear(&mut self, text: &str, now: Instant) -> Heard {
        let outline = match Outline::of(text) {
            Ok(outline) => outline,
            Err(NoMessage::Malformed | NoMessage::Invalid | NoMessage::Batch) => {
                return Heard::odd(Odd::Noise);
            }
        };
        match outline.kind {
            Kind::Response => self.answered(text, &outline),
            Kind::Request => self.asked(text, &outline, now),
            Kind::Notification => self.told(text, &outline, now),
        }
    }

    fn answered(&mut self, text: &str, outline: &Outline) -> Heard {
        let id = outline.id(text).and_then(|id| id.parse().ok());
        let Some(call) = id.and_then(|id: u64| self.calls.remove(&id)) else {
            return Heard::odd(Odd::UnknownAnswer);
        };
        let mut edits: Vec<(Span, String)> =
            outline.ids.iter().map(|span| (span.clone(), call.id.clone())).collect();
        if call.listens
            && let Some(meta) =
                outline.result.as_ref().and_then(|result| splice::member(text, result, "_meta"))
        {
            edits.extend(
                splice::every(text, &meta, SUBSCRIPTION).into_iter().map(|span| (span, call.id.clone())),
            );
        }
        let task = call.route.and_then(|route| Some((route, task_ms(text, outline)?)));
        match call.to {
            To::Client(outbox) => {
                outbox.push(Weight::Last, splice::replaced(text, edits).into());
            }
            // Whoever asked may have given up.
            To::Us(answer) => drop(answer.send(text.to_owned())),
        }
        Heard { task, ..Heard::default() }
    }

    fn asked(&mut self, text: &str, outline: &Outline, now: Instant) -> Heard {
        let id = outline.id(text).unwrap_or("null");
        if let Audience::Sessions { shared: false, .. } = self.audience {
            return Heard::delivered(self.tell_session(text, true, now));
        }
        let answer = if outline.method == "ping" {
            rpc::result(id, "{}")
        } else {
            rpc::error(Some(id), rpc::METHOD_NOT_FOUND, "no client of this server takes requests", None)
        };
        let odd = (outline.method != "ping").then_some(Odd::Request);
        Heard { answer: Some(answer), odd, ..Heard::default() }
    }

    fn told(&mut self, text: &str, outline: &Outline, now: Instant) -> Heard {
        let tools_changed = outline.method == "notifications/tools/list_changed";
        let done = match (&outline.params, outline.method.as_str()) {
            (Some(params), "notifications/progress") => self.progress(text, params),
            (params, method) => match &self.audience {
                Audience::Nobody => false,
                Audience::Modern => {
                    params.as_ref().is_some_and(|params| self.tell_modern(text, params, method))
                }
                Audience::Sessions { shared: false, .. } => {
                    self.tell_session(text, !method.ends_with("list_changed"), now)
                }
                Audience::Sessions { shared: true, .. } => self.tell_shared(text, outline, now),
            },
        };
        Heard { tools_changed, ..Heard::delivered(done) }
    }

    fn progress(&self, text: &str, params: &Span) -> bool {
        let tokens = splice::every(text, params, "progressToken");
        let call = tokens.last().and_then(|span| self.calls.get(&text[span.clone()].parse().ok()?));
        let Some(Call { to: To::Client(outbox), token: Some(token), .. }) = call else {
            return false;
        };
        let edits = tokens.into_iter().map(|span| (span, token.clone())).collect();
        outbox.push(Weight::Progress, splice::replaced(text, edits).into())
    }

    /// To the stream that it belongs to. What belongs to none may be another client's business.
    fn tell_modern(&self, text: &str, params: &Span, method: &str) -> bool {
        let client = |call: &Call| match &call.to {
            To::Client(outbox) => Some(Arc::clone(outbox)),
            To::Us(_) => None,
        };
        let called = |span: &Span| self.calls.get(&text[span.clone()].parse().ok()?);
        if let Some(meta) = splice::member(text, params, "_meta") {
            let ids = splice::every(text, &meta, SUBSCRIPTION);
            if let Some(last) = ids.last() {
                let Some(call) = called(last).filter(|call| call.listens) else { return false };
                let edits = ids.into_iter().map(|span| (span, call.id.clone())).collect();
                let message = splice::replaced(text, edits);
                return client(call).is_some_and(|outbox| outbox.push(Weight::Other, message.into()));
            }
        }
        match method {
            // Nothing says whose it is, so it is told only where there is no doubt.
            "notifications/message" => {
                let mut wanting = self.calls.values().filter(|call| call.wants_logs);
                match (wanting.next().and_then(client), wanting.next()) {
                    (Some(outbox), None) => outbox.push(Weight::Other, text.to_owned().into()),
                    _ => false,
                }
            }
            "notifications/cancelled" => {
                let call = splice::member(text, params, "requestId").and_then(|span| called(&span));
                let Some(outbox) = call.filter(|call| call.listens).and_then(client) else { return false };
                outbox.close(End::Done);
                true
            }
            _ => false,
        }
    }

    /// To the one client of the child: on the stream of its newest request if it may be about that, else on its
    /// listening stream, else whenever it opens one.
    fn tell_session(&mut self, text: &str, about_a_request: bool, now: Instant) -> bool {
        let newest = self.calls.values().rev().find_map(|call| match &call.to {
            To::Client(outbox) => Some(Arc::clone(outbox)),
            To::Us(_) => None,
        });
        let Audience::Sessions { all, .. } = &mut self.audience else { return false };
        let Some(session) = all.values_mut().next() else { return false };
        session.used(now);
        let newest = newest.filter(|_| about_a_request || !session.listens());
        match newest {
            Some(outbox) => outbox.push(Weight::Other, text.to_owned().into()),
            None => session.tell(text),
        }
    }

    /// To those of many clients whom it concerns. Their requests and their logs concern nobody else.
    fn tell_shared(&mut self, text: &str, outline: &Outline, now: Instant) -> bool {
        let uri = outline.params.as_ref().and_then(|params| splice::member(text, params, "uri"));
        let uri = uri.and_then(|span| splice::string(text, &span));
        let Audience::Sessions { all, .. } = &mut self.audience else { return false };
        let concerns = |session: &Session| match outline.method.as_str() {
            "notifications/resources/updated" => uri.as_deref().is_some_and(|uri| session.subscribes(uri)),
            method => method.ends_with("/list_changed"),
        };
        let mut told = false;
        for session in all.values_mut().filter(|session| concerns(session)) {
            session.used(now);
            told |= session.tell(text);
        }
        told
    }
}

/// For how long the child works on, in milliseconds, if the answer says that it has begun a task.
fn task_ms(text: &str, outline: &Outline) -> Option<i64> {
    let result = outline.result.as_ref()?;
    let kind = splice::member(text, result, "resultType")?;
    if splice::string(text, &kind)? != "task" {
        return None;
    }
    let ttl = splice::member(text, result, "ttlMs").and_then(|span| text[span].parse().ok());
    Some(ttl.unwrap_or(LONGEST_TASK_MS).clamp(0, LONGEST_TASK_MS))
}

#[cfg(test)]
mod tests;
