//! The thread that owns the file: takes what waits, writes it, has it on the disk, and only then answers.
//!
//! Whatever goes wrong, the callers of the batch are told, the file is cut back to its last good line, and the
//! next batch tries anew: when there is space again, or the directory is back, it simply goes on.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use chrono::Utc;
use serde_json::json;
use slog::{Logger, error, info, warn};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::chain::{self, ChainKey, Head};
use super::denials::Denials;
use super::{Counts, Entry, Unavailable, check, files};
use crate::api::audit::{AuditResult, Chain};

/// Records written with one sync at most.
const BATCH: usize = 256;

/// What the thread is asked.
pub(super) enum Job {
    /// Write it and say when it is on the disk.
    Record(Entry, oneshot::Sender<Result<u64, Unavailable>>),
    /// Write it if there were not too many.
    Denial(Entry),
}

/// The state of the thread.
pub(super) struct Writer {
    pub(super) dir: PathBuf,
    pub(super) key: Arc<ChainKey>,
    /// From this length on a file is full, in bytes.
    pub(super) full: u64,
    /// The newest record that is on the disk.
    pub(super) head: watch::Sender<Head>,
    /// Whether the store knew this trail when the daemon began.
    pub(super) known: bool,
    pub(super) counts: Arc<Counts>,
    pub(super) log: Logger,
    pub(super) live: Option<Live>,
    pub(super) denials: Denials,
}

/// The open file.
pub(super) struct Live {
    file: File,
    /// Bytes up to the end of the last good line.
    length: u64,
    /// The number of its first record.
    first_seq: u64,
    /// The record before the next one: its number, and the code that the next one carries.
    last: Head,
}

