//! Reading and changing single values of a JSON-RPC message where they stand.
//!
//! A message that passes through is never written anew from a model of it: that would lose what the model does not
//! know, the spelling of numbers, the order of keys. What has to be replaced is found by its place in the text, and
//! all else stays as it was, byte for byte.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A place in a text.
pub(super) type Span = Range<usize>;

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoMessage {
    /// It is no JSON.
    Malformed,
    /// It is JSON but no JSON-RPC 2.0 message.
    Invalid,
    /// It is a list, as a revision long ago allowed.
    Batch,
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    /// With a result, or with an error.
    Response,
}

/// The places of what matters in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) kind: Kind,
    /// The method of a request or notification.
    pub(super) method: String,
    /// The ids: more than one only if the sender repeats the member. The last one counts.
    pub(super) ids: Vec<Span>,
    pub(super) params: Option<Span>,
    pub(super) result: Option<Span>,
    pub(super) error: Option<Span>,
    /// A member that is there more than once, and that readers may therefore take for different values.
    pub(super) repeated: Option<&'static str>,
}

impl Outline {
    /// Reads a message.
    pub(super) fn of(text: &str) -> Result<Self, NoMessage> {
        let all = 0..text.len();
        let Some(members) = members(text, &all) else {
            let json = serde_json::from_str::<&RawValue>(text);
            return Err(match json.map(|value| value.get().as_bytes().first().copied()) {
                Ok(Some(b'[')) => NoMessage::Batch,
                Ok(_) => NoMessage::Invalid,
                Err(_) => NoMessage::Malformed,
            });
        };
        let mut found = Found::default();
        for (key, span) in members {
            found.take(&key, span);
        }
        found.outline(text)
    }

    /// The id as it is spelled.
    pub(super) fn id<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.ids.last().map(|span| &text[span.clone()])
    }
}

#[derive(Default)]
struct Found {
    version: Option<Span>,
    method: Option<Span>,
    ids: Vec<Span>,
    params: Option<Span>,
    result: Option<Span>,
    error: Option<Span>,
    repeated: Option<&'static str>,
}

impl Found {
    fn take(&mut self, key: &[u8], span: Span) {
        let (name, place) = match key {
            b"jsonrpc" => ("jsonrpc", &mut self.version),
            b"method" => ("method", &mut self.method),
            b"params" => ("params", &mut self.params),
            b"result" => ("result", &mut self.result),
            b"error" => ("error", &mut self.error),
            b"id" => {
                if !self.ids.is_empty() {
                    self.repeated = Some("id");
                }
                self.ids.push(span);
                return;
            }
            _ => return,
        };
        if place.replace(span).is_some() {
            self.repeated = Some(name);
        }
    }

    fn outline(self, text: &str) -> Result<Outline, NoMessage> {
        let Self { version, method, ids, params, result, error, repeated } = self;
        if version.and_then(|span| string(text, &span)).is_none_or(|version| version != "2.0") {
            return Err(NoMessage::Invalid);
        }
        let kind = match (&method, ids.is_empty(), result.is_some() || error.is_some()) {
            (Some(_), false, false) => Kind::Request,
            (Some(_), true, false) => Kind::Notification,
            (None, false, true) => Kind::Response,
            _ => return Err(NoMessage::Invalid),
        };
        let method = match method {
            Some(span) => string(text, &span).ok_or(NoMessage::Invalid)?,
            None => String::new(),
        };
        Ok(Outline { kind, method, ids, params, result, error, repeated })
    }
}

/// The members of the object at this place in their order, repeated ones too; `None` if there is no object.
pub(super) fn members<'a>(text: &'a str, within: &Span) -> Option<Vec<(Cow<'a, [u8]>, Span)>> {
    let Members(members) = serde_json::from_str(text.get(within.clone())?).ok()?;
    let begin = text.as_ptr().addr();
    let place = |value: &RawValue| {
        let from = value.get().as_ptr().addr() - begin;
        from..from + value.get().len()
    };
    Some(members.into_iter().map(|(Key(key), value)| (key, place(value))).collect())
}

/// Every member of this name of the object at this place.
pub(super) fn every(text: &str, within: &Span, name: &str) -> Vec<Span> {
    let members = members(text, within).unwrap_or_default();
    members.into_iter().filter(|(key, _)| **key == *name.as_bytes()).map(|(_, span)| span).collect()
}

/// The member of this name; the last one if it is repeated, as most readers have it.
pub(super) fn member(text: &str, within: &Span, name: &str) -> Option<Span> {
    every(text, within, name).pop()
}

/// The value at the end of a path of names.
pub(super) fn at(text: &str, within: &Span, path: &[&str]) -> Option<Span> {
    path.iter().try_fold(within.clone(), |within, name| member(text, &within, name))
}

/// The string at this place.
pub(super) fn string(text: &str, span: &Span) -> Option<String> {
    serde_json::from_str(&text[span.clone()]).ok()
}

/// Whether this is the spelling of an id that the protocol allows: a string or an integer, never null.
pub(super) fn is_id(spelled: &str) -> bool {
    match spelled.as_bytes().first() {
        Some(b'"') => true,
        Some(b'-' | b'0'..=b'9') => !spelled.contains(['.', 'e', 'E']),
        _ => false,
    }
}

/// The text with other words at these places, and everything between them as it was.
pub(super) fn replaced(text: &str, mut edits: Vec<(Span, String)>) -> String {
    edits.sort_by_key(|(span, _)| span.start);
    let added: usize = edits.iter().map(|(_, words)| words.len()).sum();
    let mut whole = String::with_capacity(text.len() + added);
    let mut done = 0;
    for (span, words) in edits {
        whole.push_str(&text[done..span.start]);
        whole.push_str(&words);
        done = span.end;
    }
    whole.push_str(&text[done..]);
    whole
}

struct Members<'a>(Vec<(Key<'a>, &'a RawValue)>);

/// The name of a member. Bytes, because JSON allows names that are no Unicode text.
struct Key<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Key<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Cow<'de, [u8]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(name))
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(name.as_bytes()))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(name.to_vec()))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(name.as_bytes().to_vec()))
            }
        }
        deserializer.deserialize_bytes(Name).map(Key)
    }
}

#[cfg(test)]
mod tests;
