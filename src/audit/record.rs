//! What a record says and how it becomes text.
//!
//! The text is JSON in printable ASCII: whatever else a name or an id holds is escaped, so that no record can
//! end a line, move a cursor or turn the direction of writing.

use std::io;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::audit::{Actor, ActorKind, AuditRecord, AuditResult, Object};

/// Longest line with its codes and its end, in bytes.
pub(crate) const MAX_LINE: usize = 16 * 1_024;
/// What the codes and the end of a line take, generously.
const CODES: usize = 256;
/// Longest id or name of an object, in characters.
const MAX_ID: usize = 128;

/// A record that has no number yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The request it is about.
    pub request_id: Option<Uuid>,
    /// Who does it.
    pub actor: Actor,
    /// What is done, such as `credential.create`.
    pub action: String,
    /// To what.
    pub object: Option<Object>,
    /// What came of it.
    pub result: AuditResult,
    /// More about it, and no secret.
    pub detail: Map<String, Value>,
}

impl Entry {
    /// An entry about something that was done by `actor`.
    #[must_use]
    pub fn new(actor: Actor, action: impl Into<String>, result: AuditResult) -> Self {
        Self { request_id: None, actor, action: action.into(), object: None, result, detail: Map::new() }
    }

    /// An entry about something that the daemon did by itself.
    #[must_use]
    pub fn by_daemon(action: &str, result: AuditResult) -> Self {
        Self::new(Actor::daemon(None), action, result)
    }

    /// The same about this object. An id is cut to 128 characters.
    #[must_use]
    pub fn about(mut self, kind: &str, id: Option<&str>) -> Self {
        self.object =
            Some(Object { kind: kind.to_owned(), id: id.map(|id| id.chars().take(MAX_ID).collect()) });
        self
    }

    /// The same with one more thing to know.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// The record with this number.
    pub(crate) fn numbered(self, seq: u64, at: DateTime<Utc>) -> AuditRecord {
        let Self { request_id, actor, action, object, result, detail } = self;
        AuditRecord { seq, at, request_id, actor, action, object, result, detail }
    }
}

impl Actor {
    /// The daemon by itself, or on behalf of a user.
    #[must_use]
    pub fn daemon(user_id: Option<Uuid>) -> Self {
        Self { kind: ActorKind::Daemon, user_id, token_id: None, address: None }
    }

    /// Somebody who did not show who they are.
    #[must_use]
    pub fn nobody(address: IpAddr) -> Self {
        Self { kind: ActorKind::Nobody, user_id: None, token_id: None, address: Some(address.to_string()) }
    }

    /// The holder of an instance's access token.
    #[must_use]
    pub fn instance_token(owner: Option<Uuid>, address: IpAddr) -> Self {
        Self { kind: ActorKind::InstanceToken, user_id: owner, ..Self::nobody(address) }
    }

    /// A user with the token they have shown, if it is one of ours.
    #[must_use]
    pub fn user(user_id: Uuid, token_id: Option<Uuid>, address: IpAddr) -> Self {
        Self { kind: ActorKind::User, user_id: Some(user_id), token_id, ..Self::nobody(address) }
    }
}

/// The record as JSON on one line without its end, short enough to leave room for its codes.
pub(crate) fn text(record: &AuditRecord) -> Vec<u8> {
    let whole = ascii(record);
    if whole.len() + CODES <= MAX_LINE {
        return whole;
    }
    let note = format!("left out: the record had {} bytes", whole.len());
    let mut detail = Map::new();
    detail.insert("detail".into(), note.into());
    ascii(&AuditRecord { detail, ..record.clone() })
}

fn ascii(record: &AuditRecord) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut text, Ascii);
    record.serialize(&mut serializer).expect("a record is plain data and memory takes it");
    text
}

/// Compact JSON that escapes everything outside printable ASCII.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = CompactFormatter;
        for part in fragment.split_inclusive(is_strange) {
            let strange = part.chars().next_back().filter(|last| is_strange(*last));
            let harmless = &part[..part.len() - strange.map_or(0, char::len_utf8)];
            plain.write_string_fragment(writer, harmless)?;
            for unit in strange.iter().flat_map(|strange| strange.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

fn is_strange(character: char) -> bool {
    !(' '..='~').contains(&character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(name: &str) -> AuditRecord {
        Entry::new(Actor::nobody([127, 0, 0, 1].into()), "type.delete", AuditResult::Begun)
            .about("type", Some(name))
            .with("words", name)
            .numbered(7, Utc::now())
    }

    proptest! {
        #[test]
        fn any_name_is_one_line_of_printable_ascii_and_reads_back(name in any::<String>()) {
            let record = record(&name);
            let text = text(&record);
            prop_assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(serde_json::from_slice::<AuditRecord>(&text).unwrap(), record);
        }
    }

    #[test]
    fn line_ends_escape_codes_and_turned_text_cannot_forge_a_line() {
        for name in
            ["a\n{\"seq\":8}", "\u{1b}[2J", "\u{202e}nimda", "\u{9b}31m", "\r\n", "\u{2028}", "\u{7f}"]
        {
            let text = text(&record(name));
            assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)), "{name:?}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_keeps_who_did_what_and_says_that_something_is_left_out() {
        let mut long = record(&"\u{1f600}".repeat(20_000));
        long.detail.insert("more".into(), json!("x".repeat(20_000)));
        let text = text(&long);
        assert!(text.len() + CODES <= MAX_LINE, "{}", text.len());
        let read: AuditRecord = serde_json::from_slice(&text).unwrap();
        assert_eq!((read.seq, read.action.as_str(), &read.actor), (7, "type.delete", &long.actor));
        assert!(read.detail["detail"].as_str().unwrap().starts_with("left out"));
    }
}
