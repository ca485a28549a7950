//! The thread that watches the live files of all instances.
//!
//! A file that grows is looked at several times a second. One that has been quiet for a while is not looked at: the
//! kernel says when it is written to again. So a thousand servers that write nothing cost nothing, and a flood is
//! seen at once.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;
use tokio::time::Instant;

use super::Rotation;
use super::rotate::{BLOCK, Cut, extent, numbered, rotate, shift, tell};
use crate::launch::cpus::Cpus;

/// Between two looks at files that grow.
const CALM: Duration = Duration::from_millis(250);
/// The same while a file grows by more than a tenth of its size between two looks.
const BUSY: Duration = Duration::from_millis(50);
/// Looks at which a file has not grown until it counts as quiet.
const QUIET: u8 = 20;

/// Watches the live files of all instances and rotates them, on one thread of its own.
///
/// ```
/// use minimcp_actors::launch::logs::{LogKeeper, Rotation};
///
/// let log = slog::Logger::root(slog::Discard, slog::o!());
/// let keeper = LogKeeper::start(Rotation::default(), log)?; // ends with the value
/// # drop(keeper);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LogKeeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rotation: Rotation,
    watched: Mutex<Watched>,
    /// Written to when the thread is to look again, or to end.
    wake: OwnedFd,
    log: slog::Logger,
}

#[derive(Debug, Default)]
struct Watched {
    files: HashMap<PathBuf, Live>,
    closed: bool,
}

/// A live file.
#[derive(Debug, Clone, Copy)]
struct Live {
    cut: Cut,
    /// Where it ended when it was last looked at.
    seen: u64,
    looked_at: Instant,
    /// Looks since it has grown.
    quiet: u8,
    /// The kernel says when it is written to.
    announced: bool,
    broken: bool,
    /// Runs that write into it: two while one replaces another.
    writers: u32,
}

impl LogKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread or descriptor.
    pub fn start(rotation: Rotation, log: slog::Logger) -> io::Result<Self> {
        let rotation = Rotation {
            file_bytes: (rotation.file_bytes / BLOCK).max(1) * BLOCK,
            files: rotation.files.max(2),
            ..rotation
        };
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { rotation, watched: Mutex::new(Watched::default()), wake, log });
        let keeper = Arc::clone(&shared);
        std::thread::Builder::new().name("log-keeper".into()).spawn(move || {
            // Cutting what a flood wrote keeps a processor in the kernel for milliseconds at a time.
            if let Some(cpus) = Cpus::of_this_thread() {
                cpus.confine_this_thread();
            }
            keeper.run();
        })?;
        Ok(Self { shared })
    }

    /// Opens a file for a new run to append to, and watches it. What an earlier run left is kept: appended
    /// to while it is small, moved aside where rotation has cut it and nobody writes into it any more.
    pub(in crate::launch) fn open(&self, path: &Path) -> io::Result<File> {
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
    pub(in crate::launch) fn adopt(&self, path: &Path) -> io::Result<()> {
        let (start, _) = extent(&File::open(path)?)?;
        self.insert(path, start, start);
        Ok(())
    }

    /// One of the runs that write into the file has ended.
    pub(in crate::launch) fn forget(&self, path: &Path) {
        let mut watched = self.shared.lock();
        let Some(live) = watched.files.get_mut(path) else { return };
        live.writers -= 1;
        if live.writers == 0
            && let Some(mut live) = watched.files.remove(path)
        {
            drop(watched);
            // The flood may have ended with the run, before another look.
            live.cut.allowance = self.shared.rotation.file_bytes;
            self.shared.cut(path, &mut live);
            self.shared.tell(path, &mut live);
        }
    }

    /// Whether output of this file was dropped, and it has not been quiet since.
    pub(in crate::launch) fn drops(&self, path: &Path) -> bool {
        self.shared.lock().files.get(path).is_some_and(|live| live.cut.dropped > 0)
    }

    fn insert(&self, path: &Path, start: u64, seen: u64) {
        let cut = Cut { start, dropped: 0, allowance: self.shared.burst() };
        let (quiet, announced, broken, writers, looked_at) = (0, false, false, 0, Instant::now());
        let live = Live { cut, seen, looked_at, quiet, announced, broken, writers };
        self.shared.lock().files.entry(path.to_owned()).or_insert(live).writers += 1;
        self.shared.wake();
    }
}

impl Drop for LogKeeper {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        // The map is whole between any two statements, so a panic elsewhere leaves it usable.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It fails only where 2^64 wakes are waiting already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// What all files but the live one hold.
    fn burst(&self) -> u64 {
        self.rotation.file_bytes * u64::from(self.rotation.files - 1)
    }

