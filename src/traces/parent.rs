//! The trace that a request says it belongs to: the header `traceparent` (W3C Trace Context). Pure.
//!
//! `tracestate` and `baggage` are not looked at: nothing here needs them, and what they hold is not ours to send on to a
//! collector.

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::http::sole;

/// The span that a request was sent from, if its one `traceparent` can be read.
pub(super) fn of(headers: &HeaderMap) -> Option<SpanContext> {
    read(sole(headers, "traceparent")??)
}

/// `00-{trace}-{span}-{flags}`, all in lower-case hexadecimal. Later versions may have more behind it.
fn read(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let more = parts.next().is_some();
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !fits || version == "ff" || (version == "00" && more) {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_parent_is_read_with_its_decision() {
        for (flags, sampled) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let parent = read(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
            assert_eq!(parent.trace_id().to_string(), TRACE);
            assert_eq!(parent.span_id().to_string(), SPAN);
            assert_eq!(parent.is_sampled(), sampled, "{flags}");
            assert!(parent.is_remote());
        }
        assert!(read(&format!("cc-{TRACE}-{SPAN}-01-what-comes-later")).is_some());
    }

    #[test]
    fn what_is_no_parent_begins_a_trace_of_its_own() {
        let zero = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zero[..16]),
            format!("00-{TRACE}-{SPAN}-0"),
            format!("00-{TRACE}-{SPAN}-+1"),
            format!("00-{SPAN}-{TRACE}-01"),
        ] {
            assert!(read(&text).is_none(), "{text}");
        }
        let mut headers = HeaderMap::new();
        let good = format!("00-{TRACE}-{SPAN}-01");
        headers.append("traceparent", good.parse().unwrap());
        assert!(of(&headers).is_some());
        headers.append("traceparent", good.parse().unwrap());
        assert!(of(&headers).is_none(), "two are none");
    }
}
