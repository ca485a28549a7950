//! Captured output: `stdout.log` and `stderr.log` of an instance, rotated while the process goes on writing.
//!
//! A process writes into its files directly (opened for appending), so neither the daemon's death nor a slow
//! daemon can block it, kill it or lose a line. The price is that rotation comes from outside: a full part
//! is copied to `NAME.1` and then punched out of the live file, whose offsets therefore only ever grow.
//! Nothing is lost in between, because the writer appends behind the part that is cut. What cannot be kept,
//! because it was written faster than five files can hold, is dropped with a line that says how much.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{FallocateFlags, SeekFrom as Whence};

/// How much output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Size of one file, in bytes; rounded down to whole blocks of 4 KiB.
    pub file_bytes: u64,
    /// Files kept, the live one included; at least 2.
    pub files: u32,
}

impl Default for Rotation {
    /// Five files of 10 MiB.
    fn default() -> Self {
        Self { file_bytes: 10 * 1024 * 1024, files: 5 }
    }
}

/// Holes have to begin and end at blocks.
const BLOCK: u64 = 4096;
const CALM: Duration = Duration::from_secs(1);
/// Looked at this often while a file grows by more than a tenth of its size between two looks.
const BUSY: Duration = Duration::from_millis(50);
/// A file that has not grown for this many looks is quiet, and only looked at each so many-th time: most
/// servers write nothing for hours.
const QUIET: u8 = 5;

/// Watches the live files of all instances and rotates them, on one thread of its own.
#[derive(Debug)]
pub struct LogKeeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rotation: Rotation,
    watched: Mutex<Watched>,
    changed: Condvar,
    log: slog::Logger,
}

#[derive(Debug, Default)]
struct Watched {
    files: HashMap<PathBuf, Live>,
    closed: bool,
}

/// A live file: where its kept part begins and where it ended when it was last looked at.
#[derive(Debug, Clone, Copy)]
struct Live {
    start: u64,
    seen: u64,
    /// Looks since it has grown.
    quiet: u8,
    broken: bool,
    /// Runs that write into it: two while one replaces another.
    writers: u32,
}

impl LogKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(rotation: Rotation, log: slog::Logger) -> io::Result<Self> {
        let rotation = Rotation {
            file_bytes: (rotation.file_bytes / BLOCK).max(1) * BLOCK,
            files: rotation.files.max(2),
        };
        let shared = Arc::new(Shared {
            rotation,
            watched: Mutex::new(Watched::default()),
            changed: Condvar::new(),
            log,
        });
        let keeper = Arc::clone(&shared);
        std::thread::Builder::new().name("log-keeper".into()).spawn(move || keeper.run())?;
        Ok(Self { shared })
    }

    /// Opens a file for a new run to append to, and watches it. What an earlier run left is kept: appended
    /// to while it is small, moved aside where rotation has cut it and nobody writes into it any more.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = options.open(path)?;
        if let Some(live) = self.shared.lock().files.get_mut(path) {
            live.writers += 1;
            return Ok(file);
        }
        let (start, length) = extent(&file)?;
        if start > 0 || length >= self.shared.rotation.file_bytes {
            shift(path, self.shared.rotation.files)?;
            std::fs::rename(path, numbered(path, 1))?;
            file = options.open(path)?;
        }
        self.insert(path, 0, file.metadata()?.len());
        Ok(file)
    }

    /// Watches the file of a process that was adopted. Nobody has looked at it meanwhile, so all of it is new.
    pub(super) fn adopt(&self, path: &Path) -> io::Result<()> {
        let (start, _) = extent(&File::open(path)?)?;
        self.insert(path, start, start);
        Ok(())
    }

    /// One of the runs that write into the file has ended.
    pub(super) fn forget(&self, path: &Path) {
        let mut watched = self.shared.lock();
        if let Some(live) = watched.files.get_mut(path) {
            live.writers -= 1;
            if live.writers == 0 {
                watched.files.remove(path);
            }
        }
    }

    fn insert(&self, path: &Path, start: u64, seen: u64) {
        let live = Live { start, seen, quiet: 0, broken: false, writers: 0 };
        self.shared.lock().files.entry(path.to_owned()).or_insert(live).writers += 1;
    }
}

impl Drop for LogKeeper {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        // The map is whole between any two statements, so a panic elsewhere leaves it usable.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut pause = CALM;
        for look in 0u64.. {
            let guard = self.lock();
            if guard.closed {
                return;
            }
            let (mut guard, _) =
                self.changed.wait_timeout(guard, pause).unwrap_or_else(PoisonError::into_inner);
            if guard.closed {
                return;
            }
            let all = look % u64::from(QUIET) == 0;
            let due = guard.files.iter_mut().filter(|(_, live)| all || live.quiet < QUIET);
            let files: Vec<(PathBuf, Live)> = due
                .map(|(path, live)| {
                    live.quiet = live.quiet.saturating_add(1);
                    (path.clone(), *live)
                })
                .collect();
            drop(guard);
            pause = if self.look_at(files) { BUSY } else { CALM };
        }
    }

    /// Rotates what is full. Answers whether any file grows fast.
    fn look_at(&self, files: Vec<(PathBuf, Live)>) -> bool {
        let mut busy = false;
        for (path, mut live) in files {
            let Ok(length) = std::fs::metadata(&path).map(|metadata| metadata.len()) else {
                continue;
            };
            if length == live.seen {
                continue;
            }
            busy |= length - live.seen.min(length) > self.rotation.file_bytes / 10;
            live.seen = length;
            live.quiet = 0;
            if !live.broken && length.saturating_sub(live.start) >= self.rotation.file_bytes {
                match rotate(&path, live.start, self.rotation) {
                    Ok(start) => live.start = start,
                    Err(error) => {
                        live.broken = true;
                        slog::error!(self.log, "captured output can no longer be rotated and grows unbounded";
                            "file" => %path.display(), "error" => %error);
                    }
                }
            }
            if let Some(present) = self.lock().files.get_mut(&path) {
                *present = Live { writers: present.writers, ..live };
            }
        }
        busy
    }
}

