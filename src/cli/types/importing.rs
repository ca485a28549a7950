//! `types import`: a type from the registry of MCP servers, or from a file as it has them.

use std::fmt::Write;
use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::super::Context;
use super::super::failure::Failure;
use super::super::table;
use crate::api::import::{ImportType, ImportedType};

/// What to import.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// A server.json, or the name of a server in the daemon's registry, such as io.github.owner/server
    #[arg(value_name = "SERVER_JSON|NAME")]
    what: String,
    /// The version in the registry [default: the newest]
    #[arg(long = "at", value_name = "VERSION")]
    version: Option<String>,
    /// What to call the type [default: by the server's name]
    #[arg(long = "as", value_name = "NAME")]
    type_name: Option<String>,
    /// Approve what is shown without being asked
    #[arg(long)]
    yes: bool,
}

pub(super) async fn import(context: &mut Context, import: Import) -> Result<(), Failure> {
    let Import { what, version, type_name, yes } = import;
    let file = Path::new(&what);
    let is_file = file.is_file() || file.extension().is_some_and(|extension| extension == "json");
    let (server, name) = if is_file { (Some(read(file)?), None) } else { (None, Some(what)) };
    if server.is_some() && version.is_some() {
        return Err(Failure::usage("a file holds one version; --at is for the registry"));
    }
    let mut request = ImportType { server, name, version, type_name, ..ImportType::default() };
    let shown: ImportedType = context.client.post_json("/v1/types/import", &request).await?.read()?;
    // What is to be approved is shown even where only the result is wanted.
    context.output.note(description(&shown));
    if !yes {
        if !context.output.can_ask() {
            return Err(Failure::usage(format!("{} was not imported", shown.definition.name))
                .next("add --yes to approve exactly what is shown"));
        }
        let question =
            format!("Let every user of this daemon run this command, as {}?", shown.definition.name);
        if !context.output.confirm(&question)? {
            return Err(Failure::new("nothing was imported"));
        }
    }
    (request.approve, request.digest) = (true, Some(shown.digest));
    let answer =
        context.client.post_json("/v1/types/import", &request).await.map_err(|failure| {
            match failure.code() {
                Some("exists") => failure.next("--as NAME gives it another name"),
                _ => failure,
            }
        })?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let name = answer.read::<ImportedType>()?.definition.name;
    context.output.line(format!("{name} is imported; `minimcp types show {name}` tells what it takes"))
}

fn read(file: &Path) -> Result<Value, Failure> {
    let wrong = |error: String| Failure::usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// Everything there is to approve, nothing shortened.
fn description(import: &ImportedType) -> String {
    let definition = &import.definition;
    let source = definition.source.as_ref();
    let from = source.map_or(String::new(), |source| format!("{} {}", source.name, source.version));
    let mut rows = vec![
        ("type", format!("{} ({})", definition.name, definition.display_name)),
        ("from", from),
        ("description", definition.description.clone()),
    ];
    let fields = &definition.credential_fields;
    if fields.names().count() > 0 {
        rows.push(("credentials", fields.names().collect::<Vec<_>>().join(", ")));
    }
    for (key, field) in &definition.config_fields {
        let needed = if field.required { ", required" } else { "" };
        rows.push(("setting", format!("{key}{needed}: {}", field.description)));
    }
    let mut text = table::details(&rows);
    text.push_str("\n\nDANGER: every server of this type runs this command on the daemon\'s machine:\n\n  ");
    text.push_str(&import.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    for (name, value) in &import.environment {
        // Writing to a string does not fail.
        let _ = write!(text, "\n    with {name}={}", quoted(value));
    }
    text.push('\n');
    for danger in &import.dangers {
        let kind = serde_json::to_value(danger.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().replace('_', " ");
        let _ = write!(text, "\n  ! {kind}: {} in {}", danger.found, danger.at);
    }
    for warning in &import.warnings {
        let _ = write!(text, "\n  - {warning}");
    }
    text
}

/// A word as a shell would have it, so that nobody mistakes where it ends.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_{}".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_quoted_where_they_could_be_mistaken() {
        for (word, shown) in [
            ("--root={config.root}", "--root={config.root}"),
            ("@a/b@1.0.0", "@a/b@1.0.0"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm -rf /)", "'$(rm -rf /)'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn the_whole_command_is_shown_with_all_that_deserves_a_second_look() {
        let long = "x".repeat(3_000);
        let import: ImportedType = serde_json::from_value(serde_json::json!({
            "stored": false, "digest": "d", "type": null,
            "definition": {
                "name": "x", "display_name": "X", "package": {"registry": "npm", "name": "x", "version": "1.0.0"},
                "config_template": {"root": null}, "config_fields": {"root": {"required": true, "description": "where"}},
                "credential_fields": {"required": ["api_key"]},
                "source": {"name": "io.github.o/x", "version": "1.2.3"},
            },
            "command": ["node", "x@1.0.0", long, "--at=/etc"], "environment": {"MODE": "a b"},
            "dangers": [{"kind": "path_outside", "found": "/etc", "at": "command"}], "warnings": ["be careful"],
        }))
        .unwrap();
        let text = description(&import);
        for part in [
            format!("node x@1.0.0 {long} --at=/etc"),
            "DANGER".into(),
            "with MODE='a b'".into(),
            "! path outside: /etc in command".into(),
            "- be careful".into(),
            "io.github.o/x 1.2.3".into(),
            "root, required: where".into(),
            "api_key".into(),
        ] {
            assert!(text.contains(&part), "{part} is not in {text}");
        }
    }
}
