//! Who did what: a chain of records in files, each on the disk before what it is about is done.
//!
//! [`Trail::record`] comes back once the record is on the disk. If it fails, what was to be recorded must not
//! be done. Each record carries the code of the one before and a code over itself, under a key that only the
//! daemon has, and the newest one is noted in the store ([`anchor`]): a record that is changed, dropped, moved,
//! put in or cut off is named by [`Trail::chain`]. Nothing here ever deletes a record.

pub mod anchor;
mod chain;
mod check;
mod denials;
mod files;
mod reader;
mod record;
pub mod resume;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use slog::Logger;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

pub use chain::{Code, Head};
pub use reader::{Part, Wanted};
pub use record::Entry;

use crate::api::audit::Chain;
use chain::ChainKey;
use denials::Denials;
use reader::Reader;
use writer::{Job, Writer};

/// Records that wait to be written at most; more are refused.
const QUEUE: usize = 1_024;
/// From this length on a file is full, in bytes.
const FULL: u64 = 16 << 20;

/// A record cannot be written, in words without a path. What it is about must not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail cannot be written: {words}")]
pub struct Unavailable {
    words: String,
    kind: io::ErrorKind,
}

impl Unavailable {
    /// Whether it is for want of space.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    fn other(words: &str) -> Self {
        Self { words: words.into(), kind: io::ErrorKind::Other }
    }
}

impl From<&io::Error> for Unavailable {
    fn from(error: &io::Error) -> Self {
        Self { words: error.to_string(), kind: error.kind() }
    }
}

/// Where a trail is and how it is kept.
pub struct Options {
    /// The directory; it is made when it is needed.
    pub dir: PathBuf,
    /// The key of its codes.
    pub key: Zeroizing<[u8; 32]>,
    /// The newest record that the store knows of; `None` if it knows of no trail.
    pub head: Option<Head>,
    /// From this length on a file is full, in bytes.
    pub full: u64,
    /// Where to log.
    pub log: Logger,
}

impl Options {
    /// The usual options.
    #[must_use]
    pub fn new(dir: PathBuf, key: Zeroizing<[u8; 32]>, head: Option<Head>, log: Logger) -> Self {
        Self { dir, key, head, full: FULL, log }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("dir", &self.dir).field("head", &self.head).finish_non_exhaustive()
    }
}

/// The audit trail. Clones write into the same.
#[derive(Clone)]
pub struct Trail(Arc<Shared>);

struct Shared {
    jobs: SyncSender<Job>,
    head: watch::Receiver<Head>,
    key: Arc<ChainKey>,
    counts: Arc<Counts>,
    reader: Reader,
}

/// What the writer counts.
#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    syncs: AtomicU64,
    refused: AtomicU64,
    failing: AtomicBool,
    lost_denials: AtomicU64,
}

/// How a trail fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Records written since the daemon began.
    pub records: u64,
    /// How often the disk was asked to keep them; one answer serves all that waited.
    pub syncs: u64,
    /// How many batches were refused.
    pub refused: u64,
    /// Whether the last batch was refused.
    pub failing: bool,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("standing", &self.standing()).finish_non_exhaustive()
    }
}

impl Trail {
    /// A trail in its directory. It is opened with the first record; until then nothing is known about it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options { dir, key, head, full, log } = options;
        let key = Arc::new(ChainKey::new(key));
        let counts = Arc::new(Counts::default());
        let (tell, newest) = watch::channel(head.unwrap_or(Head::GENESIS));
        let (jobs, queue) = sync_channel(QUEUE);
        let writer = Writer {
            dir: dir.clone(),
            key: Arc::clone(&key),
            full,
            head: tell,
            known: head.is_some(),
            counts: Arc::clone(&counts),
            log,
            live: None,
            denials: Denials::default(),
        };
        std::thread::Builder::new().name("audit".into()).spawn(move || writer.run(&queue))?;
        let reader = Reader { dir, key: Arc::clone(&key), checked: Mutex::new(HashMap::new()) };
        Ok(Self(Arc::new(Shared { jobs, head: newest, key, counts, reader })))
    }

    /// Writes a record and answers its number once it is on the disk.
    ///
    /// # Errors
    /// [`Unavailable`]: it is not written, and what it is about must not be done.
    pub async fn record(&self, entry: Entry) -> Result<u64, Unavailable> {
        self.ask(entry)?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The same for a thread that may block. Never to be called where others are waited for.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_now(&self, entry: Entry) -> Result<u64, Unavailable> {
        self.ask(entry)?.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    fn ask(&self, entry: Entry) -> Result<oneshot::Receiver<Result<u64, Unavailable>>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        match self.0.jobs.try_send(Job::Record(entry, answer)) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(Unavailable::other("too many records wait for the disk")),
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }

    /// Has a refused attempt to authenticate written, without waiting for it. Of very many some are only
    /// counted.
    pub fn denied(&self, entry: Entry) {
        if self.0.jobs.try_send(Job::Denial(entry)).is_err() {
            self.0.counts.lost_denials.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A mark by which the same secret is known again, and which tells nothing about it.
    #[must_use]
    pub fn mark(&self, secret: &[u8]) -> String {
        self.0.key.mark(secret)
    }

    /// The newest record on the disk, now and whenever there is a newer one.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Head> {
        self.0.head.clone()
    }

    /// How it fares.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let counts = &self.0.counts;
        Standing {
            records: counts.records.load(Ordering::Relaxed),
            syncs: counts.syncs.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            failing: counts.failing.load(Ordering::Relaxed),
        }
    }

    /// Records that are wanted, newest first. Blocks.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn part(&self, wanted: &Wanted) -> io::Result<Part> {
        self.0.reader.part(wanted)
    }

    /// Checks the whole trail; with `anew` also what was checked before and has not been touched since. Blocks.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn chain(&self, anew: bool) -> io::Result<Chain> {
        let head = *self.0.head.borrow();
        self.0.reader.chain(head, anew)
    }
}

/// Checks the trail in a directory that no daemon of ours may be writing to. Blocks.
///
/// # Errors
/// If the files cannot be read.
pub fn verify(dir: PathBuf, key: Zeroizing<[u8; 32]>, head: Head) -> io::Result<Chain> {
    let key = Arc::new(ChainKey::new(key));
    Reader { dir, key, checked: Mutex::new(HashMap::new()) }.chain(head, true)
}

#[cfg(test)]
impl Trail {
    /// A trail that writes nothing.
    pub(crate) fn broken() -> Self {
        let key = Zeroizing::new([0; 32]);
        let log = Logger::root(slog::Discard, slog::o!());
        Self::start(Options::new("/dev/null/audit".into(), key, None, log)).expect("a thread for a test")
    }
}

#[cfg(test)]
impl Entry {
    /// An entry that says nothing.
    pub(crate) fn test() -> Self {
        use crate::api::audit::AuditResult;
        Self::by_daemon("test", AuditResult::Done)
    }
}

fn gone() -> Unavailable {
    Unavailable::other("the thread that writes it has ended")
}

#[cfg(test)]
mod tests;
