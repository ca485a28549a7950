//! The trail as it is read: newest first, a bounded part at a time, and checked as a whole. Files that do not
//! grow any more are checked once and then only looked at from outside.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::chain::{ChainKey, Head};
use super::check::{self, FileCheck};
use super::files;
use crate::api::audit::{AuditRecord, Chain};

/// Lines looked at for one page at most.
const LINES: usize = 50_000;
const BLOCK: u64 = 64 * 1_024;

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Written at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// By or on behalf of this user.
    pub user_id: Option<Uuid>,
    /// With this action; one that ends with a dot is the beginning of several.
    pub action: Option<String>,
    /// With a smaller number than this.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: usize,
}

impl Wanted {
    fn fits(&self, record: &AuditRecord) -> bool {
        self.since.is_none_or(|since| record.at >= since)
            && self.user_id.is_none_or(|user_id| record.actor.user_id == Some(user_id))
            && self.action.as_ref().is_none_or(|action| {
                record.action == *action || (action.ends_with('.') && record.action.starts_with(action))
            })
    }
}

/// Records, newest first, and the number before which the next part begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// What to ask for next; `None` at the beginning of the trail.
    pub before: Option<u64>,
}

/// Reads what the writer has written. Every method may block.
pub(super) struct Reader {
    pub(super) dir: PathBuf,
    pub(super) key: Arc<ChainKey>,
    pub(super) checked: Mutex<HashMap<String, (Stamp, FileCheck)>>,
}

/// Tells whether a file was touched: its inode, its length and when anything about it was last changed, which
/// no program can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec())
    }
}

impl Reader {
    /// Records that are wanted, newest first.
    pub(super) fn part(&self, wanted: &Wanted) -> io::Result<Part> {
        self.over(|names| self.part_of(names, wanted))
    }

    fn part_of(&self, names: &[String], wanted: &Wanted) -> io::Result<Part> {
        let mut part = Part { records: Vec::new(), before: None };
        let mut looked_at = 0;
        for name in names.iter().rev() {
            if wanted.before.zip(files::first_seq(name)).is_some_and(|(before, first)| first >= before) {
                continue;
            }
            let mut lines = Backwards::of(files::open(&self.dir.join(name))?)?;
            while let Some(line) = lines.next()? {
                looked_at += 1;
                // What is no record is told by the check of the chain.
                let Ok(record) = serde_json::from_slice::<AuditRecord>(&line) else { continue };
                if wanted.before.is_some_and(|before| record.seq >= before) {
                    continue;
                }
                if part.records.len() == wanted.limit || looked_at > LINES {
                    part.before = Some(record.seq.saturating_add(1));
                    return Ok(part);
                }
                if wanted.fits(&record) {
                    part.records.push(record);
                }
            }
        }
        Ok(part)
    }

    /// Checks the whole trail. `head` was on the disk before; `anew` reads again what was checked already.
    pub(super) fn chain(&self, head: Head, anew: bool) -> io::Result<Chain> {
        let checks: Vec<FileCheck> =
            self.over(|names| names.iter().map(|name| self.check(name, anew)).collect())?;
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.retain(|name, _| checks.iter().any(|check| check.file() == name));
        drop(checked);
        Ok(check::join(checks, head))
    }

    /// Looks at the files, and once more if meanwhile one was full and got another name.
    fn over<T>(&self, look: impl Fn(&[String]) -> io::Result<T>) -> io::Result<T> {
        loop {
            let names = self.names()?;
            let looked = look(&names);
            if self.names()? == names {
                return looked;
            }
        }
    }

    fn check(&self, name: &str, anew: bool) -> io::Result<FileCheck> {
        let stamp = Stamp::of(&files::open(&self.dir.join(name))?.metadata()?);
        let known = || self.checked.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((_, check)) = known().filter(|(of, _)| *of == stamp && !anew) {
            return Ok(check);
        }
        let check = files::read(&self.dir, name, &self.key, 0)?.check;
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.insert(name.to_owned(), (stamp, check.clone()));
        Ok(check)
    }

    /// No directory is a trail without records: there may have been none to write.
    fn names(&self) -> io::Result<Vec<String>> {
        match files::names(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }
}

/// The lines of a file from its end, a block at a time.
struct Backwards {
    file: File,
    /// Bytes of the file that were not read yet.
    left: u64,
    /// What was read and is not given out yet.
    block: Vec<u8>,
}

impl Backwards {
    fn of(file: File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        Ok(Self { file, left, block: Vec::new() })
    }

    /// The line before, without its end. A last line that has none is skipped by being no record.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let end = self.block.len() - usize::from(self.block.last() == Some(&b'\n'));
            if let Some(at) = self.block[..end].iter().rposition(|byte| *byte == b'\n') {
                let line = self.block[at + 1..end].to_vec();
                self.block.truncate(at + 1);
                return Ok(Some(line));
            }
            if self.left == 0 {
                let line = self.block[..end].to_vec();
                self.block.clear();
                return Ok((!line.is_empty()).then_some(line));
            }
            let size = self.left.min(BLOCK);
            self.left -= size;
            let mut before = vec![0; size as usize];
            self.file.read_exact_at(&mut before, self.left)?;
            // A line of foreign making that is longer than any of ours is given out in parts, which are no records.
            if self.block.len() < 4 * BLOCK as usize {
                before.extend_from_slice(&self.block);
            }
            self.block = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backwards(text: &[u8]) -> Vec<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut lines = Backwards::of(File::open(file.path()).unwrap()).unwrap();
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_come_back_from_the_last_to_the_first_over_the_borders_of_blocks() {
        assert!(backwards(b"").is_empty());
        assert_eq!(backwards(b"a\nbc\n"), [b"bc".to_vec(), b"a".to_vec()]);
        assert_eq!(backwards(b"a\nhalf"), [b"half".to_vec(), b"a".to_vec()]);
        let lines: Vec<Vec<u8>> =
            (0..20_000).map(|n| format!("line {n} {}", "x".repeat(n % 50)).into_bytes()).collect();
        let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect();
        assert!(text.len() as u64 > 10 * BLOCK);
        let mut back = backwards(&text);
        back.reverse();
        assert!(back == lines);
    }
}
