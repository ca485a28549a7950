//! What the fields of a configuration let be: values of a kind, from a choice, paths that stay where they may, and
//! nothing that a program would take for an option.

use std::path::{Component, Path};

use serde_json::Value;

use super::config::has_no_value;
use super::definition::{ConfigField, ConfigKind, TypeDefinition};
use super::template::{self, Part};
use super::validate::{MAX_TEXT, is_clean_absolute};

/// In what a value is not as its field has it.
pub(super) fn misfit(field: &ConfigField, value: &Value) -> Option<String> {
    if has_no_value(value) {
        return None;
    }
    let fits = match field.kind {
        ConfigKind::String | ConfigKind::File | ConfigKind::Directory => value.is_string(),
        ConfigKind::Number => value.is_number(),
        ConfigKind::Boolean => value.is_boolean(),
    };
    if !fits {
        let wanted = match field.kind {
            ConfigKind::String => "a string",
            ConfigKind::Number => "a number",
            ConfigKind::Boolean => "a boolean",
            ConfigKind::File | ConfigKind::Directory => "a path",
        };
        return Some(format!("must be {wanted}"));
    }
    let text = template::scalar(value)?;
    if !field.choices.is_empty() && !field.choices.contains(&text) {
        return Some(format!("must be one of {}", field.choices.join(", ")));
    }
    let is_path = matches!(field.kind, ConfigKind::File | ConfigKind::Directory);
    (is_path && !may_lead_there(field, &text)).then(|| match field.below.as_slice() {
        [] => "must be a relative path without .., below the directory of the instance".to_owned(),
        below => format!(
            "must be a relative path without .., below the directory of the instance, or lie in {}",
            below.join(", ")
        ),
    })
}

/// Whether a path stays where its field lets it, as far as its text can tell.
fn may_lead_there(field: &ConfigField, path: &str) -> bool {
    if Path::new(path).is_absolute() {
        return is_clean_absolute(path)
            && field.below.iter().any(|directory| Path::new(path).starts_with(directory));
    }
    !path.contains(['\0', '\\'])
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Why a value cannot stand in the arguments or variables that its key fills. What a user writes is never an option
/// of a program: at the beginning of an argument it has no hyphen.
pub(super) fn misfit_of_argument(
    definition: &TypeDefinition,
    key: &str,
    wish: &Value,
) -> Option<&'static str> {
    let fills = |text: &str| template::parts(text).contains(&Part::Config(key));
    let begins = |text: &String| template::parts(text).first() == Some(&Part::Config(key));
    if !definition.args.iter().chain(definition.env.values()).any(|text| fills(text)) {
        return None;
    }
    let items = wish.as_array().map_or(std::slice::from_ref(wish), Vec::as_slice);
    for item in items.iter().filter(|item| !has_no_value(item)) {
        let Some(text) = template::scalar(item) else {
            return Some("must be a text, a number, true or false, or a list of these");
        };
        if text.len() > MAX_TEXT || text.contains(['\0', '\n', '\r']) {
            return Some("must be one line of at most 4,096 bytes");
        }
        let is_choice = definition.config_fields.get(key).is_some_and(|field| field.choices.contains(&text));
        if text.starts_with('-') && item.is_string() && !is_choice && definition.args.iter().any(begins) {
            return Some("must not begin with a hyphen: it is an argument, not an option");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::Invalid;
    use super::super::config::merge;
    use super::*;

    fn definition() -> TypeDefinition {
        let definition: TypeDefinition = serde_json::from_value(json!({
            "name": "x", "display_name": "X", "command": "x",
            "args": ["{config.root}", "--level={config.level}", "{config.mode}", "{config.depth}"],
            "env": {"REGION": "{config.region}"},
            "config_template": {
                "root": ".", "level": null, "mode": null, "depth": null, "region": null, "log": null, "free": null,
            },
            "config_fields": {
                "root": {"kind": "directory", "required": true, "below": ["/srv/shared"]},
                "log": {"kind": "file"},
                "level": {"choices": ["low", "high"]},
                "mode": {"choices": ["-r", "-w"]},
                "depth": {"kind": "number"},
            },
        }))
        .unwrap();
        definition.check().unwrap();
        definition
    }

    fn merged(wishes: Value) -> Result<Map<String, Value>, Invalid> {
        merge(&definition(), wishes.as_object().unwrap())
    }

    #[test]
    fn values_that_their_fields_let_be_are_taken() {
        for wishes in [
            json!({}),
            json!({"root": "a/b", "level": "high", "mode": "-r", "depth": -5, "region": "eu-1", "free": "-x"}),
            json!({"root": "/srv/shared/x", "log": "logs/today.txt"}),
        ] {
            assert!(merged(wishes.clone()).is_ok(), "{wishes}");
        }
    }

    #[test]
    fn a_path_that_leaves_its_place_and_a_value_of_another_kind_are_refused() {
        for (key, value) in [
            ("root", json!("..")),
            ("root", json!("a/../../b")),
            ("root", json!("/etc")),
            ("root", json!("/srv/shared/../../etc")),
            ("root", json!("/srv/sharedness")),
            ("root", json!("a\\b")),
            ("root", json!("")),
            ("root", json!(["a", "/etc"])),
            ("log", json!("/var/log/x")),
            ("log", json!(7)),
            ("level", json!("middle")),
            ("mode", json!("-x")),
            ("depth", json!("5")),
        ] {
            let refused = merged(json!({key: value})).unwrap_err();
            assert!(
                refused.faults.iter().all(|fault| fault.pointer == format!("/config/{key}")),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_a_user_writes_is_never_an_option_of_a_program_and_never_a_second_line() {
        let definition: TypeDefinition = serde_json::from_value(json!({
            "name": "x", "display_name": "X", "command": "x", "args": ["{config.query}", "--q={config.other}"],
            "config_template": {"query": null, "other": null},
        }))
        .unwrap();
        let refused = |wishes: Value| merge(&definition, wishes.as_object().unwrap()).is_err();
        for value in
            [json!("--inspect=0.0.0.0"), json!("-e"), json!(["a", "-b"]), json!("a\nb"), json!({"a": 1})]
        {
            assert!(refused(json!({"query": value})), "{value}");
        }
        assert!(!refused(json!({"query": "a -b", "other": "-5"})));
        assert!(refused(json!({"other": "x".repeat(MAX_TEXT + 1)})));
    }
}
