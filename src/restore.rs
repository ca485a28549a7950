//! After a start of the daemon: what becomes of each instance that an earlier one knew, and of each process
//! that an earlier one left.
//!
//! The rows say what is wanted, the run directory says what is there. [`recovery`] compares the two and is pure;
//! [`Restorer`] acts on it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use minimcp_actors::Supervision;
use minimcp_actors::launch::Record;
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::recovery::{self, Course, Remembered, serving};
use minimcp_actors::state::{Cause, Run, Status};
use minimcp_entities::mcp_instance;
use slog::{Logger, error, info, warn};
use uuid::Uuid;

use crate::config::OnRestart;
use crate::instances::Instances;
use crate::provision::Provisioner;
use crate::store::{Desired, Store, StoreError};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What a row remembers of its instance. `renewed_at` is when its credentials were last replaced.
fn remembered(
    row: &mcp_instance::Model,
    renewed_at: Option<DateTime<Utc>>,
) -> Result<Remembered, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "mcp_instances", column };
    let cause = match row.cause.as_deref() {
        Some(name) => Cause::from_name(name).ok_or(corrupt("cause"))?,
        None => Cause::Commanded,
    };
    Ok(Remembered {
        status: Status::from_name(&row.status).ok_or(corrupt("status"))?,
        cause,
        stopped: Desired::of(row)? == Desired::Stopped,
        run: generation(row),
        restarts: u64::try_from(row.restarts_total).unwrap_or(0),
        restart_requested_at: row.restart_requested_at,
        stopped_at: row.stopped_at,
        renewed_at,
    })
}

/// Who was used last is missed first.
fn recent_first(mut rows: Vec<mcp_instance::Model>) -> Vec<mcp_instance::Model> {
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_accessed_at.unwrap_or(row.created_at)));
    rows
}

fn generation(row: &mcp_instance::Model) -> Run {
    Run(u64::try_from(row.generation).unwrap_or(0))
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
        for row in self.patiently(|| self.store.instances_to_delete()).await? {
            self.put_down(records.remove(&row.id).unwrap_or_default()).await;
            if self.instances.finish_deletion(&row).await.is_err() {
                warn!(self.log, "a deletion could not be finished"; "instance" => %row.id);
            }
        }
        let rows = recent_first(self.patiently(|| self.store.instances_to_restore()).await?);
        let count = rows.len();
        for row in rows {
            let left = records.remove(&row.id).unwrap_or_default();
            let newest = left.iter().map(|record| record.run).max().unwrap_or_default();
            let (record, others) = serving(generation(&row), left, |record| record.identity.is_present());
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

    /// Asks the store until it answers. Processes live on meanwhile, and no restart of the daemon would do better.
    async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = FIRST_RETRY;
        loop {
            match ask().await {
                Err(error) if error.is_passing() => {
                    if pause == FIRST_RETRY {
                        warn!(self.log, "restoring waits for the store"; "error" => %error);
                    }
                }
                answer => return answer,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
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
        newest: Run,
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
        let mcp_type = self.patiently(|| self.store.type_named(&row.mcp_type)).await;
        let mcp_type = mcp_type.map_err(|error| words(&error))?;
        let credential = match row.credential_id {
            // If it was changed or cannot be opened, that is why the run fails, and the instance says so.
            Some(id) => {
                let found = self.patiently(|| self.store.credential_as_stored(id, None)).await;
                Some(found.map_err(|error| words(&error))?)
            }
            None => None,
        };
        let spec =
            self.provisioner.spec(&row, &mcp_type, credential.as_ref()).map_err(|error| words(&error))?;
        self.instances.admit(&row, &mcp_type.mcp_path);
        let renewed_at = credential.as_ref().map(|credential| credential.updated_at);
        let known = remembered(&row, renewed_at).map_err(|error| words(&error))?;
        let replace = self.on_restart == OnRestart::Replace;
        let Course { put_down, past, fate, then } = recovery::course(&known, record, newest, replace);
        self.put_down(put_down.into_iter().collect()).await;
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
