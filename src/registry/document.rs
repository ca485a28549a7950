//! A `server.json` of the MCP registry (schema 2025-12-11), read and checked: only what is well-formed gets further.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::catalog::{Fault, FaultKind, Invalid};

/// The schema that is read. Others are read as it, and that is said.
pub(super) const SCHEMA: &str = "2025-12-11";
/// Most packages, arguments or variables of one document.
const MAX_ENTRIES: usize = 64;
/// Longest text, in characters.
const MAX_TEXT: usize = 4_096;

/// A server as its author describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "$schema", default)]
    pub(super) schema: Option<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) title: Option<String>,
    pub(super) description: String,
    pub(super) version: String,
    /// Where older schemas said whether it is still offered.
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) packages: Vec<Package>,
    #[serde(default)]
    pub(super) remotes: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    pub(super) registry_type: String,
    #[serde(default)]
    pub(super) registry_base_url: Option<String>,
    pub(super) identifier: String,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) file_sha256: Option<String>,
    #[serde(default)]
    pub(super) runtime_hint: Option<String>,
    pub(super) transport: Transport,
    #[serde(default)]
    pub(super) runtime_arguments: Vec<Argument>,
    #[serde(default)]
    pub(super) package_arguments: Vec<Argument>,
    #[serde(default)]
    pub(super) environment_variables: Vec<Variable>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Transport {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) headers: Vec<Value>,
}

/// Something that a user may have to say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) is_required: bool,
    #[serde(default)]
    pub(super) is_secret: bool,
    #[serde(default)]
    pub(super) format: Option<String>,
    #[serde(default)]
    pub(super) default: Option<String>,
    #[serde(default)]
    pub(super) choices: Option<Vec<String>>,
    /// A constant, perhaps with places for variables.
    #[serde(default)]
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Input>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Argument {
    #[serde(rename = "type")]
    pub(super) kind: ArgumentKind,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) value_hint: Option<String>,
    #[serde(default)]
    pub(super) is_repeated: bool,
    #[serde(flatten)]
    pub(super) input: Input,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ArgumentKind {
    Positional,
    Named,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) input: Input,
}

/// A document with what the registry says about it.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) document: Document,
    /// `active`, `deprecated` or `deleted`.
    pub(super) status: Option<String>,
}

/// Reads a document, alone or as the registry's API wraps it.
///
/// # Errors
/// [`Invalid`] with all that is wrong, each with its place in the document.
pub(super) fn read(value: &Value) -> Result<Listed, Invalid> {
    const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";
    let (server, meta) = match value.get("server") {
        Some(server) => (server, value.get("_meta")),
        None => (value, value.get("_meta")),
    };
    let document = Document::deserialize(server).map_err(|error| one("", &error.to_string()))?;
    let official = meta.and_then(|meta| meta.get(OFFICIAL)).and_then(|official| official.get("status"));
    let status = official.and_then(Value::as_str).map(str::to_owned).or_else(|| document.status.clone());
    let mut faults = Vec::new();
    document.check(&mut faults);
    if faults.is_empty() { Ok(Listed { document, status }) } else { Err(Invalid { faults }) }
}

fn one(pointer: &str, detail: &str) -> Invalid {
    Invalid { faults: vec![fault(pointer, detail)] }
}

fn fault(pointer: &str, detail: &str) -> Fault {
    Fault { kind: FaultKind::Misfit, pointer: pointer.to_owned(), detail: detail.to_owned() }
}

impl Document {
    fn check(&self, faults: &mut Vec<Fault>) {
        let mut require = |holds: bool, pointer: &str, detail: &str| {
            if !holds {
                faults.push(fault(pointer, detail));
            }
        };
        require(
            is_server_name(&self.name),
            "/name",
            "must be like io.github.owner/server, 3 to 200 characters",
        );
        let length = self.description.chars().count();
        require((1..=100).contains(&length), "/description", "must be 1 to 100 characters");
        require(
            is_exact(&self.version),
            "/version",
            "must be one version of at most 255 characters, not a range and not latest",
        );
        let title = self.title.as_deref().unwrap_or("x");
        require((1..=100).contains(&title.chars().count()), "/title", "must be 1 to 100 characters");
        require(self.packages.len() <= MAX_ENTRIES, "/packages", "must have at most 64 entries");
        for (n, package) in self.packages.iter().enumerate() {
            package.check(&format!("/packages/{n}"), &mut require);
        }
    }
}

impl Package {
    fn check(&self, at: &str, require: &mut impl FnMut(bool, &str, &str)) {
        require(is_line(&self.identifier), &format!("{at}/identifier"), "must be one line that is not empty");
        if let Some(hash) = &self.file_sha256 {
            let hex = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            require(hex, &format!("{at}/fileSha256"), "must be 64 hexadecimal digits");
        }
        let lists =
            [("runtimeArguments", &self.runtime_arguments), ("packageArguments", &self.package_arguments)];
        for (list, arguments) in lists {
            let at = format!("{at}/{list}");
            require(arguments.len() <= MAX_ENTRIES, &at, "must have at most 64 entries");
            for (n, argument) in arguments.iter().enumerate() {
                argument.check(&format!("{at}/{n}"), require);
            }
        }
        let at = format!("{at}/environmentVariables");
        require(self.environment_variables.len() <= MAX_ENTRIES, &at, "must have at most 64 entries");
        for (n, variable) in self.environment_variables.iter().enumerate() {
            let at = format!("{at}/{n}");
            require(is_line(&variable.name), &format!("{at}/name"), "must be one line that is not empty");
            variable.input.check(&at, require);
        }
    }
}

impl Argument {
    fn check(&self, at: &str, require: &mut impl FnMut(bool, &str, &str)) {
        match self.kind {
            ArgumentKind::Named => {
                let named = self.name.as_deref().is_some_and(is_line);
                require(named, &format!("{at}/name"), "must be there for a named argument, with its dashes");
            }
            ArgumentKind::Positional => require(
                self.input.value.is_some() || self.value_hint.is_some(),
                at,
                "must have a value or a valueHint",
            ),
        }
        self.input.check(at, require);
    }
}

impl Input {
    fn check(&self, at: &str, require: &mut impl FnMut(bool, &str, &str)) {
        let known = ["string", "number", "boolean", "filepath"];
        let format = self.format.as_deref().unwrap_or("string");
        require(
            known.contains(&format),
            &format!("{at}/format"),
            "must be string, number, boolean or filepath",
        );
        let texts = self.value.iter().chain(&self.default).chain(self.choices.iter().flatten());
        for text in texts {
            let fits = text.chars().count() <= MAX_TEXT && !text.chars().any(char::is_control);
            require(fits, at, "must hold texts of one line and at most 4,096 characters");
        }
        for (name, variable) in &self.variables {
            variable.check(&format!("{at}/variables/{name}"), require);
        }
    }
}

/// `^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$`, 3 to 200 characters.
fn is_server_name(name: &str) -> bool {
    let plain = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    (3..=200).contains(&name.len())
        && name.split_once('/').is_some_and(|(owner, server)| plain(owner, b".-") && plain(server, b"._-"))
}

fn is_exact(version: &str) -> bool {
    (1..=255).contains(&version.len())
        && version != "latest"
        && !version.contains(['^', '~', '>', '<', '*', '|', ' '])
        && !version.split('.').any(|part| part.eq_ignore_ascii_case("x"))
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 255 && !text.chars().any(char::is_control)
}
