//! The run directory: one small file per live run, written by rename, so that a daemon that comes after a
//! killed one finds every process again.
//!
//! The files only have to outlive the daemon, not the machine: after a reboot there is nothing to adopt.
//! They are therefore not fsynced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::pipes::{self, Names};
use super::{Launch, Record};
use crate::state::Run;

/// The directory of the records of all live runs.
///
/// ```
/// use minimcp_actors::launch::record::RunDir;
///
/// let dir = tempfile::tempdir()?;
/// let runs = RunDir::open(dir.path().join("run"))?;
/// let (records, unreadable) = runs.records()?;
/// assert!(records.is_empty() && unreadable.is_empty(), "no earlier daemon left anything");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunDir(Arc<Path>);

impl RunDir {
    /// Opens the directory, making it (mode 0700) if it is missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = path.into();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self(path.into()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Every record. A file that cannot be read as one is left alone and named in the second list.
    ///
    /// # Errors
    /// What listing the directory says.
    pub fn records(&self) -> io::Result<(Vec<Record>, Vec<PathBuf>)> {
        let mut records = Vec::new();
        let mut unreadable = Vec::new();
        for entry in std::fs::read_dir(&*self.0)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {}
                // Left by a daemon that was killed between writing and renaming: its gate never opened.
                Some("tmp") => {
                    std::fs::remove_file(&path)?;
                    continue;
                }
                // Left by a daemon that was killed before it had recorded the run.
                _ if pipes::is_left_over(&path) => {
                    std::fs::remove_file(&path)?;
                    continue;
                }
                _ => continue,
            }
            match std::fs::read(&path) {
                // Never synced, and then the power went: nothing of that time is alive.
                Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => std::fs::remove_file(&path)?,
                bytes => match bytes.map(|bytes| serde_json::from_slice(&bytes)) {
                    Ok(Ok(record)) => records.push(record),
                    Ok(Err(_)) | Err(_) => unreadable.push(path),
                },
            }
        }
        Ok((records, unreadable))
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        let path = self.file(record);
        let temporary = path.with_extension("tmp");
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        write_private(&temporary, &text)?;
        std::fs::rename(&temporary, &path)
    }

    pub(crate) fn remove(&self, record: &Record) -> io::Result<()> {
        if record.piped {
            self.pipes(record).remove()?;
        }
        match std::fs::remove_file(self.file(record)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where the FIFOs of a run are that is about to be launched.
    pub(super) fn pipes_for(&self, launch: &Launch) -> Names {
        Names::beside(&self.file_of(launch.id, launch.run))
    }

    /// Where the FIFOs of a run are.
    pub(super) fn pipes(&self, record: &Record) -> Names {
        Names::beside(&self.file(record))
    }

    fn file(&self, record: &Record) -> PathBuf {
        self.file_of(record.id, record.run)
    }

    /// The name is [`Record::name`], which a launch does not have yet.
    fn file_of(&self, id: Uuid, run: Run) -> PathBuf {
        self.0.join(format!("{id}.{run}.json"))
    }
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Identity;

    fn record(id: Uuid, run: u64) -> Record {
        Record {
            id,
            run: Run(run),
            identity: Identity { pid: 1, start_ticks: 2, boot_id: "b".into() },
            port: Some(20_000),
            nonce: "n".into(),
            started_at: chrono::Utc::now(),
            log_dir: "logs".into(),
            stderr_from: 0,
            uid: None,
            isolation: None,
            alarm_at: None,
            cgroups: Vec::new(),
            piped: false,
        }
    }

    #[test]
    fn the_records_of_two_runs_of_an_instance_are_kept_and_removed_apart() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RunDir::open(scratch.path().join("run")).unwrap();
        let id = Uuid::now_v7();
        let (old, new) = (record(id, 1), record(id, 2));
        dir.write(&old).unwrap();
        dir.write(&new).unwrap();
        assert_eq!(dir.records().unwrap().0.len(), 2);
        dir.remove(&old).unwrap();
        dir.remove(&old).unwrap();
        assert_eq!(dir.records().unwrap().0, std::slice::from_ref(&new));
        dir.remove(&new).unwrap();
        assert_eq!(dir.records().unwrap().0, []);
    }

    #[test]
    fn a_record_of_which_a_power_cut_has_left_nothing_is_cleaned() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RunDir::open(scratch.path()).unwrap();
        for (name, text) in [("empty.json", ""), ("zeros.json", "\0\0\0")] {
            std::fs::write(scratch.path().join(name), text).unwrap();
        }
        let (records, unreadable) = dir.records().unwrap();
        assert_eq!((records, unreadable), (Vec::new(), Vec::new()));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_half_written_record_is_cleaned_and_an_unreadable_one_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RunDir::open(scratch.path()).unwrap();
        std::fs::write(scratch.path().join("half.tmp"), "{").unwrap();
        std::fs::write(scratch.path().join("odd.json"), "{").unwrap();
        let (records, unreadable) = dir.records().unwrap();
        assert_eq!(records, []);
        assert_eq!(unreadable, [scratch.path().join("odd.json")]);
        assert!(!scratch.path().join("half.tmp").exists());
    }
}
