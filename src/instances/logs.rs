//! The log files of an instance: their last lines, and the lines that are added.

mod filter;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::archive::files;
use crate::catalog::plan::output_of;

pub(crate) use filter::{Filter, Level};

/// Bytes read from the end of a file at most.
const TAIL_BYTES: u64 = 1 << 20;
/// The same where only some lines are wanted: a whole file, before it is rotated.
const SEARCHED_BYTES: u64 = 12 << 20;
/// Bytes of the lines of an archive that are shown at most.
const SHOWN_BYTES: usize = 1 << 20;
/// Bytes of one line that are shown.
const LINE_BYTES: usize = 16 * 1_024;
/// Bytes read in one step of following.
const STEP: usize = 64 * 1_024;

/// One of the log files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    App,
    Error,
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) const ALL: [Self; 4] = [Self::App, Self::Error, Self::Stdout, Self::Stderr];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Error => "error",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.as_str() == name)
    }

    fn file(self, directory: &Path) -> PathBuf {
        let directory = match self {
            Self::App | Self::Error => directory.to_owned(),
            Self::Stdout | Self::Stderr => output_of(directory),
        };
        directory.join(format!("{}.log", self.as_str()))
    }
}

/// The last lines of a log file and a follower that goes on behind them. A file that is not there has none.
pub(crate) async fn tail(
    directory: &Path,
    stream: Stream,
    lines: usize,
    filter: &Filter,
) -> io::Result<(Vec<String>, Follower)> {
    let mut follower = Follower { path: stream.file(directory), file: None, partial: Vec::new() };
    if !follower.open().await? {
        return Ok((Vec::new(), follower));
    }
    let Some((file, _)) = &mut follower.file else { return Ok((Vec::new(), follower)) };
    let length = file.metadata().await?.len();
    let from = length.saturating_sub(if filter.is_open() { TAIL_BYTES } else { SEARCHED_BYTES });
    file.seek(SeekFrom::Start(from)).await?;
    let mut bytes = Vec::new();
    file.take(length - from).read_to_end(&mut bytes).await?;
    if from > 0 {
        // The first line was cut.
        let begin = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..begin);
    }
    let mut last = VecDeque::new();
    follower.feed(&bytes, |line| {
        if lines == 0 || !filter.takes(&line) {
            return;
        }
        if last.len() == lines {
            last.pop_front();
        }
        last.push_back(line);
    });
    Ok((last.into(), follower))
}

/// The last lines of a log file that was put away. Blocks.
pub(crate) fn archived(
    archive: &Path,
    stream: Stream,
    lines: usize,
    filter: &Filter,
) -> io::Result<Vec<String>> {
    let Some(file) = files::read(archive, &format!("{}.log", stream.as_str()))? else {
        return Ok(Vec::new());
    };
    let mut reader = BufReader::new(file);
    let (mut last, mut held) = (VecDeque::new(), 0);
    let mut line = Vec::new();
    while reader.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut line)? > 0 {
        if !line.ends_with(b"\n") {
            skip_line(&mut reader)?;
        }
        let text = printable(&line);
        line.clear();
        if lines == 0 || !filter.takes(&text) {
            continue;
        }
        held += text.len();
        last.push_back(text);
        while last.len() > lines || held > SHOWN_BYTES && last.len() > 1 {
            held -= last.pop_front().map_or(0, |text: String| text.len());
        }
    }
    Ok(last.into())
}