    fn run(&self) {
        let mut news = News::new();
        loop {
            let guard = self.lock();
            if guard.closed {
                return;
            }
            let files: Vec<(PathBuf, Live)> = guard
                .files
                .iter()
                .filter(|(_, live)| !live.announced)
                .map(|(path, live)| (path.clone(), *live))
                .collect();
            drop(guard);
            let pause = if files.is_empty() {
                None
            } else {
                Some(if self.look_at(files, &mut news) { BUSY } else { CALM })
            };
            self.wait(pause, &mut news);
        }
    }

    fn wait(&self, pause: Option<Duration>, news: &mut News) {
        let timeout = pause.map(|pause| Timespec {
            tv_sec: pause.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        });
        let mut ready = vec![PollFd::new(&self.wake, PollFlags::IN)];
        ready.extend(news.fd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // Interrupted or not, what is to be looked at is looked at next.
        let _ = poll(&mut ready, timeout.as_ref());
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        for path in news.written_to() {
            if let Some(live) = self.lock().files.get_mut(&path) {
                (live.announced, live.quiet) = (false, 0);
            }
        }
    }

    /// Rotates what is full. Answers whether any file grows fast.
    fn look_at(&self, files: Vec<(PathBuf, Live)>, news: &mut News) -> bool {
        let mut busy = false;
        for (path, mut live) in files {
            let Ok(length) = std::fs::metadata(&path).map(|metadata| metadata.len()) else {
                continue;
            };
            let now = Instant::now();
            let millis = u64::try_from((now - live.looked_at).as_millis()).unwrap_or(u64::MAX);
            let earned = self.rotation.rate_bytes.saturating_mul(millis) / 1_000;
            live.cut.allowance = live.cut.allowance.saturating_add(earned).min(self.burst());
            live.looked_at = now;
            if length == live.seen {
                live.quiet = live.quiet.saturating_add(1);
                self.tell(&path, &mut live);
            } else {
                busy |= length - live.seen.min(length) > self.rotation.file_bytes / 10;
                live.quiet = 0;
            }
            live.seen = length;
            self.cut(&path, &mut live);
            // What is written between this look and the watch is seen by the look below.
            live.announced = live.quiet >= QUIET
                && news.announce(&path)
                && std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == length);
            if let Some(present) = self.lock().files.get_mut(&path) {
                *present = Live { writers: present.writers, ..live };
            }
        }
        busy
    }

    fn cut(&self, path: &Path, live: &mut Live) {
        let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        if live.broken || length.saturating_sub(live.cut.start) < self.rotation.file_bytes {
            return;
        }
        if let Err(error) = rotate(path, &mut live.cut, self.rotation) {
            live.broken = true;
            slog::error!(self.log, "captured output can no longer be rotated and grows unbounded";
                "file" => %path.display(), "error" => %error);
        }
    }

    /// Says at the end of the live file what was dropped before it, once it grows no more.
    fn tell(&self, path: &Path, live: &mut Live) {
        if live.cut.dropped == 0 {
            return;
        }
        let told = OpenOptions::new().append(true).open(path);
        if let Err(error) = told.and_then(|mut file| tell(&mut file, &mut live.cut.dropped)) {
            slog::warn!(self.log, "it could not be said that output was dropped";
                "file" => %path.display(), "error" => %error);
        }
    }
}

/// What the kernel says about quiet files. Where it says nothing, all files are looked at.
struct News {
    fd: Option<OwnedFd>,
    watches: HashMap<i32, PathBuf>,
}

impl News {
    fn new() -> Self {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Self { fd: inotify::init(flags).ok(), watches: HashMap::new() }
    }

    /// Has the kernel say when the file is written to for the next time.
    fn announce(&mut self, path: &Path) -> bool {
        let Some(fd) = &self.fd else { return false };
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::ONESHOT;
        match inotify::add_watch(fd, path, flags) {
            Ok(watch) => {
                self.watches.insert(watch, path.to_owned());
                true
            }
            Err(_) => false,
        }
    }

    fn written_to(&mut self) -> Vec<PathBuf> {
        let mut written = Vec::new();
        let Some(fd) = &self.fd else { return written };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        while let Ok(event) = reader.next() {
            // A watch ends with its first event, or with its file.
            written.extend(self.watches.remove(&event.wd()));
        }
        written
    }
}

#[cfg(test)]
mod tests;
