//! What servers on standard streams said that went nowhere, for the metrics.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::switch::Odd;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    what: Odd,
}

impl EncodeLabelValue for Odd {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let word = match self {
            Self::Noise => "noise",
            Self::TooLong => "too_long",
            Self::UnknownAnswer => "unknown_answer",
            Self::Undeliverable => "undeliverable",
            Self::Request => "request",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

/// Lines of all servers that went nowhere, by what they were.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Family<Labels, Counter>);

impl Counts {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Lines of servers on standard streams that went nowhere, by what they were";
        registry.register("minimcp_stdio_odd_lines", help, self.0.clone());
    }

    pub(super) fn odd(&self, what: Odd) {
        self.0.get_or_create(&Labels { what }).inc();
    }
}
