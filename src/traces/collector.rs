//! The collector: what it is sent by OTLP over HTTP, and what its answer means.
//!
//! Written out rather than taken from the exporter that OpenTelemetry brings along: that one reads variables of its own
//! from the environment, and does not tell how many spans a collector refused.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use secrecy::ExposeSecret;
use url::Url;

use crate::config::TraceSettings;

const PROTOBUF: &str = "application/x-protobuf";

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1_024;

/// Why a collector did not take what it was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub(super) struct Refusal {
    words: String,
    /// Whether it may take the same a moment later.
    pub(super) passes: bool,
}

/// Where spans are sent.
pub(super) struct Collector {
    client: reqwest::Client,
    endpoint: Url,
    resource: ResourceAttributesWithSchema,
}

impl Collector {
    /// A collector that knows the spans as of this resource.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub(super) fn new(settings: &TraceSettings, resource: &Resource) -> reqwest::Result<Self> {
        // Fails only if there is a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            // The settings have been read as headers before.
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(name), HeaderValue::from_str(value.expose_secret()))
            {
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            // The headers are for this collector and no other.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(headers)
            .user_agent(concat!("minimcp/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, endpoint: settings.endpoint.clone(), resource: resource.into() })
    }

    /// These spans as the collector reads them.
    pub(super) fn encode(&self, spans: Vec<SpanData>) -> Bytes {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    /// Sends spans once, and answers how many of them the collector refused while it took the others.
    ///
    /// # Errors
    /// [`Refusal`] if it took none, or nobody knows.
    pub(super) async fn send(&self, body: Bytes) -> Result<u64, Refusal> {
        let sent = self.client.post(self.endpoint.clone()).body(body).send().await;
        let mut answer = sent.map_err(|error| unsent(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refused(status));
        }
        let mut said = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unsent(&error))? {
            if said.len() + piece.len() > MAX_ANSWER {
                // It has taken them, whatever it goes on to say.
                return Ok(0);
            }
            said.extend_from_slice(&piece);
        }
        Ok(rejected(&said))
    }
}

/// How many spans an answer to a success says were refused. One that cannot be read is a success all the same.
fn rejected(answer: &[u8]) -> u64 {
    let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| partial.rejected_spans.try_into().unwrap_or(0))
}

/// What OTLP says may be tried again, and what may not.
fn refused(status: StatusCode) -> Refusal {
    let passes = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let next = match status.as_u16() {
        401 | 403 => "; look at `traces.headers`",
        404 | 405 => "; look at `traces.endpoint`",
        300..=399 => ", and redirects are not followed; look at `traces.endpoint`",
        _ => "",
    };
    Refusal { words: format!("the collector answered {}{next}", status.as_u16()), passes }
}

fn unsent(error: &reqwest::Error) -> Refusal {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let words = if error.is_timeout() {
        "the collector did not answer in time".into()
    } else {
        format!("the collector cannot be reached: {cause}")
    };
    Refusal { words, passes: true }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn a_refusal_says_whether_to_try_again_and_what_to_look_at() {
        for (status, passes, words) in [
            (429, true, "429"),
            (503, true, "503"),
            (500, false, "500"),
            (400, false, "400"),
            (401, false, "traces.headers"),
            (404, false, "traces.endpoint"),
            (308, false, "redirects"),
        ] {
            let refusal = refused(StatusCode::from_u16(status).unwrap());
            assert_eq!(refusal.passes, passes, "{status}");
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }

    #[test]
    fn spans_that_were_refused_among_others_are_counted() {
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        assert_eq!(rejected(&answer.encode_to_vec()), 3);
        for none in [&b""[..], b"{}", b"\xff"] {
            assert_eq!(rejected(none), 0);
        }
    }
}
