//! One child's standard streams: a task that writes, a task that reads, and whoever waits for what it says.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use minimcp_actors::launch::pipes::Pipes;
use minimcp_actors::routes::Route;
use minimcp_actors::state::Run;
use serde_json::Value;
use slog::{Logger, debug};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::counts::Counts;
use super::frame::{Lines, MAX_LINE, Piece, to_line};
use super::outbox::Outbox;
use super::rpc;
use super::sessions::{Session, SessionId};
use super::splice::Outline;
use super::switch::{Audience, Heard, Odd, Switch};

/// Messages that wait to be read by a child, at most.
const QUEUE: usize = 64;
/// Bytes of those messages, at most.
const QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// Why a message does not reach a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSent {
    /// It does not read what it was sent before.
    #[error("the server does not read what it is sent")]
    Busy,
    /// It is gone, or has closed its output.
    #[error("the server ended")]
    Gone,
    /// It has not answered in time.
    #[error("the server did not answer in time")]
    Late,
}

/// A child that speaks over its standard streams.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) id: Uuid,
    pub(super) run: Run,
    to: mpsc::Sender<Bytes>,
    queued: AtomicUsize,
    switch: Mutex<Switch>,
    /// Whether the list of tools may have changed since somebody looked.
    tools_changed: AtomicBool,
    /// Whether a client has initialized it, so that it may be pinged.
    initialized: AtomicBool,
    counts: Counts,
    log: Logger,
    gone: CancellationToken,
}

impl Child {
    /// Begins to speak with a child. To be called within a runtime.
    ///
    /// # Errors
    /// What the system says about its pipes.
    pub(super) fn begin_with(
        (id, run): (Uuid, Run),
        pipes: Pipes,
        counts: Counts,
        log: Logger,
    ) -> io::Result<Arc<Self>> {
        let to = pipe::Sender::from_owned_fd(pipes.to)?;
        let from = pipe::Receiver::from_owned_fd(pipes.from)?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let child = Arc::new(Self {
            id,
            run,
            to: queue,
            queued: AtomicUsize::new(0),
            // Within what every reader of JSON takes for an integer.
            switch: Mutex::new(Switch::new(fastrand::u64(1 << 20..1 << 50))),
            tools_changed: AtomicBool::new(false),
            initialized: AtomicBool::new(false),
            counts,
            log,
            gone: CancellationToken::new(),
        });
        if pipes.adopted {
            // Ends a line that an earlier daemon may have left half written. The queue is empty.
            let _ = child.send("\n".to_owned().into());
        }
        tokio::spawn(Arc::clone(&child).write(to, waiting));
        tokio::spawn(Arc::clone(&child).read(from));
        Ok(child)
    }

    /// The switch. Never held across an await.
    pub(super) fn switch(&self) -> MutexGuard<'_, Switch> {
        // What it holds is whole between any two statements, so a panic elsewhere leaves it usable.
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is a session's own from now on.
    pub(super) fn belong_to(&self, session: SessionId) {
        let all = HashMap::from([(session, Session::new(Instant::now()))]);
        self.switch().audience = Audience::Sessions { shared: false, all };
    }

    /// Many sessions share it from now on.
    pub(super) fn share_sessions(&self) {
        self.switch().audience = Audience::Sessions { shared: true, all: HashMap::new() };
    }

    /// One more session shares it. Answers whether it is one that is shared.
    pub(super) fn add_session(&self, session: SessionId) -> bool {
        match &mut self.switch().audience {
            Audience::Sessions { shared: true, all } => {
                all.insert(session, Session::new(Instant::now()));
                true
            }
            Audience::Sessions { .. } | Audience::Nobody | Audience::Modern => false,
        }
    }

