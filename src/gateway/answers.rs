//! What is learned from answers while they go by: which tools a server has, and whether it works on after it
//! answered. A bounded look at a copy; what goes by is not touched.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Frame;
use minimcp_actors::routes::Route;
use serde::Deserialize;

use super::methods::{Asks, Peeked};

/// Bytes of a list of tools that are looked at.
const LIST: usize = 512 * 1_024;
/// Bytes of the answer to a call that are looked at. That of a task is a few hundred.
const CALL: usize = 16 * 1_024;
/// Tools of one instance that are known by name, and bytes of a name.
const TOOLS: usize = 500;
const NAME: usize = 128;
/// A server is kept awake for a task at most for this long. One that says nothing of its end gets that, too.
const TASK: Duration = Duration::from_secs(24 * 3_600);

/// The tools that an instance has listed.
#[derive(Debug, Default)]
pub(super) struct Tools(RwLock<HashSet<Box<str>>>);

impl Tools {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn learn(&self, names: impl Iterator<Item = Box<str>>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if known.len() < TOOLS && name.len() <= NAME {
                known.insert(name);
            }
        }
    }
}

/// Somebody who listens to an answer on its way.
#[derive(Debug)]
pub(super) struct Listener {
    heard: Peeked,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// An answer that lists tools, as events or not.
    Tools(Arc<Tools>),
    /// An answer that may be a task.
    Call(Arc<Route>),
}

impl Listener {
    /// One for the answer with these headers, if something can be learned from it.
    pub(super) fn of(
        asks: &Asks,
        headers: &HeaderMap,
        tools: &Arc<Tools>,
        route: &Arc<Route>,
    ) -> Option<Self> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return None;
        }
        let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let begins = |with: &str| {
            kind.get(..with.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(with.as_bytes()))
        };
        let is_json = begins("application/json");
        let of = match asks.method.as_str() {
            "tools/list" if is_json || begins("text/event-stream") => Of::Tools(Arc::clone(tools)),
            "tools/call" if is_json => Of::Call(Arc::clone(route)),
            _ => return None,
        };
        Some(Self { heard: Peeked::default(), of })
    }

    /// Hears a piece. `false` says that it was too much to go on listening.
    pub(super) fn hear(&mut self, piece: &Bytes) -> bool {
        let max = match self.of {
            Of::Tools(_) => LIST,
            Of::Call(_) => CALL,
        };
        self.heard.note(piece, max)
    }

    /// Hears an answer that is there already.
    pub(super) fn hear_whole(mut self, body: &Full<Bytes>) {
        let piece = body.clone().frame().now_or_never().flatten();
        if let Some(Ok(piece)) = piece.map(|piece| piece.map(Frame::into_data))
            && let Ok(piece) = piece
            && self.hear(&piece)
        {
            self.conclude(Utc::now().timestamp_millis());
        }
    }

    /// Learns from what was heard to its end.
    pub(super) fn conclude(self, now_ms: i64) {
        let body = self.heard.whole();
        match self.of {
            Of::Tools(tools) => tools.learn(listed(&body).into_iter()),
            Of::Call(route) => {
                if let Some(time) = task(&body) {
                    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                    route.keep_awake_until(now_ms.saturating_add(time));
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct ListAnswer {
    result: ListResult,
}

#[derive(Deserialize)]
struct ListResult {
    tools: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: Box<str>,
}

/// The names in a list of tools, which is one message or one among events.
fn listed(body: &[u8]) -> Vec<Box<str>> {
    let names = |message: &[u8]| {
        let answer: ListAnswer = serde_json::from_slice(message).ok()?;
        Some(answer.result.tools.into_iter().map(|tool| tool.name).collect())
    };
    names(body).unwrap_or_else(|| {
        let lines = body.split(|byte| matches!(byte, b'\n' | b'\r'));
        let mut messages = lines.filter_map(|line| line.strip_prefix(b"data:"));
        messages.find_map(names).unwrap_or_default()
    })
}

#[derive(Deserialize)]
struct CallAnswer<'a> {
    #[serde(borrow)]
    result: CallResult<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallResult<'a> {
    result_type: Option<&'a str>,
    ttl_ms: Option<u64>,
}

/// How long the server goes on with what it was called for, if it answered with a task.
fn task(body: &[u8]) -> Option<Duration> {
    memchr::memmem::find(body, b"\"task\"")?;
    let answer: CallAnswer<'_> = serde_json::from_slice(body).ok()?;
    (answer.result.result_type == Some("task"))
        .then(|| answer.result.ttl_ms.map_or(TASK, Duration::from_millis).min(TASK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_tools_are_read_from_one_message_or_from_events() {
        let json =
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","x":1},{"name":"b"}],"ttlMs":0}}"#;
        let names = |body: &str| listed(body.as_bytes()).join(" ");
        assert_eq!(names(json), "a b");
        assert_eq!(
            names(&format!("event: message\r\ndata: {{\"method\":\"x\"}}\r\n\r\ndata: {json}\r\n\r\n")),
            "a b"
        );
        assert_eq!(names(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"tools"}}"#), "");
        assert_eq!(names("data: {"), "");
    }

    #[test]
    fn an_instance_has_so_many_tools_and_no_more() {
        let tools = Tools::default();
        tools.learn((0..TOOLS + 10).map(|n| n.to_string().into()));
        assert!(tools.has("0") && !tools.has(&TOOLS.to_string()));
        let other = Tools::default();
        other.learn(std::iter::once("x".repeat(NAME + 1).into()));
        assert!(!other.has(&"x".repeat(NAME + 1)));
    }

    #[test]
    fn only_an_answer_that_is_a_task_says_how_long_it_takes() {
        let of = |result: &str| task(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).as_bytes());
        assert_eq!(
            of(r#"{"resultType":"task","taskId":"t","ttlMs":1500}"#),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(of(r#"{"resultType":"task","taskId":"t","ttlMs":null}"#), Some(TASK));
        assert_eq!(of(r#"{"resultType":"task","taskId":"t","ttlMs":99999999999}"#), Some(TASK));
        assert_eq!(of(r#"{"resultType":"complete","content":["task"]}"#), None);
        assert_eq!(of(r#"{"content":[{"type":"text","text":"\"resultType\":\"task\""}]}"#), None);
        assert_eq!(task(b"\"task\""), None);
    }
}
