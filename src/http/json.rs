//! Reading JSON bodies so that the answer to a wrong one says everything that is wrong with it.
//!
//! A body is held against the schema of its type, the same that the OpenAPI document shows, so every fault
//! has its place and none hides another.

use chrono::DateTime;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::api::problem::FieldError;
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
    let value = serde_json::from_slice(body).map_err(|error| {
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
    let mut faults = Faults::default();
    let schemas = Schemas::of::<T>();
    schemas.check(&schemas.root, &value, "", &mut faults);
    faults.or_problem()?;
    serde_json::from_value(value).map_err(|error| Problem::at(Code::InvalidBody, "", error.to_string()))
}

#[derive(Debug, Default)]
struct Faults {
    unknown: Vec<FieldError>,
    wrong: Vec<FieldError>,
}

impl Faults {
    fn add(&mut self, pointer: &str, detail: impl Into<String>) {
        self.wrong.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    fn or_problem(self) -> Result<(), Problem> {
        let code = match (self.unknown.is_empty(), self.wrong.is_empty()) {
            (true, true) => return Ok(()),
            (false, true) => Code::UnknownField,
            (_, false) => Code::InvalidBody,
        };
        let errors: Vec<FieldError> = self.wrong.into_iter().chain(self.unknown).collect();
        let places: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", shown(&error.pointer), error.detail)).collect();
        Err(Problem::new(code, places.join("; ")).with_errors(errors))
    }
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

/// The schema of a type with those it refers to, as JSON.
struct Schemas {
    root: Value,
    named: Map<String, Value>,
}

impl Schemas {
    fn of<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        let json = |schema| serde_json::to_value(schema).expect("a schema is plain data");
        let named = named.into_iter().map(|(name, schema)| (name, json(schema))).collect();
        Self { root: json(<T as PartialSchema>::schema()), named }
    }

    fn check(&self, schema: &Value, value: &Value, pointer: &str, faults: &mut Faults) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(target) = self.named.get(name) {
                self.check(target, value, pointer, faults);
            }
            return;
        }
        if let Some(all) = schema["allOf"].as_array() {
            for part in all {
                self.check(part, value, pointer, faults);
            }
            return;
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            self.check_choices(choices, value, pointer, faults);
            return;
        }
        if !fits_type(&schema["type"], value) {
            let wanted = words(&schema["type"]);
            faults.add(pointer, format!("it has to be {wanted}, not {}", kind_of(value)));
            return;
        }
        match value {
            Value::Object(fields) => self.check_object(schema, fields, pointer, faults),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{pointer}/{n}"), faults);
                }
            }
            Value::String(text) => check_text(schema, text, pointer, faults),
            Value::Number(number) => check_number(schema, number, pointer, faults),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// `null` or something: the faults of the something are the ones worth telling.
    fn check_choices(&self, choices: &[Value], value: &Value, pointer: &str, faults: &mut Faults) {
        let mut best: Option<Faults> = None;
        for choice in choices {
            let mut found = Faults::default();
            self.check(choice, value, pointer, &mut found);
            if found.wrong.is_empty() && found.unknown.is_empty() {
                return;
            }
            if choice["type"] != "null" {
                best.get_or_insert(found);
            }
        }
        let best = best.unwrap_or_default();
        faults.wrong.extend(best.wrong);
        faults.unknown.extend(best.unknown);
    }

    fn check_object(&self, schema: &Value, fields: &Map<String, Value>, pointer: &str, faults: &mut Faults) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                faults.add(&join(pointer, name), "it is missing");
            }
        }
        let rest = &schema["additionalProperties"];
        for (name, value) in fields {
            let pointer = join(pointer, name);
            match schema["properties"].get(name) {
                Some(known) => self.check(known, value, &pointer, faults),
                None if rest == &Value::Bool(false) => {
                    let known: Vec<&str> = schema["properties"]
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.as_str())
                        .collect();
                    let detail = format!("there is no such field; there are {}", known.join(", "));
                    faults.unknown.push(FieldError { pointer, detail });
                }
                None if rest.is_object() => self.check(rest, value, &pointer, faults),
                None => {}
            }
        }
    }
}

fn check_text(schema: &Value, text: &str, pointer: &str, faults: &mut Faults) {
    if let Some(words) = schema["enum"].as_array()
        && !words.iter().any(|word| word == text)
    {
        let known: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        faults.add(pointer, format!("it has to be one of {}", known.join(", ")));
    }
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|min| length < min) {
        faults.add(pointer, format!("it has to be {} characters or more", schema["minLength"]));
    }
    if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
        faults.add(pointer, format!("it has to be {} characters or less", schema["maxLength"]));
    }
    match schema["format"].as_str() {
        Some("uuid") if Uuid::try_parse(text).is_err() => faults.add(pointer, "it has to be a UUID"),
        Some("date-time") if DateTime::parse_from_rfc3339(text).is_err() => {
            faults.add(pointer, "it has to be a time as RFC 3339 writes it, such as 2030-01-31T12:00:00Z");
        }
        _ => {}
    }
}

fn check_number(schema: &Value, number: &serde_json::Number, pointer: &str, faults: &mut Faults) {
    let Some(number) = number.as_f64() else { return };
    if let Some(minimum) = schema["minimum"].as_f64().filter(|minimum| number < *minimum) {
        faults.add(pointer, format!("it has to be {minimum} or more"));
    }
    if let Some(maximum) = schema["maximum"].as_f64().filter(|maximum| number > *maximum) {
        faults.add(pointer, format!("it has to be {maximum} or less"));
    }
}

fn fits_type(wanted: &Value, value: &Value) -> bool {
    let fits = |wanted: &str| match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    match wanted {
        Value::String(wanted) => fits(wanted),
        Value::Array(wanted) => wanted.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}

fn words(wanted: &Value) -> String {
    let word = |wanted: &str| match wanted {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "null",
    };
    match wanted {
        Value::Array(wanted) => {
            let words: Vec<&str> = wanted.iter().filter_map(Value::as_str).map(word).collect();
            words.join(" or ")
        }
        wanted => word(wanted.as_str().unwrap_or_default()).into(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn join(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
