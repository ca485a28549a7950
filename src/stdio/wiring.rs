//! What the supervisor's launcher tells of runs, and asks about them.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use minimcp_actors::launch::pipes::{Pipes, Wiring};
use minimcp_actors::launch::{Missed, Probe, Spec};
use minimcp_actors::state::Run;
use slog::error;
use tokio::sync::watch;
use uuid::Uuid;

use super::Stdio;
use super::board::{Board, Served};
use super::child::Child;
use super::note::Note;
use super::tools::Tools;

impl Wiring for Stdio {
    fn connect(&self, spec: &Spec, run: Run, pipes: Pipes) {
        let board = &self.0;
        let key = (spec.id, run);
        let entered = board.runtime.enter();
        let begun = Child::begin_with(key, pipes, board.counts.clone(), board.log.clone());
        drop(entered);
        let child = match begun {
            Ok(child) => child,
            Err(error) => {
                // Its probes are missed, so it is replaced.
                error!(board.log, "the pipes of a run cannot be used"; "instance" => %spec.id, "run" => %run, "error" => %error);
                return;
            }
        };
        board.children.insert(key, Arc::clone(&child));
        let note = match &spec.probe {
            Probe::Pipes { note } => Note::parse(note),
            Probe::Process | Probe::Tcp | Probe::Http { .. } | Probe::Mcp { .. } => None,
        };
        match (spec.part_of, note) {
            (Some(_), _) => {
                if let Some((_, waiting)) = board.expected.remove(&spec.id) {
                    // Whoever waited may have given up; then it ends the part.
                    let _ = waiting.send(child);
                }
            }
            (None, Some(note)) => {
                let served = Arc::new(Served {
                    spec: spec.clone(),
                    note,
                    child,
                    tools: Tools::default(),
                    greeted: watch::Sender::new(None),
                    shared: tokio::sync::Mutex::default(),
                    sessions: AtomicU32::new(0),
                });
                board.served.insert(key, Arc::clone(&served));
                board.runtime.spawn(Arc::clone(board).introduce(served));
            }
            (None, None) => {
                error!(board.log, "a run has no note of what it speaks"; "instance" => %spec.id, "run" => %run);
            }
        }
    }

    fn probe(&self, id: Uuid, run: Run, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>> {
        let child = self.0.children.get(&(id, run)).map(|child| Arc::clone(&child));
        let served = self.0.served(id, run);
        async move {
            match child {
                Some(child) => Board::ask_how_it_is(child, served, timeout).await,
                None => Err(Missed("its standard streams are not connected".into())),
            }
        }
        .boxed()
    }

    fn disconnect(&self, id: Uuid, run: Run) {
        let board = &self.0;
        // Whoever waits for it hears that it will not come.
        board.expected.remove(&id);
        let key = (id, run);
        let served = board.served.remove(&key);
        let Some((_, child)) = board.children.remove(&key) else { return };
        child.leave();
        board.end_sessions(|_, seat| seat.served.key() == key || (seat.child.id, seat.child.run) == key);
        if let Some((_, served)) = served {
            let board = Arc::clone(board);
            board.runtime.clone().spawn(async move {
                if let Some((shared, _)) = served.shared.lock().await.take() {
                    board.end_part(shared.id);
                }
            });
        }
    }
}
