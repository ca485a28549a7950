//! The handle through which the rest of a program uses the actor system.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::launch::Spec;
use crate::message::{Amend, Create, Fate, Order, Past, Recover, Refused, Remove, Request, Shutdown};
use crate::meter::{ActorStatus, Meter, Meters};
use crate::routes::RouteTable;
use crate::snapshot::{Registry, Snapshot};
use crate::state::Command;
use crate::supervisor::Supervisor;

/// A cheap handle to the actor system, usable from any thread and any runtime.
///
/// ```no_run
/// # async fn example(supervision: minimcp_actors::Supervision, spec: minimcp_actors::launch::Spec)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use minimcp_actors::state::{Command, Status};
///
/// let made = supervision.create(spec).await?;
/// let runs = |now: &minimcp_actors::snapshot::Snapshot| now.status == Status::Running;
/// let waited = supervision.wait_until(made.id, Duration::from_secs(30), runs).await;
/// assert!(waited.is_some_and(|(_, reached)| reached));
/// supervision.order(made.id, Command::Stop).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Supervision {
    addr: Addr<Supervisor>,
    meter: Arc<Meter>,
    meters: Arc<Meters>,
    registry: Arc<Registry>,
    routes: Arc<RouteTable>,
}

impl Supervision {
    pub(crate) fn new(
        addr: Addr<Supervisor>,
        meter: Arc<Meter>,
        meters: Arc<Meters>,
        registry: Arc<Registry>,
        routes: Arc<RouteTable>,
    ) -> Self {
        Self { addr, meter, meters, registry, routes }
    }

    /// Takes a new instance on and starts it.
    ///
    /// # Errors
    /// [`Refused`] says why not; nothing was started then.
    pub async fn create(&self, spec: Spec) -> Result<Arc<Snapshot>, Refused> {
        self.meter.track(self.addr.send(Create(spec))).await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Takes on an instance of an earlier daemon.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    pub async fn recover(&self, spec: Spec, past: Past, fate: Fate) -> Result<Arc<Snapshot>, Refused> {
        let message = Recover { spec, past, fate };
        self.meter.track(self.addr.send(message)).await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Does this to an instance. Answers once the supervisor has decided, not once it is done.
    ///
    /// # Errors
    /// [`Refused`] says why not; nothing has changed then.
    pub async fn order(&self, id: Uuid, command: Command) -> Result<Arc<Snapshot>, Refused> {
        self.request(id, Request::Plain(command)).await
    }

    /// The lease now ends at `at`.
    ///
    /// # Errors
    /// [`Refused`] says why not; nothing has changed then.
    pub async fn extend(&self, id: Uuid, at: DateTime<Utc>) -> Result<Arc<Snapshot>, Refused> {
        self.request(id, Request::ExtendTo(at)).await
    }

    async fn request(&self, id: Uuid, command: Request) -> Result<Arc<Snapshot>, Refused> {
        let message = Order { id, command };
        self.meter.track(self.addr.send(message)).await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Uses this specification for the instance from its next run on.
    ///
    /// # Errors
    /// [`Refused::Unknown`] if there is no such instance.
    pub async fn amend(&self, spec: Spec) -> Result<(), Refused> {
        self.meter.track(self.addr.send(Amend(spec))).await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Ends the instance, waits for the end of its whole process tree and forgets it.
    ///
    /// # Errors
    /// [`Refused::Unknown`] if there is no such instance.
    pub async fn remove(&self, id: Uuid) -> Result<(), Refused> {
        self.meter.track(self.addr.send(Remove(id))).await.unwrap_or(Err(Refused::Unavailable))
    }

    /// Ends every process, or with `keep` lets go of them, and waits until that is done. Nothing starts
    /// afterwards.
    pub async fn shutdown(&self, keep: bool) {
        // A supervisor that is gone has nothing left to end.
        let _ = self.meter.track(self.addr.send(Shutdown { keep })).await;
    }

    /// Waits until `reached` holds for the instance, for at most `timeout`. Answers the last snapshot seen
    /// and whether it holds, or `None` if the instance is unknown.
    pub async fn wait_until(
        &self,
        id: Uuid,
        timeout: Duration,
        reached: impl Fn(&Snapshot) -> bool,
    ) -> Option<(Arc<Snapshot>, bool)> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut transitions = self.registry.subscribe();
        loop {
            let snapshot = self.registry.get(id)?;
            if reached(&snapshot) {
                return Some((snapshot, true));
            }
            // Whatever arrives, even a lag, is a reason to look again.
            match tokio::time::timeout_at(deadline, transitions.recv()).await {
                Err(_) | Ok(Err(tokio::sync::broadcast::error::RecvError::Closed)) => {
                    return Some((snapshot, false));
                }
                Ok(_) => {}
            }
        }
    }

    /// Every instance as it stands, and the stream of transitions.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Where every instance can be reached.
    #[must_use]
    pub fn routes(&self) -> &Arc<RouteTable> {
        &self.routes
    }

    /// The actors as they run, by path.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorStatus> {
        self.meters.all()
    }

    /// Registers an actor of the embedding program, so that [`Self::actors`] shows it too.
    #[must_use]
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }
}
