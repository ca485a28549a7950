//! A request as a span, by OpenTelemetry's conventions for HTTP servers: what is asked by the name of its route, and what
//! came of it. Neither path nor query, no header and no body is in it.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::{Body, Frame, SizeHint};

use super::audited::REQUEST_ID;
use super::outgoing::{BodyError, Outgoing};
use super::routes;
use crate::gateway::{plain_uuid, route_of};
use crate::problem::Code;
use crate::traces::{Span, Traces};

/// The span of a request, and that of the call at a server that it led to.
#[derive(Debug, Default)]
pub(crate) struct Traced {
    pub(crate) span: Span,
    call: OnceLock<Span>,
}

impl Traced {
    /// The span of a request with this head; none if it is not sampled.
    pub(super) fn of(traces: &Traces, head: &Parts) -> Self {
        let mut span = traces.of_request(&head.headers);
        if span.is_recorded() {
            describe(&mut span, head);
        }
        Self { span, call: OnceLock::new() }
    }

    /// The server has begun to answer; its answer is part of the call.
    pub(crate) fn answered_by(&self, call: Span) {
        // A request is answered by one server only.
        let _ = self.call.set(call);
    }

    /// Says what came of the request. Its spans end with the body of the answer.
    pub(super) fn answered(self, response: Response<Outgoing>) -> Response<Outgoing> {
        let Self { mut span, call } = self;
        if !span.is_recorded() {
            return response;
        }
        let status = response.status();
        span.set("http.response.status_code", i64::from(status.as_u16()));
        if let Some(id) = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
            let id = opentelemetry::Array::String(vec![id.to_owned().into()]);
            span.set("http.response.header.x-request-id", opentelemetry::Value::Array(id));
        }
        let code = response.extensions().get::<Code>().map(|code| code.as_str());
        if let Some(code) = code {
            span.set("minimcp.problem", code);
        }
        if status.is_server_error() {
            match code {
                Some(code) => span.fail(code),
                None => span.fail(status.as_u16().to_string()),
            }
        }
        let call = call.into_inner().unwrap_or_default();
        if matches!(response.body(), Outgoing::Whole(_)) {
            return response;
        }
        response.map(|body| Outgoing::boxed(Carried { body, call, span }))
    }
}

fn describe(span: &mut Span, head: &Parts) {
    let path = head.uri.path();
    let method = known(&head.method);
    // What `HEAD` asks for is that of `GET`.
    let looked_up = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let route = route_of(path).or_else(|| routes::template_of(looked_up, path));
    let name = method.unwrap_or("HTTP");
    match route {
        Some(route) => span.rename(format!("{name} {route}")),
        None => span.rename(name),
    }
    span.set("http.request.method", method.unwrap_or("_OTHER"));
    span.set("url.scheme", "http");
    span.set("network.protocol.version", if head.version == http::Version::HTTP_10 { "1.0" } else { "1.1" });
    if let Some(route) = route {
        span.set("http.route", route);
    }
    let of_instance = path.strip_prefix("/v1/instances/").or_else(|| path.strip_prefix("/i/"));
    let instance = of_instance.and_then(|rest| rest.split('/').next()).and_then(plain_uuid);
    if let Some(instance) = instance {
        span.set("minimcp.instance.id", instance.to_string());
    }
}

/// A method that is no word of the caller's own.
fn known(method: &Method) -> Option<&'static str> {
    let all = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    all.into_iter().find(|known| *known == method.as_str())
}

/// A body with the spans that end with it.
struct Carried {
    body: Outgoing,
    // Dropped in this order: a part ends before the whole.
    call: Span,
    span: Span,
}

impl Body for Carried {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = &poll {
            self.call.fail("broken_off");
            self.span.fail("broken_off");
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
