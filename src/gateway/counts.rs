//! What passed through the gateway, for the metrics.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// MCP methods that get a label of their own; a client could make up any number of others.
const KNOWN: [&str; 17] = [
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
    "tasks/cancel",
    "ping",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: Known,
    class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Known(&'static str);

impl EncodeLabelValue for Known {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Class(&'static str);

impl EncodeLabelValue for Class {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: Known,
}

/// Requests by method and outcome, and the time to the head of their answers.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    requests: Family<Labels, Counter>,
    seconds: Family<MethodLabel, Histogram, fn() -> Histogram>,
}

impl Counts {
    pub(super) fn new() -> Self {
        // From 100 us to 52 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 3.0, 13));
        Self { requests: Family::default(), seconds: Family::new_with_constructor(buckets) }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "minimcp_gateway_requests",
            "Requests through the gateway by MCP method and class of the status",
            self.requests.clone(),
        );
        registry.register(
            "minimcp_gateway_seconds",
            "Time from a request to the head of its answer by MCP method",
            self.seconds.clone(),
        );
    }

    pub(super) fn add(&self, method: &'static str, status: StatusCode, elapsed: Duration) {
        let (method, class) = (Known(method), Class(class(status)));
        self.requests.get_or_create(&Labels { method, class }).inc();
        self.seconds.get_or_create(&MethodLabel { method }).observe(elapsed.as_secs_f64());
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// What a request asks for, as far as its headers say. Older clients send no such header.
pub(super) fn method_of(http: &Method, headers: &HeaderMap) -> &'static str {
    match headers.get("mcp-method").map(|value| value.as_bytes()) {
        Some(method) => KNOWN.into_iter().find(|known| known.as_bytes() == method).unwrap_or("other"),
        None => match *http {
            Method::GET => "get",
            Method::DELETE => "delete",
            Method::POST => "post",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_of_a_fixed_set_whatever_clients_send() {
        let label = |value: &str| {
            let headers = HeaderMap::from_iter([("mcp-method".parse().unwrap(), value.parse().unwrap())]);
            method_of(&Method::POST, &headers)
        };
        assert_eq!(label("tools/call"), "tools/call");
        assert_eq!(label("tools/Call"), "other");
        assert_eq!(method_of(&Method::POST, &HeaderMap::new()), "post");
        assert_eq!(method_of(&Method::PATCH, &HeaderMap::new()), "other");

        let counts = Counts::new();
        counts.add("tools/call", StatusCode::OK, Duration::from_millis(2));
        let mut registry = Registry::default();
        counts.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("minimcp_gateway_requests_total{method=\"tools/call\",class=\"2xx\"} 1"),
            "{text}"
        );
    }
}
