//! Which MCP method a request is of, and which tool it calls, as far as that can be told without changing it.
//! For counting only: the server is the judge of what a request is. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

/// Methods that get a label of their own, and what is said of requests whose method is not known; a client could
/// make up any number of others.
pub(super) const METHODS: [&str; 26] = [
    "initialize",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "subscriptions/listen",
    "logging/setLevel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tasks/cancel",
    "notifications/initialized",
    "notifications/cancelled",
    "ping",
    "get",
    "post",
    "delete",
    "other",
];

/// Bytes of a body that are looked at. A larger one keeps its method to itself.
pub(super) const PEEKED: usize = 64 * 1_024;

/// Bytes of the name of a tool that is counted by name.
const MAX_NAME: usize = 128;

/// A method of the fixed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method(u8);

impl Method {
    /// The one of this name, else `other`.
    pub(super) fn named(name: &str) -> Self {
        let place = METHODS.iter().position(|known| *known == name).unwrap_or(METHODS.len() - 1);
        Self(u8::try_from(place).unwrap_or_default())
    }

    pub(super) fn as_str(self) -> &'static str {
        METHODS[self.index()]
    }

    /// Its place in [`METHODS`].
    pub(super) fn index(self) -> usize {
        self.0.into()
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) method: Method,
    /// The tool that is called, if one is.
    pub(super) tool: Option<Box<str>>,
}

impl Asks {
    /// As far as the headers say. Whether the body has to tell more: older clients send no such headers.
    pub(super) fn of_head(http: &http::Method, headers: &HeaderMap) -> (Self, bool) {
        let method = match headers.get("mcp-method").map(|value| value.as_bytes()) {
            Some(method) => std::str::from_utf8(method).map_or(Method::named("other"), Method::named),
            None => Method::named(match *http {
                http::Method::GET => "get",
                http::Method::DELETE => "delete",
                http::Method::POST => "post",
                _ => "other",
            }),
        };
        let calls = method.as_str() == "tools/call";
        let tool = headers.get("mcp-name").filter(|_| calls).and_then(|name| decoded(name.as_bytes()));
        (Self { method, tool }, method.as_str() == "post")
    }

    /// As the body of a POST says, which is one message if it is of MCP at all.
    pub(super) fn of_body(body: &[u8]) -> Option<Self> {
        let message: Message<'_> = serde_json::from_slice(body).ok()?;
        let method = Method::named(message.method.as_deref()?);
        let calls = method.as_str() == "tools/call";
        let name = message.params.filter(|_| calls).and_then(|params| params.name);
        Some(Self {
            method,
            tool: name.filter(|name| name.len() <= MAX_NAME).map(|name| name.as_ref().into()),
        })
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// A mirrored value in plain text (MCP 2026-07-28, streamable HTTP: value encoding).
fn decoded(value: &[u8]) -> Option<Box<str>> {
    let plain = match value.strip_prefix(b"=?base64?").and_then(|value| value.strip_suffix(b"?=")) {
        Some(encoded) => Cow::Owned(STANDARD.decode(encoded).ok()?),
        None => Cow::Borrowed(value),
    };
    let name = std::str::from_utf8(&plain).ok()?;
    (name.len() <= MAX_NAME).then(|| name.into())
}

/// A body as it goes by, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Peeked {
    pieces: Vec<Bytes>,
    length: usize,
}

impl Peeked {
    /// Notes a piece. Beyond `max` bytes nothing is kept, and `false` says so.
    pub(super) fn note(&mut self, piece: &Bytes, max: usize) -> bool {
        self.length = self.length.saturating_add(piece.len());
        if self.length > max {
            self.pieces = Vec::new();
            return false;
        }
        self.pieces.push(piece.clone());
        true
    }

    /// All of it.
    pub(super) fn whole(&self) -> Cow<'_, [u8]> {
        match self.pieces.as_slice() {
            [one] => Cow::Borrowed(one),
            pieces => Cow::Owned(pieces.concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_head(lines: &[(&str, &str)]) -> (&'static str, Option<String>, bool) {
        let headers = lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers.collect::<Vec<(http::HeaderName, http::HeaderValue)>>());
        let (asks, look) = Asks::of_head(&http::Method::POST, &headers);
        (asks.method.as_str(), asks.tool.map(String::from), look)
    }

    #[test]
    fn labels_are_of_a_fixed_set_whatever_clients_send() {
        assert_eq!(of_head(&[("mcp-method", "tools/list")]), ("tools/list", None, false));
        assert_eq!(of_head(&[("mcp-method", "tools/Call"), ("mcp-name", "x")]), ("other", None, false));
        assert_eq!(of_head(&[]), ("post", None, true), "the body has to say");
        let (asks, look) = Asks::of_head(&http::Method::PATCH, &HeaderMap::new());
        assert_eq!((asks.method.as_str(), look), ("other", false));
    }

    #[test]
    fn a_tool_is_told_in_plain_text_and_in_base64() {
        let tool = |name: &str| of_head(&[("mcp-method", "tools/call"), ("mcp-name", name)]).1;
        assert_eq!(tool("echo").as_deref(), Some("echo"));
        assert_eq!(tool("=?base64?w6k=?=").as_deref(), Some("\u{e9}"));
        assert_eq!(tool("=?base64?w?="), None);
        assert_eq!(tool(&"x".repeat(MAX_NAME + 1)), None);
    }

    #[test]
    fn the_body_of_an_older_client_says_what_it_asks_for() {
        let of = |body: &str| Asks::of_body(body.as_bytes()).map(|asks| (asks.method.as_str(), asks.tool));
        let call = r#"{"jsonrpc":"2.0","id":1,"params":{"arguments":{"name":"no"},"name":"ec\u0068o"},"method":"tools\/call"}"#;
        assert_eq!(of(call), Some(("tools/call", Some("echo".into()))));
        assert_eq!(of(r#"{"method":"prompts/get","params":{"name":"x"}}"#), Some(("prompts/get", None)));
        assert_eq!(of(r#"{"method":"made/up"}"#), Some(("other", None)));
        for none in ["", "[]", "{", r#"{"id":1,"result":{}}"#, r#"{"method":7}"#] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_body_is_kept_up_to_its_bound_and_then_not_at_all() {
        let mut peeked = Peeked::default();
        assert!(peeked.note(&Bytes::from_static(b"ab"), 4) && peeked.note(&Bytes::from_static(b"cd"), 4));
        assert_eq!(&*peeked.whole(), b"abcd");
        assert!(!peeked.note(&Bytes::from_static(b"e"), 4));
        assert!(peeked.whole().is_empty());
    }
}
