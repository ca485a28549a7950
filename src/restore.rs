//! After a start of the daemon: what becomes of each instance that an earlier one knew, and of each process
//! that an earlier one left.
//!
//! The rows say what is wanted, the run directory says what is there. [`decide`] compares the two and is pure;
//! [`Restorer`] acts on it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use minimcp_actors::Supervision;
use minimcp_actors::launch::Record;
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::state::{Cause, Command, Outcome, Run, State, Status};
use minimcp_entities::mcp_instance;
use slog::{Logger, error, info, warn};
use uuid::Uuid;

use crate::config::OnRestart;
use crate::instances::Instances;
use crate::provision::Provisioner;
use crate::store::{Desired, Store, StoreError};

/// What becomes of one instance.
#[derive(Debug, Clone, PartialEq)]
enum Decision {
    /// Its process is taken over if it lives, and then given this command.
    Adopt { restore: bool, then: Option<Command> },
    /// A process that is left is ended, and a new run begins.
    Start,
    /// A process that is left is ended, and it stays as it ended.
    Rest(Outcome, Cause),
}

/// Of the processes that an instance was left with, the one that served: that of the run in the row if it lives,
/// else the oldest. There are two if the daemon died while one replaced the other. The others are to be ended.
fn serving(
    row: &mcp_instance::Model,
    mut records: Vec<Record>,
    lives: impl Fn(&Record) -> bool,
) -> (Option<Record>, Vec<Record>) {
    records.sort_by_key(|record| (!lives(record), record.run.0 != generation(row), record.run));
    let others = records.split_off(records.len().min(1));
    (records.pop(), others)
}

/// What becomes of the instance. `record` is what the run directory holds for it, `renewed_at` when its
/// credentials were last replaced.
fn decide(
    row: &mcp_instance::Model,
    desired: Desired,
    record: Option<&Record>,
    renewed_at: Option<DateTime<Utc>>,
    on_restart: OnRestart,
) -> Result<Decision, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "mcp_instances", column };
    let status = Status::from_name(&row.status).ok_or(corrupt("status"))?;
    let cause = match row.cause.as_deref() {
        Some(name) => Cause::from_name(name).ok_or(corrupt("cause"))?,
        None => Cause::Commanded,
    };
    let ended = ended(status, cause);
    if desired == Desired::Stopped {
        return Ok(match (record, ended) {
            (Some(_), _) => Decision::Adopt { restore: false, then: Some(Command::Stop) },
            (None, Some(outcome)) => Decision::Rest(outcome, cause),
            (None, None) => Decision::Rest(Outcome::Stopped, Cause::Commanded),
        });
    }
    // A record of a later run than the row knows was written after the row: the run is the newer truth.
    let newer = record.filter(|record| ended.is_none() || record.run.0 > generation(row));
    let asked_since = |then| row.restart_requested_at.is_some_and(|asked| asked > then);
    Ok(match (newer, ended) {
        (Some(_), _) if on_restart == OnRestart::Replace => Decision::Start,
        (Some(record), _) => {
            let renewed = renewed_at.is_some_and(|renewed| renewed > record.started_at);
            let then = if asked_since(record.started_at) {
                Some(Command::Restart)
            } else {
                // It was not replaced before the daemon died.
                renewed.then_some(Command::Replace)
            };
            Decision::Adopt { restore: true, then }
        }
        // It was asked back after its end, and the daemon did not live to begin the run.
        (None, Some(_)) if row.stopped_at.is_some_and(asked_since) => Decision::Start,
        (None, Some(outcome)) => Decision::Rest(outcome, cause),
        (None, None) => Decision::Start,
    })
}

/// How an instance had ended for good; `None` if it is to be there again.
fn ended(status: Status, cause: Cause) -> Option<Outcome> {
    match (status, cause) {
        (Status::Hibernated, _) | (Status::Stopping, Cause::Idle) => Some(Outcome::Hibernated),
        (Status::Stopped, _) => Some(Outcome::Stopped),
        (Status::Expired, _) => Some(Outcome::Expired),
        (Status::Failed, _) => Some(Outcome::Failed),
        // Not by its own fault: the daemon took it along, or did not live to bring it back.
        (Status::Disconnected, Cause::DaemonShutdown | Cause::Lost) => None,
        (Status::Disconnected, _) => Some(Outcome::Disconnected),
        (
            Status::Pending
            | Status::Starting
            | Status::Running
            | Status::Unhealthy
            | Status::Restarting
            | Status::Stopping,
            _,
        ) => None,
    }
}

/// Whether the row tells already how the instance is going to rest.
fn says_so(row: &mcp_instance::Model, decision: &Decision) -> bool {
    matches!(decision, Decision::Rest(outcome, cause)
        if row.status == State::Ended(*outcome).status().as_str() && row.cause.as_deref() == Some(cause.as_str()))
}

fn generation(row: &mcp_instance::Model) -> u64 {
    u64::try_from(row.generation).unwrap_or(0)
}

