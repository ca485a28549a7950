//! Holding a JSON value against the schema of a type: as much of JSON Schema as our own types use.

use chrono::DateTime;
use serde_json::{Map, Value};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::api::problem::FieldError;
use crate::problem::{Code, Problem};

/// Everything in which the value is not as the schema of `T` has it.
///
/// # Errors
/// `unknown_field` if that is all there is, else `invalid_body`.
pub(super) fn faults<T: ToSchema>(value: &Value) -> Result<(), Problem> {
    let mut faults = Faults::default();
    let schemas = Schemas::of::<T>();
    schemas.check(&schemas.root, value, "", &mut faults);
    faults.or_problem()
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
            check_text(&Value::Null, name, &pointer, faults);
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
                None => self.check(&Value::Null, value, &pointer, faults),
            }
        }
    }
}

fn check_text(schema: &Value, text: &str, pointer: &str, faults: &mut Faults) {
    if text.contains('\0') {
        faults.add(pointer, "it must not hold the character U+0000, which the store cannot keep");
    }
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
