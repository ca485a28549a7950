//! Texts of a type with places in them that are filled for each launch: `{config.KEY}`, `{home}` and `{port}`.
//!
//! What users write reaches a command line only here, and only through keys that the type declares.

use std::path::{Component, Path};

use serde_json::{Map, Value};

use super::TypeDefinition;
use super::definition::ConfigKind;

/// One part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// The value of a key of the configuration.
    Config(&'a str),
    /// The directory of the instance.
    Home,
    /// The port it is to listen on.
    Port,
}

/// The parts of a text. Braces that hold nothing known are text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest, mut literal) = (Vec::new(), text, 0);
    let mut at = 0;
    while let Some(found) = rest[at..].find('{').map(|found| at + found) {
        let known = rest[found..].find('}').and_then(|length| {
            let inner = &rest[found + 1..found + length];
            Some((place(inner)?, found + length + 1))
        });
        match known {
            Some((part, end)) => {
                if found > literal {
                    parts.push(Part::Text(&rest[literal..found]));
                }
                parts.push(part);
                rest = &rest[end..];
                (at, literal) = (0, 0);
            }
            None => at = found + 1,
        }
    }
    if literal < rest.len() {
        parts.push(Part::Text(&rest[literal..]));
    }
    parts
}

fn place(inner: &str) -> Option<Part<'_>> {
    match inner {
        "home" => Some(Part::Home),
        "port" => Some(Part::Port),
        _ => inner.strip_prefix("config.").filter(|key| !key.is_empty()).map(Part::Config),
    }
}

/// What fills the places of one launch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) definition: &'a TypeDefinition,
    /// The configuration as it was merged and checked.
    pub(super) config: &'a Map<String, Value>,
    pub(super) home: &'a Path,
    pub(super) port: Option<u16>,
}

impl Filling<'_> {
    /// The texts that this one becomes: none if a place in it has no value, several if it holds a list.
    pub(super) fn fill(&self, text: &str) -> Vec<String> {
        let mut texts = vec![String::new()];
        for part in parts(text) {
            let values = match part {
                Part::Text(text) => vec![text.to_owned()],
                Part::Home => vec![self.home.display().to_string()],
                Part::Port => self.port.iter().map(u16::to_string).collect(),
                Part::Config(key) => self.values(key),
            };
            texts = texts
                .iter()
                .flat_map(|begun| values.iter().map(move |value| format!("{begun}{value}")))
                .collect();
        }
        texts
    }

    fn values(&self, key: &str) -> Vec<String> {
        let kind = self.definition.config_fields.get(key).map(|field| field.kind);
        let one = |value: &Value| {
            let text = scalar(value)?;
            let is_path = matches!(kind, Some(ConfigKind::File | ConfigKind::Directory));
            Some(if is_path { below(self.home, &text) } else { text })
        };
        match self.config.get(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
            Some(value) => one(value).into_iter().collect(),
        }
    }
}

/// The text of a value that can stand in an argument. The empty one is as good as none.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A path of the configuration as an absolute one.
fn below(home: &Path, path: &str) -> String {
    let given = Path::new(path).components().filter(|part| *part != Component::CurDir);
    home.join(given.collect::<std::path::PathBuf>())
        .components()
        .collect::<std::path::PathBuf>()
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_found_and_other_braces_are_text() {
        use Part::{Config, Home, Port, Text};
        for (text, expected) in [
            ("", vec![]),
            ("--strict", vec![Text("--strict")]),
            ("{config.root}", vec![Config("root")]),
            ("--at={home}/x:{port}", vec![Text("--at="), Home, Text("/x:"), Port]),
            ("{\"a\":{}}", vec![Text("{\"a\":{}}")]),
            ("{a{home}", vec![Text("{a"), Home]),
            ("{config.}{", vec![Text("{config.}{")]),
            ("}{port}}", vec![Text("}"), Port, Text("}")]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_place_without_a_value_leaves_the_text_out_and_a_list_repeats_it() {
        let definition: TypeDefinition = serde_json::from_value(json!({
            "name": "x", "display_name": "X", "command": "x",
            "config_template": {"roots": null, "level": null, "data": null, "tags": null},
            "config_fields": {"roots": {"kind": "directory"}, "data": {"kind": "file"}},
        }))
        .unwrap();
        let config = json!({"roots": [".", "a/./b"], "tags": ["q", 1, true, null], "data": "/srv/data"});
        let filling = Filling {
            definition: &definition,
            config: config.as_object().unwrap(),
            home: Path::new("/home/i"),
            port: Some(7),
        };
        for (text, expected) in [
            ("plain", vec!["plain"]),
            ("{config.roots}", vec!["/home/i", "/home/i/a/b"]),
            ("--tag={config.tags}", vec!["--tag=q", "--tag=1", "--tag=true"]),
            ("--level={config.level}", vec![]),
            ("{config.data}:{port}", vec!["/srv/data:7"]),
            ("{home}/memory.jsonl", vec!["/home/i/memory.jsonl"]),
        ] {
            assert_eq!(filling.fill(text), expected, "{text}");
        }
        assert_eq!(Filling { port: None, ..filling }.fill("--port={port}"), [""; 0]);
    }
}