/// Cuts full parts off the live file, whose kept part begins at `start`, until less than one is left.
/// Answers where the kept part begins now.
fn rotate(path: &Path, mut start: u64, rotation: Rotation) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    loop {
        let backlog = file.metadata()?.len().saturating_sub(start);
        if backlog < rotation.file_bytes {
            return Ok(start);
        }
        let room = rotation.file_bytes * u64::from(rotation.files - 1);
        let dropped = if backlog > room { (backlog - room) / BLOCK * BLOCK } else { 0 };
        if dropped > 0 {
            punch(&file, start, dropped)?;
            start += dropped;
        }
        let part = path.with_extension("rotating");
        let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        if dropped > 0 {
            writeln!(
                copy,
                "[minimcp] {dropped} bytes of output were dropped here: they came faster than they can be kept"
            )?;
        }
        file.seek(SeekFrom::Start(start))?;
        io::copy(&mut (&mut file).take(rotation.file_bytes), &mut copy)?;
        shift(path, rotation.files)?;
        std::fs::rename(&part, numbered(path, 1))?;
        punch(&file, start, rotation.file_bytes)?;
        start += rotation.file_bytes;
    }
}

fn punch(file: &File, from: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, from, length)?)
}

/// Moves `NAME.1` to `NAME.2` and so on; the oldest goes.
fn shift(path: &Path, files: u32) -> io::Result<()> {
    for number in (1..files.saturating_sub(1)).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Where a file's kept part begins and where it ends.
fn extent(file: &File) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    match rustix::fs::seek(file, Whence::Data(0)) {
        Ok(start) => Ok((start, length)),
        // Nothing but a hole, or nothing at all.
        Err(rustix::io::Errno::NXIO) => Ok((length, length)),
        Err(error) => Err(error.into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Rotation = Rotation { file_bytes: 2 * BLOCK, files: 3 };

    fn all(path: &Path) -> String {
        parts(path)
            .iter()
            .map(|part| {
                let mut file = File::open(part).unwrap();
                let (start, _) = extent(&file).unwrap();
                file.seek(SeekFrom::Start(start)).unwrap();
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            })
            .collect()
    }

    #[test]
    fn rotation_keeps_every_line_that_there_is_room_for_while_the_writer_goes_on() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("stdout.log");
        let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let mut start = 0;
        let mut written = String::new();
        for number in 0..300 {
            let line = format!("line {number:0>64}\n");
            writer.write_all(line.as_bytes()).unwrap();
            written.push_str(&line);
            start = rotate(&path, start, SMALL).unwrap();
        }
        let kept = all(&path);
        assert!(written.ends_with(&kept), "what is kept is the unbroken end of what was written");
        assert!(kept.len() as u64 >= SMALL.file_bytes * 2, "two whole files and the live one are kept");
        assert_eq!(parts(&path).len(), 3);
    }

    #[test]
    fn output_that_came_too_fast_is_dropped_with_a_line_that_says_how_much() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("stdout.log");
        let written: String = (0..2_000).map(|number| format!("line {number:0>64}\n")).collect();
        std::fs::write(&path, &written).unwrap();
        rotate(&path, 0, SMALL).unwrap();
        let kept = all(&path);
        let (note, rest) = kept.split_once('\n').unwrap();
        let dropped: usize = note.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(&written[dropped..], rest, "{note}");
    }

    #[test]
    fn a_cut_file_is_moved_aside_for_the_next_run_and_its_tail_is_readable() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("stderr.log");
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        rotate(&path, 0, SMALL).unwrap();
        assert_eq!(tail(&path, 0, 4_096).unwrap(), "x".repeat(10_000 - 8_192));

        let keeper = LogKeeper::start(SMALL, slog::Logger::root(slog::Discard, slog::o!())).unwrap();
        let mut fresh = keeper.open(&path).unwrap();
        fresh.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(tail(&path, 0, 4_096).unwrap(), "one\ntwo\n");
        assert_eq!(tail(&path, 4, 4_096).unwrap(), "two\n");
        assert_eq!(tail(&path, 0, 6).unwrap(), "two\n", "a cut line is left out");
        assert_eq!(all(&path), "x".repeat(10_000) + "one\ntwo\n");
    }
}
