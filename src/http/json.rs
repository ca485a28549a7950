//! Reading JSON bodies so that the answer to a wrong one says everything that is wrong with it.
//!
//! A body is held against the schema of its type, the same that the OpenAPI document shows, so every fault
//! has its place and none hides another.

use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schema::faults;
use super::unique::Unique;
use crate::problem::{Code, Problem};

/// The value that a body holds. An empty body stands for `{}` where nothing in it is required.
///
/// # Errors
/// `unsupported_media_type`, `malformed_json`, `unknown_field` or `invalid_body`.
pub(crate) fn parse<T: DeserializeOwned + ToSchema>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return checked(Value::Object(Map::new()));
    }
    if !is_json(headers) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send JSON with `Content-Type: application/json`",
        ));
    }
    // serde_json refuses more than 128 levels by itself, so no nesting can exhaust the stack.
    let Unique(value) = serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            Code::MalformedJson,
            format!("at line {}, column {}: {error}", error.line(), error.column()),
        )
    })?;
    checked(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

fn checked<T: DeserializeOwned + ToSchema>(value: Value) -> Result<T, Problem> {
    faults::<T>(&value)?;
    serde_json::from_value(value).map_err(|error| Problem::at(Code::InvalidBody, "", error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::api::instance::CreateInstance;

    fn read(body: &str) -> Result<CreateInstance, Problem> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        parse(&headers, body.as_bytes())
    }

    fn faults(body: &Value) -> (Code, Vec<(String, String)>) {
        let problem = read(&body.to_string()).unwrap_err();
        let errors = problem.document().errors;
        (problem.code(), errors.into_iter().map(|error| (error.pointer, error.detail)).collect())
    }

    #[test]
    fn a_good_body_is_read_whole() {
        let body = json!({
            "mcp_type": "github", "credential_id": Uuid::nil(), "expires_at": "2030-01-01T00:00:00+01:00",
            "config": {"a": {"b": [1]}}, "restart": {"policy": "transient", "intensity": 3},
            "limits": {"max_memory_mb": 100}, "name": null, "debug": true
        });
        let read = read(&body.to_string()).unwrap();
        assert_eq!(read.restart.unwrap().intensity, Some(3));
        assert_eq!(read.limits.unwrap().max_memory_mb, Some(100));
        assert_eq!(read.config.unwrap()["a"], json!({"b": [1]}));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let (code, faults) = faults(&json!({
            "credential_id": "no", "expiration_minutes": 1.5, "expires_at": "tomorrow", "config": [],
            "name": "", "debug": "yes", "idle_timeout_seconds": 0, "restart": {"policy": "sometimes"},
            "limits": {"max_memory_mb": -1, "a/b": 1}
        }));
        assert_eq!(code, Code::InvalidBody);
        let places: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        for place in [
            "/mcp_type",
            "/credential_id",
            "/expiration_minutes",
            "/expires_at",
            "/config",
            "/name",
            "/debug",
            "/idle_timeout_seconds",
            "/restart/policy",
            "/limits/max_memory_mb",
            "/limits/a~1b",
        ] {
            assert!(places.contains(&place), "{place} is missing in {faults:?}");
        }
    }

    #[test]
    fn unknown_fields_alone_have_their_own_code_and_are_named() {
        let (code, faults) = faults(&json!({"mcp_type": "github", "command": "sh", "limits": {"x": 1}}));
        assert_eq!(code, Code::UnknownField);
        assert_eq!(faults[0].0, "/command");
        assert!(faults[0].1.contains("credential_id"));
        assert_eq!(faults[1].0, "/limits/x");
    }

    #[test]
    fn what_is_not_json_is_refused_whatever_its_depth() {
        let code = |body: &str| read(body).unwrap_err().code();
        for body in ["{", "nothing", "{\"mcp_type\": \"a\"} x", "\u{feff}{}", "{\"mcp_type\": \"\\ud800\"}"] {
            assert_eq!(code(body), Code::MalformedJson, "{body}");
        }
        assert_eq!(code(&"[".repeat(200_000)), Code::MalformedJson);
        assert_eq!(code(&"{\"config\":".repeat(50_000)), Code::MalformedJson);
        assert_eq!(code("[]"), Code::InvalidBody);
        assert_eq!(code("null"), Code::InvalidBody);
        assert_eq!(code(""), Code::InvalidBody, "an empty body lacks what is required");
        assert_eq!(code("{\"mcp_type\": \"a\", \"expiration_minutes\": 99999999999}"), Code::InvalidBody);
        let form = parse::<CreateInstance>(&HeaderMap::new(), b"{}").unwrap_err();
        assert_eq!(form.code(), Code::UnsupportedMediaType);
    }
}
