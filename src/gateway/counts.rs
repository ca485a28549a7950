//! What passed through the gateway, for the metrics.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::methods::{METHODS, Method};

/// How the requests of an instance reach its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
pub(super) enum LaneKind {
    /// To its port.
    Http,
    /// To its standard streams.
    Stdio,
}

impl LaneKind {
    /// Its name in metrics and traces.
    pub(super) fn as_str(self) -> &'static str {
        LANES[self as usize]
    }
}

const LANES: [&str; 2] = ["http", "stdio"];
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Series of tools at most. Those of further ones are counted together.
const TOOLS: usize = 2_000;

/// A label of a fixed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    lane: Word,
    method: Word,
    class: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    lane: Word,
    method: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tool {
    mcp_type: String,
    tool: String,
}

/// What the requests of one method on one lane are counted in, found without a map or a lock once there was one.
#[derive(Debug, Default)]
struct Cell {
    by_class: [OnceLock<Counter>; CLASSES.len()],
    seconds: OnceLock<Histogram>,
}

/// Requests by lane, method and outcome, the time to the head of their answers, and calls of tools.
#[derive(Debug)]
pub(super) struct Counts {
    requests: Family<Labels, Counter>,
    seconds: Family<Timed, Histogram, fn() -> Histogram>,
    tools: Family<Tool, Counter>,
    /// Series of tools that there are.
    named: AtomicUsize,
    cells: [[Cell; METHODS.len()]; LANES.len()],
}

impl Counts {
    pub(super) fn new() -> Self {
        // From 100 us to 52 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 3.0, 13));
        let cells = std::array::from_fn(|_| std::array::from_fn(|_| Cell::default()));
        let seconds = Family::new_with_constructor(buckets);
        Self {
            requests: Family::default(),
            seconds,
            tools: Family::default(),
            named: AtomicUsize::new(0),
            cells,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "minimcp_gateway_requests",
            "Requests through the gateway by lane, MCP method and class of the status",
            self.requests.clone(),
        );
        registry.register(
            "minimcp_gateway_seconds",
            "Time from a request to the head of its answer by lane and MCP method",
            self.seconds.clone(),
        );
        registry.register(
            "minimcp_gateway_tool_calls",
            "Calls of tools that their server listed and answered with success",
            self.tools.clone(),
        );
    }

    pub(super) fn add(&self, lane: LaneKind, method: Method, status: StatusCode, elapsed: Duration) {
        let cell = &self.cells[lane as usize][method.index()];
        let (lane, method) = (Word(LANES[lane as usize]), Word(method.as_str()));
        let class = class(status);
        let labels = || Labels { lane, method, class: Word(CLASSES[class]) };
        cell.by_class[class].get_or_init(|| self.requests.get_or_create_owned(&labels())).inc();
        let seconds = cell.seconds.get_or_init(|| self.seconds.get_or_create_owned(&Timed { lane, method }));
        seconds.observe(elapsed.as_secs_f64());
    }

    /// Counts a call of a tool that its server has listed.
    pub(super) fn add_tool(&self, mcp_type: &str, tool: &str) {
        let mut label = Tool { mcp_type: mcp_type.into(), tool: tool.into() };
        let is_new = self.tools.get(&label).is_none();
        if is_new && self.named.fetch_add(1, Ordering::Relaxed) >= TOOLS {
            label = Tool { mcp_type: "other".into(), tool: "other".into() };
        }
        self.tools.get_or_create(&label).inc();
    }
}

/// The place of a status in [`CLASSES`].
fn class(status: StatusCode) -> usize {
    match status.as_u16() {
        200..=299 => 0,
        300..=399 => 1,
        400..=499 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_lane_method_and_class_and_tools_up_to_a_bound() {
        let counts = Counts::new();
        let time = Duration::from_millis(2);
        counts.add(LaneKind::Http, Method::named("tools/call"), StatusCode::OK, time);
        counts.add(LaneKind::Http, Method::named("tools/call"), StatusCode::CREATED, time);
        counts.add(LaneKind::Http, Method::named("made/up"), StatusCode::BAD_GATEWAY, time);
        for n in 0..TOOLS + 10 {
            counts.add_tool("github", &format!("tool-{n}"));
        }
        let mut registry = Registry::default();
        counts.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "minimcp_gateway_requests_total{lane=\"http\",method=\"tools/call\",class=\"2xx\"} 2",
            "minimcp_gateway_requests_total{lane=\"http\",method=\"other\",class=\"5xx\"} 1",
            "minimcp_gateway_seconds_count{lane=\"http\",method=\"tools/call\"} 2",
            "minimcp_gateway_tool_calls_total{mcp_type=\"github\",tool=\"tool-0\"} 1",
            "minimcp_gateway_tool_calls_total{mcp_type=\"other\",tool=\"other\"} 10",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
