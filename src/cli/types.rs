//! `types`: the recipes that instances are made from.

mod importing;
mod installing;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::{Context, instances, table};
use crate::api::Page;
use crate::api::instance::DeclaredLimits;
use crate::api::mcp_type::McpType;

/// The types of servers: what there is to create instances from
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  minimcp types\n  minimcp types show github\n  minimcp types add weather.toml\n  minimcp types import server.json"
)]
pub(crate) struct Types {
    #[command(subcommand)]
    command: Option<TypesCommand>,
}

#[derive(Debug, Subcommand)]
enum TypesCommand {
    /// List the types
    Ls,
    /// Show everything about a type, with the credentials it needs
    Show {
        /// Its name
        name: String,
    },
    /// Register a type from a TOML or JSON file; for administrators
    Add {
        /// The file
        file: PathBuf,
        /// Change the type of this name instead of making a new one
        #[arg(long)]
        replace: bool,
    },
    /// Import a type from a server.json or from the registry of MCP servers; for administrators
    Import(importing::Import),
    /// Install the package of a type now, not at the start of its first instance; for administrators
    Install {
        /// Its name
        name: String,
    },
    /// Remove a type that no instance uses, with the package that only it names; for administrators
    Rm {
        /// Its name
        name: String,
    },
}

impl Types {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        match self.command.unwrap_or(TypesCommand::Ls) {
            TypesCommand::Ls => ls(context).await,
            TypesCommand::Show { name } => show(context, &name).await,
            TypesCommand::Add { file, replace } => add(context, &file, replace).await,
            TypesCommand::Import(import) => importing::import(context, import).await,
            TypesCommand::Install { name } => installing::install(context, &name).await,
            TypesCommand::Rm { name } => rm(context, &name).await,
        }
    }
}

async fn ls(context: &mut Context) -> Result<(), Failure> {
    let answer = context.client.list("/v1/types", &[]).await?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let page: Page<McpType> = answer.read()?;
    let mut list = table::table(&context.output, &["name", "lane", "credentials", "description"]);
    for mcp_type in &page.items {
        let required = mcp_type.credential_fields.required.join(", ");
        list.add_row([
            Cell::new(&mcp_type.name),
            Cell::new(word(mcp_type.lane)),
            Cell::new(if required.is_empty() { table::NOTHING } else { &required }),
            Cell::new(&mcp_type.description),
        ]);
    }
    context.output.table(&list, "There are no types. `minimcp types add FILE` registers one.")
}

async fn show(context: &mut Context, name: &str) -> Result<(), Failure> {
    let answer = context.client.get(&path(name), &[]).await.map_err(advised)?;
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let text = description(&answer.read()?);
    context.output.line(text)
}

async fn add(context: &mut Context, file: &Path, replace: bool) -> Result<(), Failure> {
    let definition = definition(file)?;
    let answer = if replace {
        let name = definition.get("name").and_then(Value::as_str).ok_or_else(|| {
            Failure::usage(format!("{}: `name` is missing", file.display())).next("say which type is meant")
        })?;
        context.client.put(&path(name), &definition).await?
    } else {
        let added = context.client.post_json("/v1/types", &definition).await;
        added.map_err(|failure| match failure.code() {
            Some("exists") => failure.next("--replace changes the type that is there"),
            _ => failure,
        })?
    };
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    let mcp_type: McpType = answer.read()?;
    context.output.line(format!("{0} is registered; `minimcp create {0}` makes an instance", mcp_type.name))
}

async fn rm(context: &mut Context, name: &str) -> Result<(), Failure> {
    let answer = context.client.delete(&path(name), &[]).await.map_err(|failure| match failure.code() {
        Some("type_in_use") => failure.next(format!(
            "`minimcp ls --type {name}` lists the instances, `minimcp credentials` your credential sets"
        )),
        _ => advised(failure),
    })?;
    if context.output.json() {
        context.output.text(&answer.0)
    } else {
        context.output.line(format!("{name} is removed"))
    }
}

/// The type's own route. A name cannot leave it: whatever is no plain character is escaped.
pub(crate) fn path(name: &str) -> String {
    let name = url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20");
    format!("/v1/types/{name}")
}

