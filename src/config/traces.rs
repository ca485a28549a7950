//! Whether traces are sent, to which collector, and how many.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::oidc::is_trustworthy;
use super::values::Values;

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// Where the collector takes traces by OTLP over HTTP, the path included.
    pub endpoint: Url,
    /// Headers that the collector asks for. Their values are secrets.
    pub headers: Vec<(String, SecretString)>,
    /// The part of the traces that begin here which is sent, from 0 to 1.
    pub sample_ratio: f64,
    /// How long the collector may take for what it is sent.
    pub timeout: Duration,
    /// The name that the collector knows this daemon by.
    pub service_name: String,
}

/// The settings below `traces`, or `None` if no collector is named.
pub(super) fn read(values: &mut Values) -> Option<TraceSettings> {
    let endpoint = values.optional("traces.endpoint", endpoint);
    let headers = values.optional("traces.headers", headers).unwrap_or_default();
    let sample_ratio = values.read("traces.sample-ratio", ratio);
    let timeout = values.duration("traces.timeout", Duration::from_millis(100)..=Duration::from_secs(30));
    let service_name = values.read("traces.service-name", service_name);
    let Some(endpoint) = endpoint else {
        if !headers.is_empty() {
            values.fault("traces.endpoint", "it has to name the collector that gets `traces.headers`");
        }
        return None;
    };
    if !headers.is_empty() && !is_trustworthy(endpoint.as_str()) {
        values.fault(
            "traces.headers",
            "they could be read on the way: give `traces.endpoint` as https, or leave them out",
        );
    }
    Some(TraceSettings { endpoint, headers, sample_ratio, timeout, service_name })
}

/// The address of a collector, to which the path of OTLP is added, or that path already.
fn endpoint(text: &str) -> Result<Url, String> {
    let wanted = "the http or https URL of a collector that takes OTLP over HTTP, without user and query, such as \
                  http://127.0.0.1:4318 (`/v1/traces` is added)";
    let mut url = Url::parse(text).map_err(|_| wanted)?;
    let plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
        return Err(wanted.into());
    }
    let path = url.path().trim_end_matches('/');
    let path = if path.ends_with("/v1/traces") { path.to_owned() } else { format!("{path}/v1/traces") };
    url.set_path(&path);
    Ok(url)
}

/// `authorization=Bearer x,x-tenant=7`.
fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = HeaderName::try_from(name.trim()).ok()?;
        HeaderValue::from_str(value.trim()).ok()?;
        Some((name.as_str().to_owned(), SecretString::from(value.trim().to_owned())))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(pair);
    let wanted = "a list of headers without commas in them, such as [\"authorization=Bearer ...\"]";
    pairs.collect::<Option<Vec<_>>>().ok_or_else(|| wanted.into())
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("it has to be a number from 0 (none) to 1 (all), such as 0.1".into()),
    }
}

fn service_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it has to be a name".into()) } else { Ok(text.trim().into()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use crate::config::tests::{fault_of, settings};

    #[test]
    fn nothing_is_traced_unless_a_collector_is_named() {
        assert!(settings("").traces.is_none());
        let traces = settings("[traces]\nendpoint = 'http://127.0.0.1:4318'").traces.unwrap();
        assert_eq!(traces.endpoint.as_str(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!((traces.sample_ratio, traces.service_name.as_str()), (1.0, "minimcp"));
        let some = settings("[traces]\nendpoint = 'http://c.example'\nsample-ratio = 0.25").traces.unwrap();
        assert_eq!(some.sample_ratio, 0.25);
        for (given, path) in [
            ("https://c.example/", "/v1/traces"),
            ("https://c.example/otlp", "/otlp/v1/traces"),
            ("https://c.example/otlp/v1/traces/", "/otlp/v1/traces"),
        ] {
            let traces = settings(&format!("[traces]\nendpoint = '{given}'")).traces.unwrap();
            assert_eq!(traces.endpoint.path(), path, "{given}");
        }
    }

    #[test]
    fn headers_are_read_and_shown_by_name_only() {
        let file =
            "[traces]\nendpoint = 'https://c.example'\nheaders = ['Authorization=Basic aGk=', 'x-t=7']";
        let traces = settings(file).traces.unwrap();
        let read: Vec<_> =
            traces.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(read, [("authorization", "Basic aGk="), ("x-t", "7")]);
        assert!(!format!("{traces:?}").contains("aGk="));
    }

    #[test]
    fn what_will_not_do_is_told_with_what_would_and_without_a_secret() {
        for (file, told) in [
            ("endpoint = '127.0.0.1:4318'", "traces.endpoint"),
            ("endpoint = 'collector:4317'", "/v1/traces"),
            ("endpoint = 'https://me:hush-hush@c.example'", "traces.endpoint"),
            ("endpoint = 'https://c.example?key=hush-hush'", "traces.endpoint"),
            ("headers = ['a=hush-hush']", "traces.endpoint"),
            ("endpoint = 'https://c.example'\nheaders = ['hush-hush']", "traces.headers"),
            ("endpoint = 'http://c.example'\nheaders = ['a=hush-hush']", "traces.headers"),
            ("sample-ratio = '2'", "traces.sample-ratio"),
            ("timeout = '1h'", "traces.timeout"),
            ("service-name = ' '", "traces.service-name"),
        ] {
            let said = fault_of(&format!("[traces]\n{file}"));
            assert!(said.contains(told) && !said.contains("hush-hush"), "{file}: {said}");
        }
    }
}
