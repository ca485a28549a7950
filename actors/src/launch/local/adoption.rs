//! Processes of an earlier daemon: found again by their records, or what is left of them ended.

use std::sync::Arc;
use std::time::Duration;

use super::{LocalLauncher, open_pidfd, system};
use crate::launch::cgroup::Group;
use crate::launch::cpus::Cpus;
use crate::launch::tree::Tree;
use crate::launch::{LaunchError, Probe, Process, Record, Spec, identity};

/// How long what is left of a run that was lost is waited for after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

impl LocalLauncher {
    /// Ends the process of a record with its tree, if it is still there, and removes the record.
    pub async fn put_down(&self, record: Record) {
        if let Ok(process) = self.find_again(Probe::Process, None, record).await {
            process.kill();
            process.ended().await;
        }
    }

    /// Ends what an earlier daemon left in control groups of ours and none of these records tells of. Answers how
    /// many groups there were.
    pub async fn sweep(&self, records: &[Record]) -> usize {
        let known: Vec<String> = records.iter().map(Record::name).collect();
        let left: Vec<Group> = self
            .left
            .iter()
            .filter(|(name, _)| !known.contains(name))
            .filter_map(|(name, dirs)| Group::found(dirs, name))
            .collect();
        let count = left.len();
        let swept = tokio::task::spawn_blocking(move || {
            left.into_iter().map(Tree::of_group).filter(|tree| !put_away(tree)).count()
        });
        match swept.await {
            Ok(0) => {}
            Ok(kept) => slog::error!(self.log, "control groups could not be emptied"; "groups" => kept),
            Err(panic) => slog::error!(self.log, "sweeping control groups failed"; "error" => %panic),
        }
        count
    }

    /// Watches the process of a record as if it had been started here. `spec` is there for one that speaks over its
    /// standard streams.
    pub(super) async fn find_again(
        &self,
        probe: Probe,
        spec: Option<Spec>,
        record: Record,
    ) -> Result<Arc<dyn Process>, LaunchError> {
        let gone = LaunchError::Gone { pid: record.identity.pid };
        // The pidfd pins the process before its identity is read: what is compared is what is signalled.
        let present = open_pidfd(record.identity.pid).ok().filter(|_| is_the_recorded(&record));
        let Some(pidfd) = present else {
            self.clear(&record).await;
            return Err(gone);
        };
        let files: &[&str] = if record.piped { &["stderr.log"] } else { &["stdout.log", "stderr.log"] };
        for name in files {
            let path = record.log_dir.join(name);
            if let Err(error) = self.logs.adopt(&path) {
                slog::warn!(self.log, "captured output of an adopted process is not rotated";
                    "file" => %path.display(), "error" => %error);
            }
        }
        free(&record);
        let wired = self.wire(spec.as_ref(), &record, true);
        let process = self.watch(probe, record, None, pidfd);
        // Without its streams it is of no use: dropping it ends it.
        wired.map(|()| process).map_err(system("opening the pipes"))
    }

    /// What is left of a run whose leader is gone, or is not what was recorded: its tree is ended without a signal
    /// to that id.
    pub(super) async fn clear(&self, record: &Record) {
        if record.identity.boot_id != identity::boot_id() {
            // Nothing outlives the machine.
            self.forget(record);
            return;
        }
        let tree = Tree::new(record, None);
        let cleared = tokio::task::spawn_blocking(move || put_away(&tree)).await;
        if cleared.unwrap_or(false) {
            self.forget(record);
        } else {
            slog::error!(self.log, "processes of a lost run outlive SIGKILL"; "instance" => %record.id);
        }
    }
}

/// An earlier daemon may have kept the run to some of the processors. This one judges for itself.
fn free(record: &Record) {
    let pid = record.identity.pid;
    let Some(cpus) = Cpus::of_this_thread().filter(|cpus| cpus.is_confined(pid)) else { return };
    for member in Tree::new(record, None).members().into_iter().chain([pid]) {
        // A daemon that may not do this has not confined it either.
        let _ = cpus.release(member);
    }
}

fn put_away(tree: &Tree) -> bool {
    tree.end(PATIENCE) && tree.group().is_none_or(Group::remove)
}

/// Whether the process with the recorded id is the recorded one: of this boot, begun then, and in its control group.
fn is_the_recorded(record: &Record) -> bool {
    let in_group = Group::found(&record.cgroups, &record.name())
        .is_none_or(|group| group.members().contains(&record.identity.pid));
    in_group && record.identity.is_present()
}
