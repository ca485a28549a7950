//! What is wrong with a trail. Pure: lines in, findings out.
//!
//! A line whose own code is right was written by us. What is left to find is where it stands: its number and
//! the code before it say which lines have to be around it. A line whose code is wrong takes the place of the
//! record that is missing there, if there is one; otherwise somebody has put it in.

use std::ops::Range;

use super::chain::{self, ChainKey, Code, Head, Strange};
use crate::api::audit::{Chain, Finding, FindingKind};

/// Places remembered at most, of each kind and file.
const MAX_PLACES: usize = 1_000;
/// Findings told at most.
const MAX_FINDINGS: usize = 100;

/// Reads one file, line by line.
pub(crate) struct Reading<'a> {
    key: &'a ChainKey,
    check: FileCheck,
}

/// What was found in one file. Says nothing yet about what was to be found before and after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileCheck {
    file: String,
    lines: u64,
    records: u64,
    /// The record that the first line has to be, and the code it follows if that can be told.
    first: Option<(u64, Option<Code>)>,
    /// The number that is next, and the code of the last line if that can be told.
    next: Option<(u64, Option<Code>)>,
    /// Lines at the end that are not ours: number claimed, line.
    strange: Vec<(Option<u64>, u64)>,
    /// Records that are not where they have to be, and the line before which they are missing.
    holes: Vec<(Range<u64>, u64)>,
    /// Records that stand too late, or once more.
    strays: Vec<(u64, u64)>,
    findings: Vec<Finding>,
    more: u64,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(key: &'a ChainKey, file: &str) -> Self {
        Self { key, check: FileCheck { file: file.to_owned(), ..FileCheck::default() } }
    }

    /// Takes the next line, without its end. Answers its number and code if it is ours.
    pub(crate) fn line(&mut self, line: &[u8]) -> Option<Head> {
        let check = &mut self.check;
        check.lines += 1;
        let at = check.lines;
        let link = match chain::open(self.key, line) {
            Ok(link) => link,
            Err(Strange(claimed)) => {
                remember(&mut check.strange, (claimed, at), &mut check.more);
                return None;
            }
        };
        check.records += 1;
        let strange = std::mem::take(&mut check.strange);
        match check.next {
            None => {
                // What stands before it is taken for what was written before it.
                let from = link.seq.saturating_sub(strange.len() as u64).max(1);
                check.first = Some((from, strange.is_empty().then_some(link.prev)));
                check.place(&strange, from..link.seq, at);
            }
            Some((next, _)) if link.seq < next => {
                check.strange = strange;
                remember(&mut check.strays, (link.seq, at), &mut check.more);
                return Some(Head { seq: link.seq, code: link.code });
            }
            Some((next, prev)) => {
                let alone = strange.is_empty() && link.seq == next;
                if alone && prev.is_some_and(|prev| prev != link.prev) {
                    check.find(FindingKind::Detached, link.seq..link.seq + 1, Some(at));
                }
                check.place(&strange, next..link.seq, at);
            }
        }
        check.next = Some((link.seq.saturating_add(1), Some(link.code)));
        Some(Head { seq: link.seq, code: link.code })
    }

    pub(crate) fn end(self) -> FileCheck {
        let mut check = self.check;
        if check.next.is_none()
            && let Some(first) = check.strange.iter().find_map(|(claimed, _)| *claimed)
        {
            // Nothing in the file is ours. What it claims says at least where it belongs.
            check.first = Some((first, None));
            check.next = Some((first, None));
        }
        check
    }
}

impl FileCheck {
    /// The name of the file.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The last record that is ours.
    pub(crate) fn last(&self) -> Option<Head> {
        let (next, code) = self.next?;
        Some(Head { seq: next.checked_sub(1)?, code: code? })
    }

    /// Whether nothing is wrong within the file.
    pub(crate) fn is_clean(&self) -> bool {
        self.strange.is_empty() && self.holes.is_empty() && self.strays.is_empty() && self.findings.is_empty()
    }

    fn find(&mut self, kind: FindingKind, records: Range<u64>, line: Option<u64>) {
        if self.findings.len() < MAX_PLACES {
            self.findings.push(finding(kind, records, &self.file, line));
        } else {
            self.more += 1;
        }
    }

    /// Has strange lines take the places of the records that have to be here. What stays free is missing.
    fn place(&mut self, strange: &[(Option<u64>, u64)], due: Range<u64>, before: u64) {
        let mut free = due;
        for (claimed, line) in strange {
            let seq = claimed.filter(|seq| free.contains(seq)).unwrap_or(free.start);
            if free.is_empty() {
                self.find(FindingKind::Inserted, seq..seq + 1, Some(*line));
                continue;
            }
            self.miss(free.start..seq, *line);
            self.find(FindingKind::Changed, seq..seq + 1, Some(*line));
            free.start = seq + 1;
        }
        self.miss(free, before);
    }

    fn miss(&mut self, records: Range<u64>, before: u64) {
        if !records.is_empty() {
            remember(&mut self.holes, (records, before), &mut self.more);
        }
    }
}

fn remember<T>(places: &mut Vec<T>, place: T, more: &mut u64) {
    if places.len() < MAX_PLACES {
        places.push(place);
    } else {
        *more += 1;
    }
}

/// What the files say together, the oldest first. `head` is the newest record that is known to have been
/// written; there may be newer ones.
pub(crate) fn join(files: Vec<FileCheck>, head: Head) -> Chain {
    read_on(files, (1, Some(Head::GENESIS.code)), head)
}

