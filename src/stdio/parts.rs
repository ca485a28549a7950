//! Further processes of an instance: for its sessions, and to find out what it speaks.

use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Spec};
use minimcp_actors::policy::{Policy, RestartPolicy};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::board::{Board, Served};
use super::child::Child;

/// Why there is no further process of an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPart {
    /// The supervisor refuses it.
    #[error(transparent)]
    Refused(#[from] minimcp_actors::message::Refused),
    /// It could not be launched, or ended at once.
    #[error("a process for the session could not be started; see `diagnose`")]
    NotLaunched,
    /// It takes too long.
    #[error("a process for the session was not there in time")]
    Late,
}

impl Board {
    /// Starts a further process of an instance, under the same rules.
    pub(super) async fn start_part(
        self: &Arc<Self>,
        served: &Arc<Served>,
        patience: Duration,
    ) -> Result<(Uuid, Arc<Child>), NoPart> {
        let supervision = self.supervision().ok_or(NoPart::NotLaunched)?;
        let spec = part_of(&served.spec);
        let id = spec.id;
        let (tell, told) = oneshot::channel();
        self.expected.insert(id, tell);
        let expected = Expected { board: self, id, came: false };
        supervision.create(spec).await?;
        match tokio::time::timeout(patience, told).await {
            Ok(Ok(child)) => {
                expected.came();
                Ok((id, child))
            }
            Ok(Err(_)) => Err(NoPart::NotLaunched),
            Err(_) => Err(NoPart::Late),
        }
    }

    /// Ends a further process. Does not wait for its end.
    pub(super) fn end_part(&self, id: Uuid) {
        let Some(supervision) = self.supervision().cloned() else { return };
        self.runtime.spawn(async move {
            // One that has ended by itself is forgotten already.
            let _ = supervision.remove(id).await;
        });
    }
}

/// A further process of the same instance: the same rules and the same directories, but no life of its own.
fn part_of(whole: &Spec) -> Spec {
    let policy = Policy { restart: RestartPolicy::Temporary, overlap: false, ..whole.policy };
    let planner = AsPart { of: whole.id, planner: Arc::clone(&whole.planner) };
    Spec {
        id: Uuid::now_v7(),
        part_of: Some(whole.id),
        policy,
        // It ends with its whole, whenever that is.
        lease_ends_at: None,
        idle_after: None,
        planner: Arc::new(planner),
        ..whole.clone()
    }
}

/// Plans a part as if it were the instance.
#[derive(Debug)]
struct AsPart {
    of: Uuid,
    planner: Arc<dyn Planner>,
}

impl Planner for AsPart {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        self.planner.plan(&Launch { id: self.of, ..launch.clone() })
    }
}

/// A part that is on its way. Dropped before it came, it is ended.
struct Expected<'a> {
    board: &'a Board,
    id: Uuid,
    came: bool,
}

impl Expected<'_> {
    fn came(mut self) {
        self.came = true;
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        if !self.came {
            self.board.expected.remove(&self.id);
            self.board.end_part(self.id);
        }
    }
}

/// Ends a part that nothing comes of.
pub(super) struct Ending<'a> {
    board: &'a Board,
    part: Option<Uuid>,
}

impl<'a> Ending<'a> {
    /// Ends the part when this is dropped.
    pub(super) fn unless_kept(board: &'a Board, part: Uuid) -> Self {
        Self { board, part: Some(part) }
    }

    /// Lets the part live. Answers its id.
    pub(super) fn keep(mut self) -> Option<Uuid> {
        self.part.take()
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(part) = self.part {
            self.board.end_part(part);
        }
    }
}
