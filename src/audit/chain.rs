//! The chain: each line carries the code of the line before it and a code over itself. Pure.
//!
//! ```text
//! {"seq":2,...,"prev":"<code of line 1>","mac":"<HMAC-SHA-256 over all that stands before ,"mac">"}
//! ```
//! What is covered are the bytes as they stand in the file. A code is 32 bytes in base64url.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::record;
use crate::api::audit::AuditRecord;

const MARK: &str = ",\"mac\":\"";
/// Characters of a code.
const CODE_LENGTH: usize = 43;
/// Numbers that are believed without a code; more than can ever be written, and far from the end of their type.
const MAX_SEQ: u64 = 1 << 62;
/// From the mark to the end of the object.
const SUFFIX: usize = MARK.len() + CODE_LENGTH + 2;

/// The key of the codes.
pub(crate) struct ChainKey(Zeroizing<[u8; 32]>);

/// The code of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; 32]);

/// The number and the code of the last record of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 while there is none.
    pub seq: u64,
    /// Its code.
    pub code: Code,
}

/// A line that we have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) seq: u64,
    pub(crate) prev: Code,
    pub(crate) code: Code,
}

/// A line that is not as we have written it, with the number that it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strange(pub(crate) Option<u64>);

impl Head {
    /// Before the first record.
    pub const GENESIS: Self = Self { seq: 0, code: Code([0; 32]) };

    /// As it is kept: the number, big-endian, then the code.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..].copy_from_slice(&self.code.0);
        bytes
    }

    /// From what [`Self::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, code) = bytes.split_first_chunk()?;
        let seq = Some(u64::from_be_bytes(*seq)).filter(|seq| *seq < MAX_SEQ)?;
        Some(Self { seq, code: Code(code.try_into().ok()?) })
    }
}

impl Code {
    fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl ChainKey {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    fn mac(&self, text: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        mac.update(text);
        mac
    }

    /// A mark that is the same for the same secret and tells nothing about it: 16 characters.
    pub(crate) fn mark(&self, secret: &[u8]) -> String {
        let mut mac = self.mac(b"minimcp/mark/1");
        mac.update(secret);
        let code: [u8; 32] = mac.finalize().into_bytes().into();
        URL_SAFE_NO_PAD.encode(&code[..12])
    }
}

/// The line of a record that follows `prev`, with its end, and its own code.
pub(crate) fn seal(key: &ChainKey, record: &AuditRecord, prev: Code) -> (Vec<u8>, Code) {
    let mut line = record::text(record);
    line.pop();
    line.extend_from_slice(format!(",\"prev\":\"{}\"", prev.text()).as_bytes());
    let code = Code(key.mac(&line).finalize().into_bytes().into());
    line.extend_from_slice(format!("{MARK}{}\"}}\n", code.text()).as_bytes());
    (line, code)
}

/// Reads a line without its end.
///
/// # Errors
/// [`Strange`] if its code is not right.
pub(crate) fn open(key: &ChainKey, line: &[u8]) -> Result<Link, Strange> {
    #[derive(Deserialize)]
    struct Place {
        seq: u64,
        prev: String,
    }
    let place = serde_json::from_slice::<Place>(line).ok();
    let strange = Strange(place.as_ref().map(|place| place.seq).filter(|seq| *seq < MAX_SEQ));
    let (covered, suffix) = line.split_at_checked(line.len().saturating_sub(SUFFIX)).ok_or(strange)?;
    let code = suffix.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_suffix(b"\"}"));
    let code = code.and_then(Code::parse).ok_or(strange)?;
    key.mac(covered).verify_slice(&code.0).map_err(|_| strange)?;
    let place = place.ok_or(strange)?;
    let prev = Code::parse(place.prev).ok_or(strange)?;
    Ok(Link { seq: place.seq, prev, code })
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::Utc;
    use proptest::prelude::*;

    use super::*;
    use crate::api::audit::AuditResult;
    use crate::audit::Entry;

    pub(crate) fn key(byte: u8) -> ChainKey {
        ChainKey::new(Zeroizing::new([byte; 32]))
    }

    /// The lines of this many records, each with its end.
    pub(crate) fn lines(count: u64) -> Vec<Vec<u8>> {
        let mut prev = Head::GENESIS.code;
        let next = |seq| {
            let entry = Entry::by_daemon("test", AuditResult::Done).with("n", seq);
            let (line, code) = seal(&key(1), &entry.numbered(seq, Utc::now()), prev);
            prev = code;
            line
        };
        (1..=count).map(next).collect()
    }

    #[test]
    fn a_line_reads_back_under_its_key_only() {
        let lines = lines(2);
        let first = open(&key(1), lines[0].trim_ascii_end()).unwrap();
        let second = open(&key(1), lines[1].trim_ascii_end()).unwrap();
        assert_eq!((first.seq, first.prev), (1, Head::GENESIS.code));
        assert_eq!((second.seq, second.prev), (2, first.code));
        assert_eq!(open(&key(2), lines[0].trim_ascii_end()), Err(Strange(Some(1))));
        for nothing in [&b""[..], b"{}", b"{\"seq\":1}", &[0xff; 100]] {
            assert!(open(&key(1), nothing).is_err());
        }
    }

    #[test]
    fn a_head_is_kept_and_read_back() {
        let head = Head { seq: 7, code: Code([3; 32]) };
        assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        assert_eq!(Head::from_bytes(&head.to_bytes()[1..]), None);
        let absurd = Head { seq: u64::MAX, ..head };
        assert_eq!(Head::from_bytes(&absurd.to_bytes()), None);
    }

    #[test]
    fn a_mark_tells_secrets_apart_and_depends_on_the_key() {
        assert_eq!(key(1).mark(b"a"), key(1).mark(b"a"));
        assert_ne!(key(1).mark(b"a"), key(1).mark(b"b"));
        assert_ne!(key(1).mark(b"a"), key(2).mark(b"a"));
    }

    proptest! {
        #[test]
        fn no_flipped_bit_goes_unseen(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let line = lines(1).remove(0);
            let mut flipped = line.trim_ascii_end().to_vec();
            let at = at.index(flipped.len());
            flipped[at] ^= 1_u8 << bit;
            prop_assert!(open(&key(1), &flipped).is_err());
        }
    }
}
