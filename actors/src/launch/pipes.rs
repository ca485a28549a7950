//! Runs that speak over their standard streams.
//!
//! Both streams are FIFOs in the run directory, and the process has each of them open for reading and writing.
//! So it neither sees an end of its input nor a broken output when the daemon dies, and the next daemon attaches
//! by the names that follow from the run's record. What the process says meanwhile waits in the FIFO.
//!
//! What is said there is nobody's business here: the ends go to a [`Wiring`].

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use uuid::Uuid;

use super::{Missed, Spec};
use crate::state::Run;

/// The daemon's ends of a run's standard streams. Both are non-blocking.
#[derive(Debug)]
pub struct Pipes {
    /// What is written here the process reads.
    pub to: OwnedFd,
    /// What the process writes is read here; ends with the last process that has it open.
    pub from: OwnedFd,
    /// Another daemon wrote and read here before. It may have left half a line in either direction.
    pub adopted: bool,
}

/// Speaks with runs over their standard streams. Told of each before it is asked for its health.
pub trait Wiring: Send + Sync + fmt::Debug {
    /// A run is there, launched or adopted. Must not block.
    fn connect(&self, spec: &Spec, run: Run, pipes: Pipes);

    /// Asks a run once whether it is ready and healthy, for at most `timeout`.
    fn probe(&self, id: Uuid, run: Run, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>>;

    /// A run is over, or never came to be. Must not block.
    fn disconnect(&self, id: Uuid, run: Run);
}

/// The names of a run's FIFOs.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) stdin: PathBuf,
    pub(super) stdout: PathBuf,
}

impl Names {
    /// Beside the record of the run.
    pub(super) fn beside(record: &Path) -> Self {
        Self { stdin: record.with_extension(STDIN), stdout: record.with_extension(STDOUT) }
    }

    /// Makes both, in the place of any that are left.
    pub(super) fn make(&self) -> io::Result<()> {
        self.remove()?;
        for path in [&self.stdin, &self.stdout] {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        }
        Ok(())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        for path in [&self.stdin, &self.stdout] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The daemon's ends.
    pub(super) fn open(&self, adopted: bool) -> io::Result<Pipes> {
        let open = |path: &Path, access| {
            let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(path, flags, Mode::empty())
        };
        // A writing end alone cannot be opened before the process has opened its own.
        let to = open(&self.stdin, OFlags::RDWR)?;
        let from = open(&self.stdout, OFlags::RDONLY)?;
        Ok(Pipes { to, from, adopted })
    }
}

/// A FIFO as the process has it: open for both, so that it never ends and never breaks.
pub(super) fn open_both(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Whether the path is that of a FIFO whose record is gone.
pub(super) fn is_left_over(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some(STDIN | STDOUT)) && !path.with_extension("json").exists()
}

const STDIN: &str = "stdin";
const STDOUT: &str = "stdout";

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_was_written_waits_for_the_next_reader_and_the_writer_outlives_each() {
        let scratch = tempfile::tempdir().unwrap();
        let names = Names::beside(&scratch.path().join("a.1.json"));
        names.make().unwrap();
        let mut child = open_both(&names.stdout).unwrap();
        child.write_all(b"before\n").unwrap();
        let first = names.open(false).unwrap();
        drop(first);
        child.write_all(b"between\n").unwrap();
        let second = names.open(true).unwrap();
        let mut text = [0; 64];
        let length = File::from(second.from).read(&mut text).unwrap();
        assert_eq!(&text[..length], b"before\nbetween\n");
        drop(child);
        let third = names.open(true).unwrap();
        assert_eq!(File::from(third.from).read(&mut text).unwrap(), 0, "nobody is left to write");
    }

    #[test]
    fn a_fifo_without_a_record_is_left_over_and_its_owner_alone_may_open_one() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let record = scratch.path().join("a.1.json");
        let names = Names::beside(&record);
        names.make().unwrap();
        names.make().unwrap();
        assert!(is_left_over(&names.stdin) && is_left_over(&names.stdout));
        std::fs::write(&record, "{}").unwrap();
        assert!(!is_left_over(&names.stdin) && !is_left_over(&record));
        let mode = std::fs::metadata(&names.stdin).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        names.remove().unwrap();
        names.remove().unwrap();
        assert!(!names.stdin.exists());
    }
}