/// Reads on to the end of a line that is too long to be shown whole.
fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let read = reader.fill_buf()?;
        let (used, done) = match read.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (read.len(), read.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// Reads what is added to a log file, also when the file is replaced by a new one.
#[derive(Debug)]
pub(crate) struct Follower {
    path: PathBuf,
    /// The file and its inode.
    file: Option<(File, u64)>,
    partial: Vec<u8>,
}

impl Follower {
    async fn open(&mut self) -> io::Result<bool> {
        // The server may have put anything there: a link to a file that only the daemon may read, or a pipe that
        // nobody writes to.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        match OpenOptions::new().read(true).custom_flags(flags).open(&self.path).await {
            Ok(file) => {
                let seen = file.metadata().await?;
                if !seen.is_file() || seen.nlink() > 1 {
                    return Ok(false);
                }
                let inode = seen.ino();
                self.file = Some((file, inode));
                self.partial.clear();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lines that were added since the last call.
    pub(crate) async fn more(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        if self.file.is_none() && !self.open().await? {
            return Ok(lines);
        }
        self.read_on(&mut lines).await?;
        if self.was_replaced().await? && self.open().await? {
            self.read_on(&mut lines).await?;
        }
        Ok(lines)
    }

    async fn read_on(&mut self, lines: &mut Vec<String>) -> io::Result<()> {
        let Some((file, _)) = &mut self.file else { return Ok(()) };
        if file.stream_position().await? > file.metadata().await?.len() {
            // It was cut short in place.
            file.seek(SeekFrom::Start(0)).await?;
        }
        let mut bytes = Vec::new();
        file.take(STEP as u64).read_to_end(&mut bytes).await?;
        self.feed(&bytes, |line| lines.push(line));
        Ok(())
    }

    /// Whether the path leads to another file now and this one has been read to its end.
    async fn was_replaced(&mut self) -> io::Result<bool> {
        let Some((file, inode)) = &mut self.file else { return Ok(false) };
        let at_end = file.stream_position().await? >= file.metadata().await?.len();
        match tokio::fs::symlink_metadata(&self.path).await {
            Ok(present) => Ok(at_end && present.ino() != *inode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Cuts bytes into lines; what comes after the last newline waits for the rest of its line.
    fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                line(printable(&self.partial));
                self.partial.clear();
            }
        }
    }
}

/// A line without what would steer a terminal.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const ALL: Filter = Filter { grep: None, level: None };

    #[tokio::test]
    async fn the_last_lines_come_first_and_then_what_is_added_even_to_a_new_file() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("logs");
        std::fs::create_dir(output_of(&directory)).unwrap();
        let path = output_of(&directory).join("stderr.log");
        let (lines, mut absent) = tail(&directory, Stream::Stderr, 5, &ALL).await.unwrap();
        assert!(lines.is_empty() && absent.more().await.unwrap().is_empty());

        std::fs::write(&path, "one\ntwo\nthree\r\nhal").unwrap();
        assert_eq!(absent.more().await.unwrap(), ["one", "two", "three"], "it has come to be");
        let (lines, mut follower) = tail(&directory, Stream::Stderr, 2, &ALL).await.unwrap();
        assert_eq!(lines, ["two", "three"]);

        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        write!(file, "f\nfour\x1b[31m\n").unwrap();
        assert_eq!(follower.more().await.unwrap(), ["half", "four\u{fffd}[31m"]);

        writeln!(file, "last of the old").unwrap();
        std::fs::rename(&path, path.with_extension("log.1")).unwrap();
        std::fs::write(&path, "first of the new\n").unwrap();
        assert_eq!(follower.more().await.unwrap(), ["last of the old", "first of the new"]);

        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"anew\n").unwrap();
        assert_eq!(follower.more().await.unwrap(), ["anew"]);
    }

    #[tokio::test]
    async fn what_a_server_puts_in_the_place_of_its_log_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "secret\n").unwrap();
        let log = directory.path().join("app.log");
        std::os::unix::fs::symlink(&secret, &log).unwrap();
        assert!(tail(directory.path(), Stream::App, 10, &ALL).await.unwrap().0.is_empty(), "a link");
        std::fs::remove_file(&log).unwrap();
        std::fs::hard_link(&secret, &log).unwrap();
        assert!(
            tail(directory.path(), Stream::App, 10, &ALL).await.unwrap().0.is_empty(),
            "another name of a file"
        );
        std::fs::remove_file(&log).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &log, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(
            tail(directory.path(), Stream::App, 10, &ALL).await.unwrap().0.is_empty(),
            "a pipe that nobody writes to"
        );
    }

    #[tokio::test]
    async fn long_lines_are_cut_and_no_line_is_wanted_when_none_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let long = "x".repeat(LINE_BYTES * 3);
        std::fs::write(directory.path().join("app.log"), format!("{long}\nend\n")).unwrap();
        let (lines, _) = tail(directory.path(), Stream::App, 10, &ALL).await.unwrap();
        assert_eq!(lines[0].len(), LINE_BYTES);
        assert_eq!(lines[1], "end");
        assert!(tail(directory.path(), Stream::App, 0, &ALL).await.unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn of_what_is_wanted_the_last_lines_are_found_in_live_and_in_archived_logs() {
        let scratch = tempfile::tempdir().unwrap();
        let (live, archive) = (scratch.path().join("live"), scratch.path().join("user/archive"));
        for directory in [live.clone(), output_of(&live)] {
            std::fs::create_dir(directory).unwrap();
        }
        let long = "y".repeat(LINE_BYTES + 5);
        let lines: String = (0..100_000)
            .map(|n| format!("line {n} {}\n", if n % 1_000 == 7 { "seven" } else { "" }))
            .collect();
        std::fs::write(output_of(&live).join("stdout.log"), format!("{lines}{long}\nhal")).unwrap();
        let seven = Filter { grep: Some("seven".into()), level: None };
        let wanted = ["line 98007 seven", "line 99007 seven"];
        assert_eq!(tail(&live, Stream::Stdout, 2, &seven).await.unwrap().0, wanted);
        files::put_away(&live, &archive).unwrap();
        assert_eq!(archived(&archive, Stream::Stdout, 2, &seven).unwrap(), wanted);
        let last = archived(&archive, Stream::Stdout, 3, &ALL).unwrap();
        assert_eq!((last[0].as_str(), last[1].len(), last[2].as_str()), ("line 99999 ", LINE_BYTES, "hal"));
        assert!(archived(&archive, Stream::App, 3, &ALL).unwrap().is_empty());
        assert!(archived(&archive, Stream::Stdout, 0, &ALL).unwrap().is_empty());
        let all: usize =
            archived(&archive, Stream::Stdout, 1 << 20, &ALL).unwrap().iter().map(String::len).sum();
        assert!(all <= SHOWN_BYTES, "{all}");
    }

    #[tokio::test]
    async fn a_link_that_a_server_put_in_the_place_of_its_log_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let secret = scratch.path().join("secret");
        std::fs::write(&secret, "CANARY\n").unwrap();
        let live = scratch.path().join("live");
        for directory in [live.clone(), output_of(&live)] {
            std::fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::symlink(&secret, live.join("app.log")).unwrap();
        std::fs::hard_link(&secret, live.join("error.log")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, output_of(&live).join("stdout.log"), rustix::fs::Mode::RUSR)
            .unwrap();
        for stream in [Stream::App, Stream::Error, Stream::Stdout] {
            let (lines, mut follower) = tail(&live, stream, 5, &ALL).await.unwrap();
            assert!(lines.is_empty() && follower.more().await.unwrap().is_empty(), "{stream:?}: {lines:?}");
        }
    }
}