/// Brings back what earlier daemons knew.
#[derive(Debug)]
pub(crate) struct Restorer {
    pub(crate) store: Store,
    pub(crate) supervision: Supervision,
    pub(crate) instances: Instances,
    pub(crate) provisioner: Provisioner,
    pub(crate) launcher: LocalLauncher,
    pub(crate) runs: RunDir,
    pub(crate) on_restart: OnRestart,
    pub(crate) log: Logger,
}

impl Restorer {
    /// Adopts, starts or ends everything, the recently used first. What cannot be read is told and left, so
    /// that one bad row never keeps the others down.
    pub(crate) async fn run(self) -> Result<(), StoreError> {
        let mut records = self.records().await;
        for row in self.store.instances_to_delete().await? {
            self.put_down(records.remove(&row.id).unwrap_or_default()).await;
            if self.instances.finish_deletion(&row).await.is_err() {
                warn!(self.log, "a deletion could not be finished"; "instance" => %row.id);
            }
        }
        let mut rows = self.store.instances_to_restore().await?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.last_accessed_at.unwrap_or(row.created_at)));
        let count = rows.len();
        for row in rows {
            let left = records.remove(&row.id).unwrap_or_default();
            let newest = left.iter().map(|record| record.run.0).max().unwrap_or(0);
            let (record, others) = serving(&row, left, |record| record.identity.is_present());
            self.put_down(others).await;
            let id = row.id;
            if let Err(why) = self.restore(row, record, newest).await {
                error!(self.log, "an instance could not be restored"; "instance" => %id, "error" => why);
            }
        }
        let strays = records.len();
        for (id, left) in records {
            warn!(self.log, "ending what was left of no instance"; "instance" => %id, "processes" => left.len());
            self.put_down(left).await;
        }
        info!(self.log, "restored"; "instances" => count, "strays" => strays);
        Ok(())
    }

    async fn put_down(&self, records: Vec<Record>) {
        for record in records {
            self.launcher.put_down(record).await;
        }
    }

    /// What the run directory holds, by instance. What is in our control groups and not in it is ended.
    async fn records(&self) -> HashMap<Uuid, Vec<Record>> {
        let (records, unreadable) = self.runs.records().unwrap_or_else(|error| {
            error!(self.log, "the run directory cannot be read; nothing is adopted"; "error" => %error);
            Default::default()
        });
        for path in unreadable {
            error!(self.log, "a run's record cannot be read; its process may be left"; "file" => %path.display());
        }
        let swept = self.launcher.sweep(&records).await;
        if swept > 0 {
            warn!(self.log, "control groups were left of runs that nothing tells of"; "groups" => swept);
        }
        let mut of_instance: HashMap<Uuid, Vec<Record>> = HashMap::new();
        for record in records {
            of_instance.entry(record.id).or_default().push(record);
        }
        of_instance
    }

    /// `newest` is the newest run of which a record was left.
    async fn restore(
        &self,
        row: mcp_instance::Model,
        record: Option<Record>,
        newest: u64,
    ) -> Result<(), String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let row = match self.store.proven(row) {
            Ok(row) => row,
            Err(altered) => {
                if let Some(record) = record {
                    self.launcher.put_down(record).await;
                }
                return Err(altered.to_string());
            }
        };
        let mcp_type = self.store.type_named(&row.mcp_type).await.map_err(|error| words(&error))?;
        let credential = match row.credential_id {
            // If it was changed or cannot be opened, that is why the run fails, and the instance says so.
            Some(id) => Some(self.store.credential_as_stored(id, None).await.map_err(|error| words(&error))?),
            None => None,
        };
        let spec =
            self.provisioner.spec(&row, &mcp_type, credential.as_ref()).map_err(|error| words(&error))?;
        self.instances.admit(&row, &mcp_type.mcp_path);
        let desired = Desired::of(&row).map_err(|error| words(&error))?;
        let renewed_at = credential.as_ref().map(|credential| credential.updated_at);
        let decision = decide(&row, desired, record.as_ref(), renewed_at, self.on_restart)
            .map_err(|error| words(&error))?;
        let past = Past {
            last_run: Run(generation(&row).max(newest)),
            restarts: u64::try_from(row.restarts_total).unwrap_or(0),
            rests_since: row.stopped_at.filter(|_| says_so(&row, &decision)),
        };
        let (fate, then) = match (decision, record) {
            (Decision::Adopt { restore, then }, Some(record)) => {
                (Fate::Adopt { record: Box::new(record), restore }, then)
            }
            (decision, record) => {
                if let Some(record) = record {
                    self.launcher.put_down(record).await;
                }
                match decision {
                    Decision::Rest(outcome, cause) => (Fate::Rest(outcome, cause), None),
                    Decision::Start | Decision::Adopt { .. } => (Fate::Start, None),
                }
            }
        };
        let id = row.id;
        self.supervision.recover(spec, past, fate).await.map_err(|error| words(&error))?;
        if let Some(command) = then {
            self.supervision.order(id, command).await.map_err(|error| words(&error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