pub(crate) fn advised(failure: Failure) -> Failure {
    match failure.code() {
        Some("type_not_found") => failure.next("`minimcp types` lists the types"),
        _ => failure,
    }
}

/// A definition as JSON. A file that ends in `.json` is JSON, any other TOML.
fn definition(file: &Path) -> Result<Value, Failure> {
    let wrong = |error: String| Failure::usage(format!("{}: {}", file.display(), error.trim_end()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let json = file.extension().is_some_and(|extension| extension == "json");
    let value = if json {
        serde_json::from_str::<Value>(&text).map_err(|error| wrong(error.to_string()))?
    } else {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
        serde_json::to_value(table).map_err(|error| wrong(error.to_string()))?
    };
    if value.is_object() { Ok(value) } else { Err(wrong("it has to hold one type, as an object".into())) }
}

/// The name in the API of a value that is one of several words.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn description(mcp_type: &McpType) -> String {
    let fields = &mcp_type.credential_fields;
    let listed = |items: &[String]| {
        if items.is_empty() { table::NOTHING.into() } else { items.join(", ") }
    };
    let package = mcp_type.package.as_ref().map(ToString::to_string);
    let program =
        mcp_type.server_script.iter().chain(&mcp_type.command).chain(&package).chain(&mcp_type.args);
    let health = &mcp_type.health_check;
    let limits = mcp_type.resource_limits;
    let declared = DeclaredLimits {
        max_memory_mb: limits.max_memory_mb,
        max_cpu_percent: limits.max_cpu_percent,
        max_processes: limits.max_processes,
    };
    let endpoint = health.endpoint.as_ref().map_or(String::new(), |endpoint| format!(" {endpoint}"));
    let mut rows = vec![
        ("name", format!("{} ({})", mcp_type.name, mcp_type.display_name)),
        ("description", mcp_type.description.clone()),
        ("runs", program.cloned().collect::<Vec<String>>().join(" ")),
        ("lane", word(mcp_type.lane)),
        ("authentication", mcp_type.required_auth.clone()),
        ("scopes", listed(&mcp_type.required_scopes)),
        ("credentials", listed(&fields.required)),
        ("  optional", listed(&fields.optional)),
        ("can", listed(&mcp_type.capabilities)),
        ("limits", instances::limits(&declared, &[])),
        (
            "health",
            format!(
                "{}{endpoint} every {} s, {} s to answer, {} s to start",
                word(health.kind),
                health.interval_seconds,
                health.timeout_seconds,
                health.start_timeout_seconds
            ),
        ),
    ];
    if let Some(installation) = &mcp_type.installation {
        rows.insert(3, ("package", installing::described(installation)));
    }
    if let Some(source) = &mcp_type.source {
        let from = source.registry.as_ref().map_or(String::new(), |registry| format!(" at {registry}"));
        rows.push(("imported from", format!("{} {}{from}", source.name, source.version)));
    }
    if !mcp_type.config_template.is_empty() {
        let config = mcp_type.config_template.iter().map(|(key, value)| format!("{key} = {value}"));
        rows.push(("configuration", config.collect::<Vec<String>>().join("\n")));
    }
    table::details(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_read_from_toml_and_json_and_mistakes_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = dir.path().join(name);
            std::fs::write(&file, text).unwrap();
            definition(&file)
        };
        assert_eq!(
            write("a.toml", "name = 'x'\n[health_check]\nkind = 'tcp'").unwrap()["health_check"]["kind"],
            "tcp"
        );
        assert_eq!(write("a.json", "{\"name\": \"x\"}").unwrap()["name"], "x");
        for (name, text) in [("b.json", "[]"), ("b.json", "{"), ("b.toml", "=")] {
            let failure = write(name, text).unwrap_err();
            assert!(failure.what().contains(name), "{failure}");
        }
        assert!(definition(&dir.path().join("none.toml")).is_err());
    }

    #[test]
    fn a_name_cannot_lead_to_another_route() {
        assert_eq!(path("git hub"), "/v1/types/git%20hub");
        assert_eq!(path("../users?x"), "/v1/types/..%2Fusers%3Fx");
    }
}
