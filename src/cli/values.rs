//! Readers of values on the command line: text in, value or the words for the person who wrote it out.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::{Map, Value};

/// `key=value`. The value may be empty and may hold further equals signs.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}

/// JSON where it is JSON, else the text itself.
pub(crate) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A JSON object.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it has to be a JSON object, such as '{\"owner\": \"me\"}'".into()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

/// Pairs as one JSON object, each value JSON where it is JSON.
pub(crate) fn object_of_pairs(pairs: &[(String, String)]) -> Map<String, Value> {
    pairs.iter().map(|(key, value)| (key.clone(), json_or_text(value))).collect()
}

/// A time span of at least a second.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if span >= Duration::from_secs(1) => Ok(span),
        Ok(_) => Err("it has to be at least 1s".into()),
        Err(_) => Err("write a time with its unit, such as 90s, 30m, 2h or 1d".into()),
    }
}

/// A time span that may be nothing.
pub(crate) fn span_or_zero(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { span(text) }
}

/// A moment: RFC 3339, or a day, which stands for its first moment in UTC.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    text.parse::<NaiveDate>()
        .map(|day| day.and_time(NaiveTime::MIN).and_utc())
        .map_err(|_| "write a day or a time in RFC 3339, such as 2030-12-31 or 2030-12-31T18:00:00Z".into())
}

/// Whole seconds as the API takes them.
pub(crate) fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

/// The end of a lease as the API takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// In minutes from now.
    pub(crate) minutes: Option<u32>,
    /// As a moment.
    pub(crate) until: Option<DateTime<Utc>>,
}

/// Whole minutes are counted by the daemon, so that its clock and ours need not agree; anything finer has to
/// be a moment.
pub(crate) fn lease(span: Duration, now: DateTime<Utc>) -> Lease {
    match u32::try_from(span.as_secs() / 60) {
        Ok(minutes) if span.subsec_nanos() == 0 && span.as_secs().is_multiple_of(60) => {
            Lease { minutes: Some(minutes), until: None }
        }
        _ => {
            let until = chrono::Duration::from_std(span).ok().and_then(|span| now.checked_add_signed(span));
            Lease { minutes: None, until: Some(until.unwrap_or(DateTime::<Utc>::MAX_UTC)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pair_is_cut_at_its_first_equals_sign() {
        assert_eq!(pair("q=a=b"), Ok(("q".into(), "a=b".into())));
        assert_eq!(pair(" q ="), Ok(("q".into(), String::new())));
        assert!(pair("q").is_err() && pair("=a").is_err() && pair("").is_err());
    }

    #[test]
    fn values_are_json_where_they_are_and_text_otherwise() {
        for (text, value) in [
            ("3", json!(3)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("[1, \"a\"]", json!([1, "a"])),
            ("\"3\"", json!("3")),
            ("open", json!("open")),
            ("", json!("")),
            ("{no", json!("{no")),
        ] {
            assert_eq!(json_or_text(text), value, "{text}");
        }
    }

    #[test]
    fn only_an_object_is_an_object() {
        assert_eq!(json_object("{\"a\": 1}").unwrap()["a"], 1);
        assert!(json_object("[1]").unwrap_err().contains("object"));
        assert!(json_object("{").unwrap_err().contains("JSON"));
    }

    #[test]
    fn a_span_needs_a_unit_and_at_least_a_second() {
        assert_eq!(span("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert!(span("30").unwrap_err().contains("30m"));
        assert!(span("5ms").unwrap_err().contains("at least"));
        assert!(span("-3s").is_err());
        assert_eq!(span_or_zero("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_day_is_its_first_moment() {
        assert_eq!(moment("2030-12-31").unwrap().to_rfc3339(), "2030-12-31T00:00:00+00:00");
        assert_eq!(moment("2030-12-31T18:00:00+02:00").unwrap().to_rfc3339(), "2030-12-31T16:00:00+00:00");
        assert!(moment("tomorrow").is_err());
    }

    #[test]
    fn a_lease_is_in_minutes_where_it_can_be() {
        let now = moment("2030-01-01").unwrap();
        assert_eq!(lease(Duration::from_secs(7_200), now), Lease { minutes: Some(120), until: None });
        let fine = lease(Duration::from_secs(90), now);
        assert_eq!((fine.minutes, fine.until), (None, Some(now + chrono::Duration::seconds(90))));
        assert_eq!(lease(Duration::from_secs(u64::MAX), now).until, Some(DateTime::<Utc>::MAX_UTC));
    }
}
