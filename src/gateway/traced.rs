//! Calls at servers as spans, by OpenTelemetry's conventions for clients of MCP. Names of tools are told if their server
//! has listed them: of the others nobody knows what a client has put there.

use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use opentelemetry::trace::SpanKind;
use uuid::Uuid;

use super::access::Admitted;
use super::counts::LaneKind;
use super::lane::At;
use super::methods::Method;
use super::{Asking, Gateway};
use crate::http::sole;
use crate::traces::Span;

/// A call at a server that is under way.
pub(super) struct Calling {
    since: Option<SystemTime>,
    at: At,
}

impl Asking<'_> {
    /// A call at a server begins.
    pub(super) fn calls(&self, at: At) -> Calling {
        Calling { since: self.traced.span.now(), at }
    }

    /// The server answered with this status, or it failed with this kind of error.
    pub(super) fn called(
        &self,
        calling: &Calling,
        admitted: &Admitted,
        outcome: Result<StatusCode, &'static str>,
    ) {
        let Some(since) = calling.since else { return };
        let asks = self.settled();
        let tool = asks.tool.as_deref().filter(|tool| admitted.tools().has(tool));
        let name = match (of_mcp(asks.method), tool) {
            (Some(method), Some(tool)) => format!("{method} {tool}"),
            (Some(method), None) => method.to_owned(),
            (None, _) => asks.method.as_str().to_ascii_uppercase(),
        };
        let mut call = self.traced.span.child(name, SpanKind::Client, Some(since));
        if let Some(method) = of_mcp(asks.method) {
            call.set("mcp.method.name", method);
        }
        if let Some(tool) = tool {
            call.set("gen_ai.operation.name", "execute_tool");
            call.set("gen_ai.tool.name", tool.to_owned());
        }
        match calling.at {
            At::Port(addr, _) => {
                call.set("network.transport", "tcp");
                call.set("server.address", addr.ip().to_string());
                call.set("server.port", i64::from(addr.port()));
            }
            At::Pipes => call.set("network.transport", "pipe"),
        }
        match outcome {
            Ok(status) => {
                call.set("http.response.status_code", i64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    call.fail(status.as_u16().to_string());
                }
                self.traced.answered_by(call);
            }
            Err(kind) => call.fail(kind),
        }
    }
}

impl Gateway {
    /// Says of the span of a request what was asked, of whom and by which lane.
    pub(super) fn describe(&self, span: &mut Span, id: Option<Uuid>, lane: LaneKind, method: Method) {
        if !span.is_recorded() {
            return;
        }
        span.set("minimcp.lane", lane.as_str());
        if let Some(method) = of_mcp(method) {
            span.set("mcp.method.name", method);
        }
        if let Some(snapshot) = id.and_then(|id| self.supervision.registry().get(id)) {
            span.set("minimcp.instance.type", snapshot.kind.to_string());
        }
    }
}

/// The revision of MCP that a request names, if it looks like one.
pub(super) fn revision(headers: &HeaderMap) -> Option<String> {
    let named = sole(headers, "mcp-protocol-version")??;
    let is_date = named.len() == 10
        && named.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date.then(|| named.to_owned())
}

/// The route of a path of the gateway.
pub(crate) fn route_of(path: &str) -> Option<&'static str> {
    let target = super::path::target(path)?;
    Some(if target.rest.is_empty() { "/i/{instance_id}/mcp" } else { "/i/{instance_id}/mcp/{path}" })
}

/// A method of MCP; what a request is of that names none is not.
fn of_mcp(method: Method) -> Option<&'static str> {
    let name = method.as_str();
    (!matches!(name, "get" | "post" | "delete" | "other")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_no_id_and_a_revision_is_a_date_or_nothing() {
        let id = Uuid::nil();
        assert_eq!(route_of(&format!("/i/{id}/mcp")), Some("/i/{instance_id}/mcp"));
        assert_eq!(route_of(&format!("/i/{id}/mcp/secret")), Some("/i/{instance_id}/mcp/{path}"));
        assert_eq!(route_of("/i/secret/mcp"), None);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append("mcp-protocol-version", text.parse().unwrap());
            revision(&headers)
        };
        assert_eq!(of("2026-07-28").as_deref(), Some("2026-07-28"));
        for no in ["secret", "2026-07-2x", "2026:07:28", "", "2026-07-280"] {
            assert_eq!(of(no), None, "{no}");
        }
    }

    #[test]
    fn what_names_no_method_of_the_protocol_has_none() {
        assert_eq!(of_mcp(Method::named("tools/call")), Some("tools/call"));
        for none in ["post", "get", "made/up"] {
            assert_eq!(of_mcp(Method::named(none)), None);
        }
    }
}
