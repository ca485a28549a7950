//! What instances are made from has changed: their next run is by what is now.

use std::cmp::Reverse;
use std::time::Duration;

use minimcp_actors::message::Refused;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Cause, Command, Status};
use minimcp_entities::{mcp_credential, mcp_type};
use slog::warn;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Instances, requirements};
use crate::problem::{Code, Problem};
use crate::store::{Desired, StoreError};

/// How long one replacement may keep the next from beginning.
const PATIENCE: Duration = Duration::from_secs(120);
/// Instances that a refusal names.
const NAMED: usize = 10;

impl Instances {
    /// The type has a new recipe: the next run of each of its instances is by it.
    pub(crate) async fn renew_type(&self, mcp_type: &mcp_type::Model) -> Result<(), Problem> {
        for id in requirements::of_type(&self.store, &mcp_type.name).await? {
            let row = self.store.instance(id, None).await?;
            let credential = match row.credential_id {
                Some(id) => Some(self.store.credential(id, None).await?),
                None => None,
            };
            self.admit(&row, &mcp_type.mcp_path);
            let amended = match self.provisioner.spec(&row, mcp_type, credential.as_ref()) {
                Ok(spec) => self.supervision.amend(spec).await.map_err(|refused| refused.to_string()),
                Err(unfit) => Err(unfit.to_string()),
            };
            if let Err(reason) = amended {
                warn!(self.log, "an instance keeps the recipe that its type had"; "instance" => %id, "reason" => reason);
            }
        }
        Ok(())
    }

    /// The set has new fields: the next run of each instance that uses it is with them, and what runs is replaced,
    /// one after another and the recently used first. Were the daemon to die before that is done, the next one
    /// sees that the runs are older than the fields.
    pub(crate) async fn renew_credential(
        &self,
        credential: &mcp_credential::Model,
    ) -> Result<Renewal, Problem> {
        let mut live = Vec::new();
        for id in requirements::with_credential(&self.store, credential.id).await? {
            let row = match self.store.instance(id, None).await {
                Err(StoreError::NotFound(_)) => continue,
                row => row?,
            };
            let mcp_type = self.store.type_named(&row.mcp_type).await?;
            let amended = match self.provisioner.spec(&row, &mcp_type, Some(credential)) {
                Ok(spec) => self.supervision.amend(spec).await.map_err(|refused| refused.to_string()),
                Err(unfit) => Err(unfit.to_string()),
            };
            if let Err(reason) = amended {
                warn!(self.log, "an instance keeps its old credentials"; "instance" => %id, "reason" => reason);
                continue;
            }
            let lives = |now: &Snapshot| !now.status.is_ended() && now.status != Status::Stopping;
            if self.supervision.registry().get(id).is_some_and(|now| lives(&now)) {
                let called = self.supervision.routes().get(id).and_then(|route| route.last_access_ms());
                live.push((Reverse(called), id));
            }
        }
        live.sort_unstable();
        let replacing = u32::try_from(live.len()).unwrap_or(u32::MAX);
        let instances = self.clone();
        let done = tokio::spawn(async move {
            let mut left = Vec::new();
            for (_, id) in live {
                if !instances.replace(id).await {
                    left.push(id);
                }
            }
            left
        });
        Ok(Renewal { replacing, done })
    }

    /// Replaces the run of an instance. Answers whether a new one serves in the end.
    async fn replace(&self, id: Uuid) -> bool {
        // Never closed.
        let _turn = self.replacing.acquire().await;
        let before = match self.supervision.order(id, Command::Replace).await {
            Ok(before) => before,
            Err(refused) => {
                warn!(self.log, "an instance was not replaced"; "instance" => %id, "reason" => %refused);
                return false;
            }
        };
        // One that only waits for its start is made from the new fields as it is.
        let old = (before.pid.is_some() || before.status == Status::Starting).then_some(before.run);
        let serves = |now: &Snapshot| now.status == Status::Running && old.is_none_or(|old| now.run > old);
        let gave_up = |now: &Snapshot| now.cause == Cause::ReplacementFailed && now.seq > before.seq;
        let settled = |now: &Snapshot| serves(now) || gave_up(now) || now.status.is_ended();
        match self.supervision.wait_until(id, PATIENCE, settled).await {
            Some((now, true)) if serves(&now) => true,
            Some((now, _)) => {
                warn!(self.log, "an instance was not replaced"; "instance" => %id, "reason" => &now.reason);
                false
            }
            // It was deleted meanwhile.
            None => true,
        }
    }

    /// The credentials have expired, and their owner wants everything that uses them to end then.
    pub(crate) async fn stop_expired(&self, credential: Uuid) -> Result<(), Problem> {
        for id in requirements::with_credential(&self.store, credential).await? {
            let stopped = match self.store.set_desired(id, Desired::Stopped, self.settings.quota).await {
                Ok(_) => self.supervision.order(id, Command::StopFor(Cause::CredentialExpired)).await,
                // It is on its way out, or gone.
                Err(StoreError::Conflict { .. } | StoreError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            match stopped {
                // One that the supervisor does not know could not be brought back and has no process.
                Ok(_) | Err(Refused::Unknown(_) | Refused::Denied(_)) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
        Ok(())
    }

    /// Says which instances keep a credential set from being deleted.
    pub(crate) async fn credential_in_use(&self, credential: Uuid) -> Result<Problem, Problem> {
        let ids = requirements::with_credential(&self.store, credential).await?;
        let named: Vec<String> = ids.iter().take(NAMED).map(Uuid::to_string).collect();
        let more = match ids.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let detail = format!("delete the instances that use it first: {}{more}", named.join(", "));
        Ok(Problem::new(Code::CredentialInUse, detail))
    }
}

/// The replacements that follow from new credentials.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// How many there are.
    pub(crate) replacing: u32,
    done: JoinHandle<Vec<Uuid>>,
}

impl Renewal {
    /// Waits until all are done. Answers the instances that go on with the old credentials.
    pub(crate) async fn done(self) -> Result<Vec<Uuid>, Problem> {
        self.done.await.map_err(|panic| Problem::internal(&panic))
    }
}
