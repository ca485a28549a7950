//! Captured output: `stdout.log` and `stderr.log` of an instance, rotated while the process goes on writing.
//!
//! A process writes into its files directly (opened for appending), so neither the daemon's death nor a slow
//! daemon can block it, kill it or lose a line. The price is that rotation comes from outside: a full part
//! is copied to `NAME.1` and then punched out of the live file, whose offsets therefore only ever grow.
//! Nothing is lost in between, because the writer appends behind the part that is cut. What cannot be kept,
//! because it was written faster than it may be for long, is dropped with a line that says how much.

mod keeper;
mod rotate;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub use keeper::LogKeeper;
use rotate::{extent, numbered};

/// How much output is kept.
///
/// ```
/// use minimcp_actors::launch::logs::Rotation;
///
/// let Rotation { file_bytes, files, .. } = Rotation { files: 2, ..Rotation::default() };
/// assert_eq!(file_bytes * u64::from(files), 20 << 20, "what an instance's stream takes of the disk");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Size of one file, in bytes; rounded down to whole blocks of 4 KiB.
    pub file_bytes: u64,
    /// Files kept, the live one included; at least 2.
    pub files: u32,
    /// What is copied into files at most, in bytes per second, once as much as all files hold was. It bounds what
    /// a flood costs the daemon and the disk.
    pub rate_bytes: u64,
}

impl Default for Rotation {
    /// Five files of 10 MiB, one of them a second.
    fn default() -> Self {
        Self { file_bytes: 10 * 1024 * 1024, files: 5, rate_bytes: 10 * 1024 * 1024 }
    }
}

/// The files that hold the output kept under this path, oldest first, the live one last.
#[must_use]
pub fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> =
        (1..).map(|number| numbered(path, number)).take_while(|part| part.exists()).collect();
    parts.reverse();
    parts.push(path.to_owned());
    parts
}

/// The end of the live file: at most `max_bytes`, nothing before offset `from`, whole lines if more than one
/// is left, as text.
///
/// # Errors
/// What the file system says.
pub fn tail(path: &Path, from: u64, max_bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (start, length) = extent(&file)?;
    let begin = from.max(start).max(length.saturating_sub(max_bytes)).min(length);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    let cut = if begin > from.max(start) {
        bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    } else {
        0
    };
    Ok(String::from_utf8_lossy(&bytes[cut..]).into_owned())
}