    /// Whether a session subscribes to a resource.
    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        match &self.switch().audience {
            Audience::Sessions { all, .. } => all.values().any(|session| session.subscribes(uri)),
            Audience::Nobody | Audience::Modern => false,
        }
    }

    /// A client has initialized it.
    pub(super) fn set_initialized(&self) {
        self.initialized.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Relaxed)
    }

    /// Whether the list of tools may have changed since this was asked last.
    pub(super) fn take_tools_changed(&self) -> bool {
        self.tools_changed.swap(false, Ordering::Relaxed)
    }

    /// Sends a request of a client. Nothing is sent if this fails.
    pub(super) fn call(
        self: &Arc<Self>,
        text: &str,
        outline: &Outline,
        session: Option<SessionId>,
        route: Option<Arc<Route>>,
        cancels: bool,
    ) -> Result<Underway, NotSent> {
        let outbox = Arc::new(Outbox::default());
        let id = {
            let mut switch = self.switch();
            if switch.lost {
                return Err(NotSent::Gone);
            }
            if let Some(session) = session.as_deref().and_then(|id| switch.session(id)) {
                session.used(Instant::now());
                for message in session.take_pending() {
                    outbox.push(super::outbox::Weight::Other, message.into());
                }
            }
            let (id, line) = switch.begin(text, outline, Arc::clone(&outbox), session, route);
            if let Err(not_sent) = self.send(to_line(line)) {
                switch.abandon(id);
                return Err(not_sent);
            }
            id
        };
        Ok(Underway { child: Arc::clone(self), id, outbox, cancels })
    }

    /// Sends a message that has no answer.
    pub(super) fn tell(&self, message: String) -> Result<(), NotSent> {
        self.send(to_line(message))
    }

    /// Asks a question of our own and waits for the whole answer.
    pub(super) async fn ask(
        self: &Arc<Self>,
        method: &str,
        params: &Value,
        patience: Duration,
    ) -> Result<String, NotSent> {
        let (tell, told) = oneshot::channel();
        let id = {
            let mut switch = self.switch();
            if switch.lost {
                return Err(NotSent::Gone);
            }
            let id = switch.begin_own(tell);
            if let Err(not_sent) = self.send(to_line(rpc::request(id, method, params))) {
                switch.abandon(id);
                return Err(not_sent);
            }
            id
        };
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(NotSent::Gone),
            Err(_) => {
                self.switch().abandon(id);
                Err(NotSent::Late)
            }
        }
    }

    /// The child is over: what it said last is read, and whoever waits for more is told.
    pub(super) fn leave(&self) {
        self.gone.cancel();
    }

    /// Resolves when the child is over.
    pub(super) async fn left(&self) {
        self.gone.cancelled().await;
    }

    fn send(&self, line: Bytes) -> Result<(), NotSent> {
        if self.gone.is_cancelled() {
            return Err(NotSent::Gone);
        }
        // Counted before it is queued: whoever writes it may be done with it before this goes on.
        let length = line.len();
        let sent = if self.queued.fetch_add(length, Ordering::Relaxed) + length > QUEUED_BYTES {
            Err(NotSent::Busy)
        } else {
            self.to.try_send(line).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => NotSent::Busy,
                mpsc::error::TrySendError::Closed(_) => NotSent::Gone,
            })
        };
        sent.inspect_err(|_| {
            self.queued.fetch_sub(length, Ordering::Relaxed);
        })
    }

    async fn write(self: Arc<Self>, mut to: pipe::Sender, mut waiting: mpsc::Receiver<Bytes>) {
        let writing = async {
            while let Some(line) = waiting.recv().await {
                let written = to.write_all(&line).await;
                self.queued.fetch_sub(line.len(), Ordering::Relaxed);
                if written.is_err() {
                    // It does not read any more. Its end, or a probe, will tell.
                    return;
                }
            }
        };
        tokio::select! {
            () = writing => {}
            () = self.gone.cancelled() => {}
        }
    }

    async fn read(self: Arc<Self>, mut from: pipe::Receiver) {
        let mut lines = Lines::new(MAX_LINE);
        loop {
            let read = tokio::select! {
                read = from.read_buf(lines.buffer()) => read,
                () = self.gone.cancelled() => from.try_read_buf(lines.buffer()),
            };
            // Nothing more can come once all who write are gone, or is there to be read once the child is over.
            if !matches!(read, Ok(1..)) {
                break;
            }
            while let Some(piece) = lines.next() {
                self.hear(piece);
            }
        }
        self.gone.cancel();
        self.switch().lose();
    }

    fn hear(&self, piece: Piece) {
        let heard = match &piece {
            Piece::Line(line) => match std::str::from_utf8(line) {
                Ok(text) => self.switch().hear(text, Instant::now()),
                Err(_) => Heard { odd: Some(Odd::Noise), ..Heard::default() },
            },
            Piece::TooLong(_) => Heard { odd: Some(Odd::TooLong), ..Heard::default() },
        };
        if let Some(odd) = heard.odd {
            self.counts.odd(odd);
            // Not its words: they may hold what is between a client and its server.
            debug!(self.log, "a server wrote what goes nowhere"; "instance" => %self.id, "run" => %self.run, "what" => ?odd);
        }
        if heard.tools_changed {
            self.tools_changed.store(true, Ordering::Relaxed);
        }
        if let Some((route, ms)) = heard.task {
            route.keep_awake_until(Utc::now().timestamp_millis().saturating_add(ms));
        }
        if let Some(answer) = heard.answer
            && self.tell(answer).is_err()
        {
            // A child that asks and does not read waits in vain.
            self.counts.odd(Odd::Undeliverable);
        }
    }
}

/// A request under way. Dropped before its answer, it is not waited for any more.
#[derive(Debug)]
pub(super) struct Underway {
    child: Arc<Child>,
    id: u64,
    pub(super) outbox: Arc<Outbox>,
    /// Whether the child hears that nobody waits any more.
    cancels: bool,
}

impl Underway {
    /// We give up on it, not the client: whatever its era, the child hears so when this is dropped.
    pub(super) fn give_up(&mut self) {
        self.cancels = true;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let underway = self.child.switch().abandon(self.id);
        if underway && self.cancels {
            // One that does not read cannot be told.
            let _ = self.child.tell(rpc::cancelled(self.id));
        }
    }
}
