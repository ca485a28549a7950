//! The task that puts logs away and throws old archives out.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use minimcp_actors::Supervision;
use minimcp_actors::state::Status;
use slog::{Logger, error, info, warn};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Archives, files, surplus};
use crate::provision::Provisioner;
use crate::store::{Store, StoreError};

/// Between two looks for what was missed and for what is too old.
const EVERY: Duration = Duration::from_secs(3_600);

/// Why a look did not get to its end.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
}

/// Keeps the archives, as the only one.
#[derive(Debug)]
pub struct Keeper {
    archives: Archives,
    store: Store,
    supervision: Supervision,
    provisioner: Provisioner,
    log: Logger,
}

impl Keeper {
    /// A keeper of these archives.
    #[must_use]
    pub fn new(
        archives: Archives,
        store: Store,
        supervision: Supervision,
        provisioner: Provisioner,
        log: Logger,
    ) -> Self {
        Self { archives, store, supervision, provisioner, log }
    }

    /// Puts away until `stop` is cancelled, once everything of the last daemon is `restored`.
    pub async fn run(self, mut restored: watch::Receiver<bool>, stop: CancellationToken) {
        let work = async {
            // Listened to from the beginning, so that nothing falls in between.
            let mut transitions = self.supervision.registry().subscribe();
            // An error means that nothing is restored any more, because the daemon ends.
            let Ok(_) = restored.wait_for(|restored| *restored).await else { return };
            let mut hours = tokio::time::interval(EVERY);
            loop {
                let told = tokio::select! {
                    told = transitions.recv() => told,
                    _ = hours.tick() => Err(RecvError::Lagged(0)),
                };
                let looked = match told {
                    Ok(told) if told.snapshot.status == Status::Expired => {
                        let snapshot = &told.snapshot;
                        self.put_away(snapshot.owner, snapshot.id, &snapshot.kind).await
                    }
                    Ok(_) => Ok(()),
                    Err(RecvError::Lagged(_)) => self.look_at_all().await,
                    Err(RecvError::Closed) => return,
                };
                if let Err(error) = looked {
                    // The next hour tries again.
                    error!(self.log, "logs could not be archived"; "error" => %error);
                }
            }
        };
        tokio::select! { () = stop.cancelled() => {}, () = work => {} }
    }

    /// Puts away what has ended for good, and throws out what is too old, too much or nobody's.
    async fn look_at_all(&self) -> Result<(), LookError> {
        let mut after = None;
        loop {
            let rows = self.store.instances_over(Utc::now(), after).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            for row in rows {
                if let Err(error) = self.put_away(row.user_id, row.id, &row.mcp_type).await {
                    error!(self.log, "logs could not be archived"; "instance" => %row.id, "error" => %error);
                }
            }
        }
        let dir = self.archives.dir.clone();
        let users = blocking(&self.archives.dir, move || files::users(&dir)).await?;
        for of_user in users {
            self.throw_out_strays(&of_user).await?;
            self.throw_out_surplus(&of_user).await?;
        }
        Ok(())
    }

    async fn put_away(&self, user_id: Uuid, id: Uuid, kind: &str) -> Result<(), LookError> {
        let live = self.provisioner.log_dir(user_id, id, kind);
        let to = self.archives.of_instance(user_id, id, kind);
        let (from, into) = (live.clone(), to.clone());
        let put =
            blocking(
                &live,
                move || if from.is_dir() { files::put_away(&from, &into).map(Some) } else { Ok(None) },
            );
        let Some(bytes) = put.await? else { return Ok(()) };
        info!(self.log, "logs are archived"; "instance" => %id, "bytes" => bytes);
        if self
            .store
            .instance_as_stored(id, None)
            .await
            .is_err_and(|error| matches!(error, StoreError::NotFound(_)))
        {
            // It was deleted meanwhile, and its logs go with it.
            let gone = to.clone();
            return blocking(&to, move || files::gone(std::fs::remove_dir_all(gone))).await;
        }
        self.throw_out_surplus(&self.archives.of_user(user_id)).await
    }

    async fn throw_out_surplus(&self, of_user: &Path) -> Result<(), LookError> {
        let (dir, retention, quota) = (of_user.to_owned(), self.archives.retention, self.archives.quota);
        let removed = blocking(of_user, move || {
            let surplus = surplus(files::list(&dir)?, retention, quota, Utc::now());
            surplus.iter().try_for_each(|archive| files::gone(std::fs::remove_dir_all(&archive.path)))?;
            Ok(surplus)
        });
        for archive in removed.await? {
            let too_old = Utc::now() - archive.at > retention;
            info!(self.log, "an archive of logs is removed"; "archive" => %archive.path.display(),
                "bytes" => archive.bytes, "because" => if too_old { "it is too old" } else { "of the quota of its owner" });
        }
        Ok(())
    }

    /// Removes archives of instances that are gone: their daemon died while it deleted them.
    async fn throw_out_strays(&self, of_user: &Path) -> Result<(), LookError> {
        let dir = of_user.to_owned();
        let archives = blocking(of_user, move || files::list(&dir)).await?;
        let named: Vec<(Uuid, PathBuf)> = archives
            .into_iter()
            .filter_map(|archive| Some((instance(&archive.path)?, archive.path)))
            .collect();
        let ids: Vec<Uuid> = named.iter().map(|(id, _)| *id).collect();
        let mut known = HashSet::new();
        for some in ids.chunks(500) {
            known.extend(self.store.instances_with_ids(some).await?.into_iter().map(|row| row.id));
        }
        for (id, path) in named.into_iter().filter(|(id, _)| !known.contains(id)) {
            warn!(self.log, "an archive of no instance is removed"; "instance" => %id);
            let gone = path.clone();
            blocking(&path, move || files::gone(std::fs::remove_dir_all(gone))).await?;
        }
        Ok(())
    }
}

/// The instance whose archive this is, from its name `mcp_<id>_<type>`.
fn instance(archive: &Path) -> Option<Uuid> {
    let name = archive.file_name()?.to_str()?.strip_prefix("mcp_")?;
    name.split_once('_')?.0.parse().ok()
}

async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, LookError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|failed| Err(io::Error::other(failed)));
    done.map_err(|error| LookError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_tells_by_its_name_whose_it_is() {
        let id = Uuid::from_u128(7);
        assert_eq!(instance(Path::new(&format!("/a/user_x/mcp_{id}_my_type"))), Some(id));
        for other in ["/a/mcp_x_y", "/a/other", "/a/mcp_", "/"] {
            assert_eq!(instance(Path::new(other)), None, "{other}");
        }
    }
}
