//! What a request has to be before a child sees it: the rules for servers of Streamable HTTP, in both eras.
//!
//! Whatever is wrong is refused with the status and the code that the specification names (2026-07-28,
//! basic/transports/streamable-http), so that clients of both eras choose right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};

use super::era::{CAPABILITIES, LEGACY, VERSION};
use super::rpc::{self, Refusal};
use super::splice::{self, Kind, NoMessage, Outline};
use crate::http::sole;

/// A message of a client.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) outline: Outline,
}

impl Message {
    /// Its id, as it was spelled.
    pub(super) fn id(&self) -> Option<&str> {
        self.outline.id(&self.text)
    }

    /// A member of its params, if it is a string.
    pub(super) fn param(&self, path: &[&str]) -> Option<String> {
        let params = self.outline.params.as_ref()?;
        splice::at(&self.text, params, path).and_then(|span| splice::string(&self.text, &span))
    }
}

/// The era that a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Modern,
    Legacy,
}

/// Reads the body of a POST.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Message, Refusal> {
    if !is_json(headers) {
        let words = "send JSON with `Content-Type: application/json`";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, rpc::INVALID_REQUEST, words));
    }
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        let words = "send `Accept: application/json, text/event-stream`";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, rpc::INVALID_REQUEST, words));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Refusal::bad(rpc::PARSE_ERROR, "the body is no UTF-8"))?
        .to_owned();
    let outline = Outline::of(&text).map_err(|no_message| match no_message {
        NoMessage::Malformed => Refusal::bad(rpc::PARSE_ERROR, "the body is no JSON"),
        NoMessage::Invalid => Refusal::bad(rpc::INVALID_REQUEST, "the body is no JSON-RPC 2.0 message"),
        NoMessage::Batch => Refusal::bad(rpc::INVALID_REQUEST, "send one message, not a list of them"),
    })?;
    let message = Message { text, outline };
    if let Some(name) = message.outline.repeated.or_else(|| repeated_param(&message)) {
        // Two readers could take such a message for two different ones.
        let words = format!("the message has the member `{name}` twice");
        return Err(Refusal::bad(rpc::INVALID_REQUEST, words));
    }
    if message.outline.kind == Kind::Request && !message.id().is_some_and(splice::is_id) {
        return Err(Refusal::bad(rpc::INVALID_REQUEST, "the id has to be a string or an integer"));
    }
    Ok(message)
}

fn repeated_param(message: &Message) -> Option<&'static str> {
    let twice = |within: &splice::Span, names: &[&'static str]| {
        let members = splice::members(&message.text, within)?;
        let count = |name: &str| members.iter().filter(|(key, _)| **key == *name.as_bytes()).count();
        names.iter().find(|name| count(name) > 1).copied()
    };
    let params = message.outline.params.as_ref()?;
    let names = ["_meta", "name", "uri", "taskId", "arguments", "requestId"];
    twice(params, &names).or_else(|| {
        let meta = splice::member(&message.text, params, "_meta")?;
        twice(&meta, &[VERSION, CAPABILITIES, "progressToken"])
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json")
}

/// Whether a client takes this kind of answer. One that does not say takes any (RFC 9110 12.5.1).
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    let family = kind.split('/').next().unwrap_or(kind);
    values.peek().is_none()
        || values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
            let range = range.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
            range == kind || range == "*/*" || range.strip_suffix("/*") == Some(family)
        })
}

/// The version that a request names in its header.
fn version_header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    sole(headers, "mcp-protocol-version")
        .ok_or_else(|| Refusal::bad(rpc::HEADER_MISMATCH, "send one MCP-Protocol-Version"))
}

/// The era of a message: the newer one if it says so in itself or in its header, whatever its method.
pub(super) fn manner(headers: &HeaderMap, message: &Message) -> Result<Manner, Refusal> {
    let version = version_header(headers)?;
    let modern = message.param(&["_meta", VERSION]).is_some()
        || version.is_some_and(|version| !LEGACY.contains(&version));
    Ok(if modern { Manner::Modern } else { Manner::Legacy })
}

/// Checks a message of the newer era against its headers and what the server speaks.
pub(super) fn check_modern(
    headers: &HeaderMap,
    message: &Message,
    versions: &[String],
) -> Result<(), Refusal> {
    let mismatch = |words: String| Refusal::bad(rpc::HEADER_MISMATCH, words);
    let version = version_header(headers)?
        .ok_or_else(|| mismatch("send MCP-Protocol-Version with the version in `_meta`".into()))?;
    if message.outline.kind == Kind::Response {
        return Err(Refusal::bad(rpc::INVALID_REQUEST, "this revision has no responses of clients"));
    }
    if message.outline.kind == Kind::Request {
        check_meta(message, version)?;
    }
    if !versions.iter().any(|known| known == version) {
        return Err(Refusal::version(versions, version));
    }
    if message.outline.kind == Kind::Notification {
        return Ok(());
    }
    let method = message.outline.method.as_str();
    check_mirror(headers, "mcp-method", Some(method))?;
    if let Some(param) = named_by(method) {
        check_mirror(headers, "mcp-name", message.param(&[param]).as_deref())?;
    }
    Ok(())
}

fn check_meta(message: &Message, version: &str) -> Result<(), Refusal> {
    let missing = |name: &str| {
        Refusal::bad(rpc::INVALID_PARAMS, format!("the request needs `{name}` in `params._meta`"))
    };
    let own = message.param(&["_meta", VERSION]).ok_or_else(|| missing(VERSION))?;
    let params = message.outline.params.clone().unwrap_or_default();
    let capabilities = splice::at(&message.text, &params, &["_meta", CAPABILITIES]);
    if !capabilities.is_some_and(|span| message.text[span].starts_with('{')) {
        return Err(missing(CAPABILITIES));
    }
    if own != version {
        let words = "MCP-Protocol-Version and the version in `_meta` differ";
        return Err(Refusal::bad(rpc::HEADER_MISMATCH, words));
    }
    Ok(())
}

/// The param that the header `Mcp-Name` repeats.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A header that has to say the same as the body. What the body lacks the server itself complains about.
fn check_mirror(headers: &HeaderMap, name: &str, value: Option<&str>) -> Result<(), Refusal> {
    let Some(value) = value else { return Ok(()) };
    let shown = sole(headers, name).flatten();
    match shown.and_then(decoded) {
        Some(shown) if shown == value => Ok(()),
        Some(_) => Err(Refusal::bad(rpc::HEADER_MISMATCH, format!("the header {name} and the body differ"))),
        None => {
            Err(Refusal::bad(rpc::HEADER_MISMATCH, format!("send one header {name} with what the body says")))
        }
    }
}

/// The value of a header that repeats a part of the body. What is no plain text comes in base64.
pub(super) fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests;