/// The same of the newest files alone: nothing is missed before them.
pub(crate) fn join_newest(files: Vec<FileCheck>, head: Head) -> Chain {
    let first = files.iter().find_map(|file| file.first).unwrap_or((1, None));
    read_on(files, first, head)
}

fn read_on(files: Vec<FileCheck>, (next, prev): (u64, Option<Code>), head: Head) -> Chain {
    let mut whole = Whole { next, prev, ..Whole::default() };
    let from_seq = files.iter().find_map(|file| file.first).map_or(0, |(seq, _)| seq);
    let newest = files.last().map_or_else(|| "audit.jsonl".to_owned(), |file| file.file.clone());
    let mut files = files.into_iter().peekable();
    while let Some(file) = files.next() {
        let end =
            files.peek().map_or(Some(head.seq.saturating_add(1)), |next| next.first.map(|(seq, _)| seq));
        whole.take(file, end);
    }
    let Whole { next, prev, .. } = whole;
    if next <= head.seq {
        whole.findings.push(finding(FindingKind::CutOff, next..head.seq + 1, &newest, None));
    } else if next == head.seq + 1 && prev.is_some_and(|prev| prev != head.code) {
        whole.findings.push(finding(FindingKind::Detached, head.seq..head.seq + 1, &newest, None));
    }
    whole.told(from_seq)
}

/// The files that were read so far, as one trail.
#[derive(Default)]
struct Whole {
    next: u64,
    prev: Option<Code>,
    records: u64,
    holes: Vec<(Range<u64>, String, u64)>,
    strays: Vec<(u64, String, u64)>,
    findings: Vec<Finding>,
    more: u64,
}

impl Whole {
    /// Takes the next file. `end` is the record with which the one after it begins, if that can be told.
    fn take(&mut self, mut file: FileCheck, end: Option<u64>) {
        if let Some((first, follows)) = file.first {
            let past = file.next.map_or(first, |(next, _)| next).max(first + 1);
            if first < self.next {
                file.find(FindingKind::Moved, first..past, None);
            } else if first == self.next
                && self.prev.zip(follows).is_some_and(|(prev, follows)| prev != follows)
            {
                file.find(FindingKind::Detached, first..past, Some(1));
            }
            file.miss(self.next..first, 1);
        }
        if let Some((next, prev)) = file.next.filter(|(next, _)| *next >= self.next) {
            (self.next, self.prev) = (next, prev);
        }
        let strange = std::mem::take(&mut file.strange);
        if !strange.is_empty() {
            let due = self.next..end.unwrap_or(self.next).max(self.next);
            file.place(&strange, due.clone(), file.lines + 1);
            (self.next, self.prev) = (due.end, None);
        }
        let name = &file.file;
        self.holes.extend(file.holes.into_iter().map(|(hole, line)| (hole, name.clone(), line)));
        self.strays.extend(file.strays.into_iter().map(|(seq, line)| (seq, name.clone(), line)));
        self.findings.append(&mut file.findings);
        self.records += file.records;
        self.more += file.more;
    }

    fn told(mut self, from_seq: u64) -> Chain {
        for (seq, file, line) in std::mem::take(&mut self.strays) {
            let kind = if self.fill(seq) { FindingKind::Moved } else { FindingKind::Repeated };
            self.findings.push(finding(kind, seq..seq + 1, &file, Some(line)));
        }
        for (hole, file, line) in self.holes {
            self.findings.push(finding(FindingKind::Missing, hole, &file, Some(line)));
        }
        self.findings.sort_by_key(|finding| finding.seq);
        let untold = self.findings.len().saturating_sub(MAX_FINDINGS);
        self.findings.truncate(MAX_FINDINGS);
        let more_problems = self.more + untold as u64;
        Chain {
            verified: self.findings.is_empty() && more_problems == 0,
            from_seq,
            to_seq: self.next - 1,
            records: self.records,
            problems: self.findings,
            more_problems,
        }
    }

    /// Takes a record that was found elsewhere out of its hole, if it is missing in one.
    fn fill(&mut self, seq: u64) -> bool {
        let Some(at) = self.holes.iter().position(|(hole, ..)| hole.contains(&seq)) else { return false };
        let (hole, file, line) = self.holes.swap_remove(at);
        for rest in [hole.start..seq, seq + 1..hole.end] {
            if !rest.is_empty() {
                self.holes.push((rest, file.clone(), line));
            }
        }
        true
    }
}

fn finding(kind: FindingKind, records: Range<u64>, file: &str, line: Option<u64>) -> Finding {
    let (seq, to_seq) = (records.start, records.end.saturating_sub(1).max(records.start));
    let what = if seq == to_seq { format!("record {seq}") } else { format!("records {seq} to {to_seq}") };
    let verb = |one: &'static str, many: &'static str| if seq == to_seq { one } else { many };
    let words = match kind {
        FindingKind::Changed => format!("{what} was changed"),
        FindingKind::Missing => format!("{what} {} missing", verb("is", "are")),
        FindingKind::Moved => format!("{what} {} not at the right place", verb("is", "are")),
        FindingKind::Repeated => format!("{what} is there once more"),
        FindingKind::Inserted => format!("a line was put in before {what}"),
        FindingKind::Detached => format!("{what} does not follow the record before it"),
        FindingKind::CutOff => format!("the end is cut off: {what} {} missing", verb("is", "are")),
    };
    let place = match (kind, line) {
        (FindingKind::Missing, Some(line)) => format!("{file}, before line {line}"),
        (_, Some(line)) => format!("{file}, line {line}"),
        (_, None) => file.to_owned(),
    };
    Finding { kind, seq, to_seq, file: file.to_owned(), line, detail: format!("{words} ({place})") }
}

#[cfg(test)]
mod tests;
