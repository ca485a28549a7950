//! The configuration of an instance: its owner's wishes over the template of its type.

use serde_json::{Map, Value};

use super::TypeDefinition;
use super::fault::{FaultKind, Faults, Invalid};
use super::fields::{misfit, misfit_of_argument};
use super::validate::MAX_CONFIG;
use super::variables;

/// What the server gets: `wishes` over the template, key by key. A value is replaced whole, not merged deeper.
///
/// # Errors
/// [`Invalid`] with every key that is called like a variable that steers loaders, is locked, not declared (where
/// the template declares any), of another kind than the template's or not as its field has it, with every required
/// key without a value, and if the whole is over 64 KiB or holds NUL.
pub fn merge(
    definition: &TypeDefinition,
    wishes: &Map<String, Value>,
) -> Result<Map<String, Value>, Invalid> {
    let template = &definition.config_template;
    let mut faults = Faults::default();
    for (key, wish) in wishes {
        let path = ["config", key.as_str()];
        if variables::steers(key) {
            // A server may well copy its configuration into its environment.
            faults.add(&path, "is a variable that changes how programs are loaded or found, and no setting");
            continue;
        }
        if definition.config_locked.contains(key) {
            faults.add(&path, "is set by an administrator and cannot be changed");
            continue;
        }
        match template.get(key) {
            None if template.is_empty() => {}
            None => faults.add_kind(FaultKind::Unknown, &path, "is not a setting of this type"),
            Some(value) if has_no_value(value) || kind(value) == kind(wish) => {}
            Some(value) => {
                faults.add(&path, format!("must be {}", kind(value)));
                continue;
            }
        }
        if let Some(field) = definition.config_fields.get(key) {
            let items = wish.as_array().map_or(std::slice::from_ref(wish), Vec::as_slice);
            items.iter().filter_map(|item| misfit(field, item)).for_each(|words| faults.add(&path, words));
        }
        if let Some(words) = misfit_of_argument(definition, key, wish) {
            faults.add(&path, words);
        }
    }
    let mut merged: Map<String, Value> = template
        .iter()
        .filter(|(_, value)| !has_no_value(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    merged.extend(wishes.iter().map(|(key, wish)| (key.clone(), wish.clone())));
    for (key, field) in &definition.config_fields {
        if field.required && merged.get(key).is_none_or(has_no_value) {
            faults.add_kind(FaultKind::Missing, &["config", key], "is required by this type");
        }
    }
    let text = Value::from(merged.clone()).to_string();
    faults.require(text.len() <= MAX_CONFIG, &["config"], "must be at most 64 KiB of JSON");
    // PostgreSQL refuses it in JSON, so SQLite must not take it either.
    faults.require(!text.contains("\\u0000"), &["config"], "must not hold NUL");
    faults.or(merged)
}

/// Whether a template only declares a key. TOML has no null, so the empty string says the same.
pub(super) fn has_no_value(value: &Value) -> bool {
    value.is_null() || value == ""
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Invalid, TypeDefinition};
    use super::merge;
    use serde_json::{Map, Value, json};

    fn merged(template: Value, locked: &[&str], wishes: Value) -> Result<Map<String, Value>, Invalid> {
        let definition: TypeDefinition = serde_json::from_value(json!({
            "name": "x", "display_name": "X", "command": "x", "config_template": template, "config_locked": locked,
        }))
        .unwrap();
        merge(&definition, wishes.as_object().unwrap())
    }

    #[test]
    fn wishes_replace_what_the_template_says_and_leave_the_rest() {
        let template = json!({"timeout_ms": 30_000, "scopes": ["a", "b"], "region": ""});
        let plain = merged(template.clone(), &[], json!({})).unwrap();
        assert_eq!(Value::from(plain), json!({"timeout_ms": 30_000, "scopes": ["a", "b"]}));
        let wished = merged(template, &[], json!({"scopes": ["c"], "region": 7})).unwrap();
        assert_eq!(Value::from(wished), json!({"timeout_ms": 30_000, "scopes": ["c"], "region": 7}));
    }

    #[test]
    fn locked_undeclared_and_misfit_keys_are_all_refused_at_once() {
        let template = json!({"url": "https://a", "timeout_ms": 1});
        let invalid =
            merged(template, &["url"], json!({"url": "https://b", "timeout_ms": "1", "uid": 0})).unwrap_err();
        let mut places: Vec<_> = invalid.faults.iter().map(|fault| fault.pointer.as_str()).collect();
        places.sort_unstable();
        assert_eq!(places, ["/config/timeout_ms", "/config/uid", "/config/url"]);
    }

    #[test]
    fn nobody_configures_how_programs_are_loaded() {
        for key in ["NODE_OPTIONS", "LD_PRELOAD", "PATH", "NODE_PATH", "HTTPS_PROXY"] {
            let invalid = merged(json!({}), &[], json!({key: "x"})).unwrap_err();
            assert_eq!(invalid.faults[0].pointer, format!("/config/{key}"));
        }
        assert!(merged(json!({}), &[], json!({"path": "/mail", "env": "test"})).is_ok());
    }

    #[test]
    fn a_type_without_a_template_takes_any_configuration_within_bounds() {
        assert!(merged(json!({}), &[], json!({"any": {"thing": [1, null]}})).is_ok());
        let long = "x".repeat(64 * 1024);
        assert_eq!(merged(json!({}), &[], json!({"a": long})).unwrap_err().faults[0].pointer, "/config");
        assert_eq!(merged(json!({}), &[], json!({"a": ["\0"]})).unwrap_err().faults[0].pointer, "/config");
    }
}