impl Writer {
    /// Writes until nobody can ask any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Some(batch) = self.next(jobs) {
            let (entries, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let written = self.write(entries);
            self.note(written.as_ref().err());
            match written {
                Ok(first) => {
                    for (seq, waiting) in (first..).zip(waiting) {
                        // Who went away does not need the answer; the record stands.
                        let _ = waiting.map(|waiting| waiting.send(Ok(seq)));
                    }
                }
                Err(error) => {
                    let unavailable = Unavailable::from(&error);
                    for waiting in waiting {
                        let _ = waiting.map(|waiting| waiting.send(Err(unavailable.clone())));
                    }
                }
            }
        }
    }

    /// What is to be written next, as much as waits.
    #[expect(clippy::type_complexity, reason = "an entry and who waits for it; it lives for three lines")]
    fn next(
        &mut self,
        jobs: &Receiver<Job>,
    ) -> Option<Vec<(Entry, Option<oneshot::Sender<Result<u64, Unavailable>>>)>> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            let job = match self.denials.remaining(Instant::now()) {
                None => Some(jobs.recv().ok()?),
                Some(remaining) => match jobs.recv_timeout(remaining) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return None,
                },
            };
            let now = Instant::now();
            self.denials.lose(self.counts.lost_denials.swap(0, Ordering::Relaxed), now);
            if let Some(left_out) = self.denials.close(now) {
                let entry = Entry::by_daemon("authentication.left_out", AuditResult::Refused);
                batch.push((entry.with("count", left_out), None));
            }
            for job in job.into_iter().chain(jobs.try_iter()).take(BATCH) {
                match job {
                    Job::Record(entry, waiting) => batch.push((entry, Some(waiting))),
                    Job::Denial(entry) if self.denials.admit(now) => batch.push((entry, None)),
                    Job::Denial(_) => {}
                }
            }
        }
        Some(batch)
    }

    /// Writes the entries and answers the number of the first. All of them are on the disk, or none counts.
    fn write(&mut self, entries: Vec<Entry>) -> io::Result<u64> {
        let path = self.dir.join(files::LIVE);
        let mut live = match self.live.take() {
            Some(live) if files::is_still(&live.file, &path) => live,
            _ => self.open()?,
        };
        if live.length >= self.full {
            live = self.rotate(live)?;
        }
        let mut last = live.last;
        let first = last.seq + 1;
        let mut text = Vec::new();
        let count = entries.len() as u64;
        for entry in entries {
            let record = entry.numbered(last.seq + 1, Utc::now());
            let (line, code) = chain::seal(&self.key, &record, last.code);
            text.extend_from_slice(&line);
            last = Head { seq: record.seq, code };
        }
        let written = live.file.write_all(&text).and_then(|()| live.file.sync_data());
        if let Err(error) = written {
            // What was written in part would be taken for records.
            if live.file.set_len(live.length).is_ok() {
                self.live = Some(live);
            }
            return Err(error);
        }
        self.counts.records.fetch_add(count, Ordering::Relaxed);
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        live.length += text.len() as u64;
        live.last = last;
        self.live = Some(live);
        self.head.send_replace(last);
        Ok(first)
    }

    /// Opens the trail and finds where it goes on. What is wrong with its end becomes its next record: numbers
    /// are never given twice, so what is missing stays visible.
    fn open(&mut self) -> io::Result<Live> {
        let dir = &self.dir;
        files::prepare(dir)?;
        let head = *self.head.borrow();
        let names = files::names(dir)?;
        let mut reads = Vec::new();
        // The newest file tells where the trail goes on; an empty one leaves that to the one before.
        for name in names.iter().rev() {
            let read = files::read(dir, name, &self.key, head.seq)?;
            let tells = read.check.last().is_some();
            reads.push((name, read));
            if tells {
                break;
            }
        }
        let found = reads.iter().find_map(|(_, read)| read.check.last());
        let code_at = reads.iter().find_map(|(_, read)| read.code_at);
        let clean = reads.iter().all(|(_, read)| read.check.is_clean());
        let last = Head {
            seq: found.map_or(0, |found| found.seq).max(head.seq),
            code: found.map_or(head.code, |found| found.code),
        };

        let mut troubles = Vec::new();
        let reaches = found.map_or(0, |found| found.seq) >= head.seq;
        let same = code_at.is_none_or(|code| code == head.code);
        if !reaches || !same || !clean || (!self.known && found.is_some()) {
            let checks = reads.iter().rev().map(|(_, read)| read.check.clone()).collect();
            troubles.push(gap(
                &check::join_newest(checks, head),
                found.map_or(0, |found| found.seq),
                head.seq,
                self.known,
            ));
        }
        let torn =
            reads.first().filter(|(name, _)| *name == files::LIVE).map(|(_, read)| (read.whole, &read.torn));
        let file = match files::open_live(dir)? {
            None => files::make_live(dir)?,
            Some(file) => {
                if let Some((whole, torn)) = torn.filter(|(_, torn)| !torn.is_empty()) {
                    files::put_aside(dir, last.seq, torn)?;
                    file.set_len(whole)?;
                    let entry = Entry::by_daemon("audit.repaired", AuditResult::Done);
                    troubles.push(entry.with("torn_bytes", torn.len()));
                }
                file
            }
        };
        let first_seq =
            reads.iter().find(|(name, _)| *name == files::LIVE).and_then(|(_, read)| read.first_seq);
        let length = file.metadata()?.len();
        self.known = true;
        let live = Live { file, length, first_seq: first_seq.unwrap_or(last.seq + 1), last };
        self.live = Some(live);
        if !troubles.is_empty() {
            for trouble in &troubles {
                error!(self.log, "the audit trail is not as it was left; `minimcp audit verify` says what is wrong";
                    "action" => &trouble.action, "detail" => json!(trouble.detail).to_string());
            }
            self.write(troubles)?;
        }
        self.live.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Puts the full file away and begins the next.
    fn rotate(&mut self, live: Live) -> io::Result<Live> {
        let full = self.dir.join(files::full_name(live.first_seq));
        let last = live.last;
        drop(live);
        if full.exists() {
            return Err(io::Error::other("the name of the full file is taken"));
        }
        std::fs::rename(self.dir.join(files::LIVE), &full)?;
        files::sync_directory(&self.dir)?;
        let file = files::make_live(&self.dir)?;
        info!(self.log, "began a new file of the audit trail"; "full" => %full.display());
        Ok(Live { file, length: 0, first_seq: last.seq + 1, last })
    }

    /// Tells once when records cannot be written, and once when they can again.
    fn note(&self, error: Option<&io::Error>) {
        match error {
            Some(error) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                if !self.counts.failing.swap(true, Ordering::Relaxed) {
                    error!(self.log, "the audit trail cannot be written; operations that need it are refused";
                        "directory" => %self.dir.display(), "error" => %error);
                }
            }
            None => {
                if self.counts.failing.swap(false, Ordering::Relaxed) {
                    warn!(self.log, "the audit trail can be written again");
                }
            }
        }
    }
}

/// What is said of a trail that is not as it was left.
fn gap(chain: &Chain, found: u64, head: u64, known: bool) -> Entry {
    let words: Vec<&str> = chain.problems.iter().map(|found| found.detail.as_str()).take(10).collect();
    let entry = Entry::by_daemon("audit.gap", AuditResult::Failed);
    let entry = entry.with("found_seq", found).with("known_seq", head).with("problems", words);
    if known { entry } else { entry.with("store", "the database knows nothing of this trail") }
}
