//! What every operation of the document can answer beside what it says itself: the refusals of the edge, which
//! come before a handler is asked.

use http::StatusCode;
use serde_json::{Map, Value, json};

const PROBLEM: &str = "#/components/schemas/ProblemDocument";

/// Adds the refusals of the edge, gives problems their media type and every answer its words.
pub(super) fn complete(document: &mut Value) {
    without_signs(document);
    let bodies = document["components"]["schemas"].clone();
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let refusals = refusals(operation);
        if let Some(body) = operation.get_mut("requestBody")
            && let Some(name) = body["content"]["application/json"]["schema"]["$ref"].as_str()
            && let Some(schema) = name.rsplit('/').next().map(|name| &bodies[name])
        {
            // An empty body stands for one without fields.
            body["required"] = schema["required"].is_array().into();
        }
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for status in refusals {
            let problem = json!({"content": {"application/problem+json": {"schema": {"$ref": PROBLEM}}}});
            responses.entry(status.to_string()).or_insert(problem);
        }
        for (status, response) in responses {
            describe(status, response);
        }
    }
}

/// Numbers that cannot be negative are called `int32`, too, though half of them do not fit in one.
fn without_signs(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_signs),
        Value::Object(fields) => {
            if fields.get("minimum").is_some_and(|minimum| minimum.as_u64().is_some()) {
                fields.remove("format");
            }
            fields.values_mut().for_each(without_signs);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What the edge refuses on the way to this operation.
fn refusals(operation: &Value) -> Vec<u16> {
    let mut statuses = vec![400, 403];
    if operation["security"] != json!([{}]) {
        // Whatever reads rows may find one that was altered outside, whatever writes one that has changed meanwhile.
        statuses.extend([401, 409, 429, 503, 507]);
    }
    if operation["requestBody"].is_object() {
        statuses.extend([408, 413, 415, 422]);
    }
    statuses
}

fn describe(status: &str, response: &mut Value) {
    let Some(response) = response.as_object_mut() else { return };
    let words = status.parse().ok().map_or("", words);
    response.entry("description").or_insert_with(|| words.into());
    let content = response.get_mut("content").and_then(Value::as_object_mut);
    if let Some(content) = content
        && content.get("application/json").is_some_and(|json| json["schema"]["$ref"] == PROBLEM)
        && let Some(problem) = content.remove("application/json")
    {
        content.insert("application/problem+json".into(), problem);
    }
}

fn words(status: u16) -> &'static str {
    match status {
        200 => "As asked",
        201 => "It is made",
        204 => "It is done",
        400 => "An id, a parameter, a header or the JSON does not hold",
        401 => "No token, or one that does not hold",
        403 => "Not for this role, host or origin",
        404 => "There is none, or it is somebody else's",
        408 => "Not in time",
        409 => "It does not fit what is there",
        413 => "The body is too large",
        415 => "The body is no JSON",
        422 => "The body does not hold; `errors` says where",
        429 => "Too many requests, or a limit is reached; `Retry-After` says when to try again",
        502 => "The server did not start or did not answer as it should",
        503 => "Not now; `Retry-After` says when to try again",
        507 => "The disk is full, and nothing was changed",
        other => StatusCode::from_u16(other).ok().and_then(|status| status.canonical_reason()).unwrap_or(""),
    }
}
