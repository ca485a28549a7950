//! Lines of a child's standard streams: one JSON-RPC message each (MCP, basic/transports/stdio).

use bytes::{Buf, Bytes, BytesMut};

/// Longest line that a child may write, in bytes, without its end.
pub(super) const MAX_LINE: usize = 16 * 1024 * 1024;

/// Bytes that are made room for at a time: every child has so much memory for good, and most say little.
const ROOM: usize = 16 * 1024;
/// The same within a long line.
const MORE_ROOM: usize = 64 * 1024;

/// What was found in a child's output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line without its end.
    Line(Bytes),
    /// A line of this many bytes or more that was longer than may be, and is gone.
    TooLong(usize),
}

/// Cuts a stream of bytes into lines. Holds at most one line and what was read with it.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Bytes at the beginning of the buffer in which there is no end of a line.
    searched: usize,
    /// Bytes of a line that is skipped.
    skipped: Option<usize>,
    max: usize,
}

impl Lines {
    pub(super) fn new(max: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, skipped: None, max }
    }

    /// Where the next bytes are to be read to.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(if self.buffer.len() < ROOM { ROOM } else { MORE_ROOM });
        &mut self.buffer
    }

    /// The next line, once it is there whole. Empty lines are none.
    pub(super) fn next(&mut self) -> Option<Piece> {
        loop {
            let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.wait();
                return None;
            };
            let mut line = self.buffer.split_to(self.searched + at);
            self.buffer.advance(1);
            self.searched = 0;
            if let Some(skipped) = self.skipped.take() {
                return Some(Piece::TooLong(skipped + line.len()));
            }
            if line.len() > self.max {
                return Some(Piece::TooLong(line.len()));
            }
            if line.ends_with(b"\r") {
                line.truncate(line.len() - 1);
            }
            if !line.is_empty() {
                return Some(Piece::Line(line.freeze()));
            }
        }
    }

    /// Keeps the begun line, unless it is too long already.
    fn wait(&mut self) {
        if self.skipped.is_some() || self.buffer.len() > self.max + 1 {
            *self.skipped.get_or_insert(0) += self.buffer.len();
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
    }
}

/// Adds the end of the line. Raw line ends inside are white space, since JSON allows none within strings.
pub(super) fn to_line(message: String) -> Bytes {
    let mut line = message.into_bytes();
    for byte in &mut line {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &[u8], sizes: &[usize], max: usize) -> Vec<Piece> {
        let (mut lines, mut found, mut rest) = (Lines::new(max), Vec::new(), text);
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
            lines.buffer().extend_from_slice(&rest[..size]);
            rest = &rest[size..];
            while let Some(piece) = lines.next() {
                found.push(piece);
            }
        }
        found
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(
            lines in prop::collection::vec("[a-z\\r]{0,12}", 0..8),
            sizes in prop::collection::vec(1usize..9, 1..6),
        ) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let expected: Vec<Piece> = lines
                .iter()
                .map(|line| if line.len() <= 8 { line.strip_suffix('\r').unwrap_or(line) } else { line })
                .filter(|line| !line.is_empty())
                .map(|line| match line.len() {
                    0..=8 => Piece::Line(Bytes::copy_from_slice(line.as_bytes())),
                    length => Piece::TooLong(length),
                })
                .collect();
            prop_assert_eq!(cut(text.as_bytes(), &sizes, 8), expected);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_longest_line() {
        let mut lines = Lines::new(1_000);
        for _ in 0..1_000 {
            lines.buffer().extend_from_slice(&[b'x'; 600]);
            assert_eq!(lines.next(), None);
            assert!(lines.buffer.len() <= 1_601);
        }
        lines.buffer().extend_from_slice(b"\n{}\n");
        assert_eq!(lines.next(), Some(Piece::TooLong(600_000)));
        assert_eq!(lines.next(), Some(Piece::Line(Bytes::from_static(b"{}"))));
    }

    #[test]
    fn a_message_over_several_lines_becomes_one_line_with_the_same_meaning() {
        let text = "{\n \"a\":\r\n [1,\n2] }".to_owned();
        let line = to_line(text.clone());
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let (before, after): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&text).unwrap(), serde_json::from_slice(&line).unwrap());
        assert_eq!(before, after);
    }
}
