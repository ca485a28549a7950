//! Where the body of an answer ends (RFC 9112, sections 6 and 7). Pure: bytes in, bytes out.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes that a chunked body may spend on anything but data: sizes, extensions and trailers.
const MAX_OVERHEAD: u32 = 1 << 20;

/// Smaller pieces are copied, so that the buffer they came in can be used again.
const COPIED: usize = 4 * 1_024;

/// How a body says where it ends, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many bytes more.
    Length(u64),
    /// With a chunk of no bytes.
    Chunked(Chunks),
    /// With the connection.
    Close,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Some of it.
    Data(Bytes),
    /// That is for the next read to say.
    More,
    /// Nothing: it was whole.
    End,
}

/// The bytes are no chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not framed as its head says")]
pub(super) struct Malformed;

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    place: Place,
    overhead: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a size, of which this many digits make this number.
    Size(u64, u8),
    /// Behind a size, up to the end of its line.
    Extension(u64),
    /// Before the line feed behind a size.
    SizeEnd(u64),
    /// In the data, with so much to come.
    Data(u64),
    /// Before the end of line behind the data.
    DataReturn,
    DataEnd,
    /// At the begin of a line after the last chunk.
    Trailer,
    /// In such a line.
    InTrailer,
    /// Before the last line feed.
    LastEnd,
    Done,
}

impl Framing {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks { place: Place::Size(0, 0), overhead: 0 })
    }

    /// Whether nothing more will come.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.place == Place::Done,
            Self::Close => false,
        }
    }

    /// Takes what can be taken from what was read.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes are no chunked body.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Step, Malformed> {
        match self {
            Self::Length(0) => Ok(Step::End),
            Self::Chunked(chunks) => chunks.next(read),
            Self::Length(_) | Self::Close if read.is_empty() => Ok(Step::More),
            Self::Length(left) => Ok(Step::Data(take(read, left))),
            Self::Close => {
                let mut endless = u64::MAX;
                Ok(Step::Data(take(read, &mut endless)))
            }
        }
    }
}

impl Chunks {
    fn next(&mut self, read: &mut BytesMut) -> Result<Step, Malformed> {
        loop {
            if self.place == Place::Done {
                return Ok(Step::End);
            }
            if let Place::Data(left) = &mut self.place {
                if *left == 0 {
                    self.place = Place::DataReturn;
                    continue;
                }
                if read.is_empty() {
                    return Ok(Step::More);
                }
                return Ok(Step::Data(take(read, left)));
            }
            if read.is_empty() {
                return Ok(Step::More);
            }
            self.place = self.place.after(read.get_u8())?;
            if !matches!(self.place, Place::DataReturn | Place::DataEnd) {
                self.overhead += 1;
            }
            if matches!(self.place, Place::Data(_)) {
                // A body in many small chunks is no abuse; one line after the other that is no data is.
                self.overhead = 0;
            }
            if self.overhead > MAX_OVERHEAD {
                return Err(Malformed);
            }
        }
    }
}

impl Place {
    /// The place behind a byte that is no data.
    fn after(self, byte: u8) -> Result<Self, Malformed> {
        match (self, byte) {
            (Self::Size(size, digits), digit) if digit.is_ascii_hexdigit() => {
                let value = char::from(digit).to_digit(16).map_or(0, u64::from);
                if digits == 16 {
                    return Err(Malformed);
                }
                Ok(Self::Size(size << 4 | value, digits + 1))
            }
            (Self::Size(_, 0), _) => Err(Malformed),
            (Self::Size(size, _), b'\r') | (Self::Extension(size), b'\r') => Ok(Self::SizeEnd(size)),
            (Self::Size(size, _), b';' | b' ' | b'\t') => Ok(Self::Extension(size)),
            (Self::Extension(size), other) if other != b'\n' => Ok(Self::Extension(size)),
            (Self::SizeEnd(0), b'\n') => Ok(Self::Trailer),
            (Self::SizeEnd(size), b'\n') => Ok(Self::Data(size)),
            (Self::DataReturn, b'\r') => Ok(Self::DataEnd),
            (Self::DataEnd, b'\n') => Ok(Self::Size(0, 0)),
            (Self::Trailer, b'\r') => Ok(Self::LastEnd),
            (Self::LastEnd, b'\n') => Ok(Self::Done),
            (Self::InTrailer, b'\n') => Ok(Self::Trailer),
            (Self::Trailer | Self::InTrailer, other) if other != b'\n' => Ok(Self::InTrailer),
            _ => Err(Malformed),
        }
    }
}

/// At most `left` bytes of what was read, which are taken off `left`.
fn take(read: &mut BytesMut, left: &mut u64) -> Bytes {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
    *left -= count as u64;
    if count <= COPIED {
        let data = Bytes::copy_from_slice(&read[..count]);
        read.advance(count);
        return data;
    }
    read.split_to(count).freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data, whether it came to its end, and what was left.
    fn read(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), Malformed> {
        let (mut data, mut buffer) = (Vec::new(), BytesMut::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match framing.next(&mut buffer)? {
                    Step::Data(some) => data.extend_from_slice(&some),
                    Step::More => break,
                    Step::End => return Ok((data, true, buffer.to_vec())),
                }
            }
        }
        Ok((data, framing.is_done(), buffer.to_vec()))
    }

    #[test]
    fn a_length_a_chunk_of_nothing_or_the_connection_ends_a_body() {
        assert_eq!(read(Framing::Length(3), &[b"ab", b"cde"]), Ok((b"abc".to_vec(), true, b"de".to_vec())));
        assert_eq!(read(Framing::Length(0), &[b""]), Ok((vec![], true, vec![])));
        assert_eq!(read(Framing::Close, &[b"ab", b"c"]), Ok((b"abc".to_vec(), false, vec![])));
        let chunked = b"5;ext=\"a b\"\r\nhello\r\n001\r\n!\r\n0\r\nTrailer: x\r\n\r\nnext";
        let whole = Ok((b"hello!".to_vec(), true, b"next".to_vec()));
        assert_eq!(read(Framing::chunked(), &[chunked]), whole);
        let bytes: Vec<&[u8]> = chunked.chunks(1).collect();
        assert_eq!(
            read(Framing::chunked(), &bytes).map(|(data, done, _)| (data, done)),
            Ok((b"hello!".to_vec(), true))
        );
    }

    #[test]
    fn what_is_no_chunked_body_is_refused() {
        for wrong in [
            &b"\r\n"[..],
            b"x\r\n",
            b";\r\n",
            b"-1\r\n",
            b"1\na\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"11111111111111111\r\n",
            b"1;a\nb\r\n",
            b"0\r\n\n",
            b"0\r\n\r\r",
        ] {
            assert_eq!(
                read(Framing::chunked(), &[wrong]),
                Err(Malformed),
                "{:?}",
                String::from_utf8_lossy(wrong)
            );
        }
        let endless = vec![b'a'; MAX_OVERHEAD as usize + 8];
        assert_eq!(read(Framing::chunked(), &[b"0\r\n", &endless]), Err(Malformed), "an endless trailer");
    }

    proptest! {
        #[test]
        fn any_chunks_in_any_pieces_are_the_same_bytes(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9_000), 0..6),
            cuts in prop::collection::vec(1_usize..5_000, 1..40),
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let mut pieces = Vec::new();
            let mut rest = &wire[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(read(Framing::chunked(), &pieces), Ok((chunks.concat(), true, vec![])));
        }
    }
}
