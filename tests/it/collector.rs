//! A collector of traces on this machine: it decodes what it is sent by OTLP and answers as a test wants it to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use warp::Filter;
use warp::http::{HeaderMap, Response, StatusCode};

use crate::ground::PATIENCE;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Take,
    Status(u16),
    /// Nothing ever comes.
    Hang,
}

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first of a trace.
    pub(crate) parent: String,
    pub(crate) kind: i32,
    pub(crate) failed: bool,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) about: BTreeMap<String, String>,
}

impl Span {
    /// What it says under this key, or nothing.
    pub(crate) fn says(&self, key: &str) -> &str {
        self.about.get(key).map_or("", String::as_str)
    }
}

/// What arrived in one request.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Vec<u8>,
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) spans: Vec<Span>,
}

/// The collector.
pub(crate) struct Collector {
    addr: SocketAddr,
    arrived: watch::Sender<Vec<Arrived>>,
    reply: watch::Sender<Reply>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Collector {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (arrived, reply) = (watch::Sender::default(), watch::Sender::new(reply));
        let (told, replies) = (arrived.clone(), reply.clone());
        let route = warp::post()
            .and(warp::path!("v1" / "traces"))
            .and(warp::header::headers_cloned())
            .and(warp::body::bytes())
            .then(move |headers: HeaderMap, body: warp::hyper::body::Bytes| {
                let reply = *replies.borrow();
                told.send_modify(|all: &mut Vec<Arrived>| all.push(read(headers, &body)));
                answer(reply)
            });
        let serving = tokio::spawn(warp::serve(route).incoming(listener).run());
        Self { addr, arrived, reply, serving }
    }

    /// What a daemon is told to send here.
    pub(crate) fn setting(&self) -> String {
        format!("traces.endpoint={}", self.url())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn answer(&self, reply: Reply) {
        self.reply.send_replace(reply);
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.borrow().clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.arrived().into_iter().flat_map(|arrived| arrived.spans).collect()
    }

    /// Every span that arrived, once one is there of which this holds, and that one.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
        let mut arrived = self.arrived.subscribe();
        let there = |all: &Vec<Arrived>| all.iter().flat_map(|one| &one.spans).any(&wanted);
        let waiting = tokio::time::timeout(PATIENCE, arrived.wait_for(there)).await.is_ok();
        let found = self.spans().into_iter().find(wanted);
        found.unwrap_or_else(|| panic!("{what} did not arrive ({waiting}); there are {:#?}", self.spans()))
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn requests(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let waiting = arrived.wait_for(|all| all.len() >= count);
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "there are {}", self.arrived().len());
    }
}

async fn answer(reply: Reply) -> Result<Response<&'static str>, Infallible> {
    let status = match reply {
        Reply::Take => StatusCode::OK,
        Reply::Status(status) => StatusCode::from_u16(status).unwrap(),
        Reply::Hang => std::future::pending().await,
    };
    let mut response = Response::new("");
    *response.status_mut() = status;
    Ok(response)
}

fn read(headers: HeaderMap, body: &[u8]) -> Arrived {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let resource = request.resource_spans.first().and_then(|one| one.resource.clone()).unwrap_or_default();
    let scopes = request.resource_spans.into_iter().flat_map(|one| one.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(span).collect();
    Arrived { headers, raw: body.to_vec(), resource: about(resource.attributes), spans }
}

fn span(sent: Sent) -> Span {
    assert_eq!(sent.trace_state, "", "{}", sent.name);
    assert!(sent.events.is_empty() && sent.links.is_empty(), "{}", sent.name);
    let status = sent.status.unwrap_or_default();
    assert_eq!(status.message, "", "{}", sent.name);
    Span {
        name: sent.name,
        trace: hex(&sent.trace_id),
        id: hex(&sent.span_id),
        parent: hex(&sent.parent_span_id),
        kind: sent.kind,
        failed: status.code == 2,
        from: sent.start_time_unix_nano,
        to: sent.end_time_unix_nano,
        about: about(sent.attributes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn about(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect()
}
