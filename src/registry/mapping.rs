//! From a description to a type: which of its packages can run here, and what of it users may say.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::dangers::dangers;
use super::document::{Document, Listed, Package, SCHEMA};
use super::draft::Draft;
use super::transport;
use crate::api::import::Danger;
use crate::catalog::{self, HealthCheck, HealthKind, Invalid, PackageRegistry, Source, TypeDefinition};

/// What a description amounts to.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) definition: TypeDefinition,
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) dangers: Vec<Danger>,
    pub(super) warnings: Vec<String>,
}

/// Why a description amounts to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the registry says that it was deleted, so nobody should run it")]
    Deleted,
    #[error("nothing of it can run here: {}", .0.join("; "))]
    Nothing(Vec<String>),
    #[error("as a type it does not hold: {0}")]
    Invalid(Invalid),
}

/// The type that a description amounts to. `registry` is where it was fetched from.
pub(super) fn propose(
    listed: &Listed,
    type_name: Option<&str>,
    registry: Option<&str>,
) -> Result<Proposal, Refusal> {
    let document = &listed.document;
    let mut warnings = Vec::new();
    match listed.status.as_deref() {
        Some("deleted") => return Err(Refusal::Deleted),
        Some("deprecated") => warnings.push("its author has deprecated it".to_owned()),
        None | Some("active") => {}
        Some(other) => warnings.push(format!("its status is {other:?}, which is not known here")),
    }
    if let Some(schema) = document.schema.as_deref().filter(|schema| !schema.contains(SCHEMA)) {
        warnings.push(format!("it was written for {schema} and is read as {SCHEMA}"));
    }
    let mut reasons = Vec::new();
    for package in &document.packages {
        match draft_of(package) {
            Ok((registry_kind, draft)) => {
                warnings.extend(reasons.iter().map(|reason| format!("left out: {reason}")));
                return proposal(document, package, registry_kind, draft, warnings, (type_name, registry));
            }
            Err(reason) => {
                reasons.push(format!("{} {}: {reason}", package.registry_type, package.identifier))
            }
        }
    }
    if !document.remotes.is_empty() {
        reasons.push("its remote servers run elsewhere: clients reach them without this daemon".to_owned());
    }
    if reasons.is_empty() {
        reasons.push("it names no package".to_owned());
    }
    Err(Refusal::Nothing(reasons))
}

/// A package as the parts of a type, or why it cannot be one.
fn draft_of(package: &Package) -> Result<(PackageRegistry, Draft), String> {
    // The addresses that the schema of these documents names. Where npm and pip look is in their own configuration.
    let (registry, address, runtimes) = match package.registry_type.as_str() {
        "npm" => (PackageRegistry::Npm, "https://registry.npmjs.org", &["npx", "node"][..]),
        "pypi" => (PackageRegistry::Pypi, "https://pypi.org", &["uvx", "python", "python3", "pipx"][..]),
        "oci" => return Err("containers are not run".into()),
        "nuget" => return Err(".NET tools are not run".into()),
        "mcpb" => return Err("bundles are not run".into()),
        other => return Err(format!("the registry type {other:?} is not known")),
    };
    if let Some(base) = package.registry_base_url.as_deref().map(|base| base.trim_end_matches('/'))
        && base != address
    {
        return Err(format!("it comes from {base}, which is not {address}"));
    }
    if let Some(hint) = package.runtime_hint.as_deref()
        && !runtimes.contains(&hint)
    {
        return Err(format!("it is to be run by {hint}, which is not one of {}", runtimes.join(", ")));
    }
    if package.version.is_none() {
        return Err("it names no version, and only one that is pinned can be run".into());
    }
    let mut draft = Draft::default();
    draft.runtime_arguments(package)?;
    let endpoint = transport::endpoint(package)?;
    if let Some(endpoint) = &endpoint {
        draft.fill_port(endpoint);
    }
    draft.arguments(package)?;
    draft.variables(package)?;
    if endpoint.as_ref().is_some_and(|endpoint| !draft.port_is_told(endpoint)) {
        return Err("it listens on a port that it cannot be told".into());
    }
    draft.mcp_path = endpoint.map(|endpoint| endpoint.path);
    Ok((registry, draft))
}

fn proposal(
    document: &Document,
    package: &Package,
    registry_kind: PackageRegistry,
    draft: Draft,
    mut warnings: Vec<String>,
    (type_name, registry): (Option<&str>, Option<&str>),
) -> Result<Proposal, Refusal> {
    let version = package.version.clone().unwrap_or_default();
    let is_http = draft.mcp_path.is_some();
    let health = HealthCheck { kind: HealthKind::Mcp, endpoint: None, ..HealthCheck::default() };
    let name = type_name.map_or_else(|| slug(&document.name), str::to_owned);
    let definition: Value = json!({
        "name": name,
        "display_name": document.title.as_deref().unwrap_or(&document.name),
        "description": document.description,
        "lane": if is_http { "http" } else { "stdio" },
        "package": {
            "registry": registry_kind, "name": package.identifier, "version": version,
            "integrity": package.file_sha256.as_ref().map(|hash| format!("sha256:{hash}")),
        },
        "args": draft.args,
        "mcp_path": draft.mcp_path.as_deref().unwrap_or("/mcp"),
        "config_template": Map::from_iter(draft.template.clone()),
        "config_fields": draft.fields,
        "required_auth": if draft.required.is_empty() && draft.optional.is_empty() { "none" } else { "api_key" },
        "credential_fields": {"required": draft.required, "optional": draft.optional},
        "resource_limits": {"max_memory_mb": 512, "max_cpu_percent": 100},
        "health_check": health,
        "env": draft.env,
        "env_map": draft.env_map,
        // Nothing says that two of its processes may write the same files at once.
        "stateful": true,
        "source": Source {
            name: document.name.clone(), version: document.version.clone(), registry: registry.map(str::to_owned),
        },
    });
    let definition: TypeDefinition = serde_json::from_value(definition).map_err(|error| {
        let fault = catalog::Fault {
            kind: catalog::FaultKind::Misfit,
            pointer: String::new(),
            detail: error.to_string(),
        };
        Refusal::Invalid(Invalid { faults: vec![fault] })
    })?;
    definition.check().map_err(Refusal::Invalid)?;

    let runtime = match registry_kind {
        PackageRegistry::Npm => "node",
        PackageRegistry::Pypi => "python",
    };
    let program = format!("{}@{version}", package.identifier);
    let command: Vec<String> =
        [runtime.to_owned(), program].into_iter().chain(definition.args.clone()).collect();
    let mut environment = definition.env.clone();
    for (field, variable) in &definition.env_map {
        environment.insert(variable.clone(), format!("(the credential {field})"));
    }
    let mut found: Vec<Danger> = command.iter().skip(2).flat_map(|word| dangers("command", word)).collect();
    found.extend(definition.env.iter().flat_map(|(name, value)| dangers(&format!("variable {name}"), value)));
    for (key, value) in &definition.config_template {
        found.extend(value.as_str().into_iter().flat_map(|text| dangers(&format!("default of {key}"), text)));
    }
    warnings.extend(draft.warnings);
    if definition.package.as_ref().is_some_and(|package| package.integrity.is_none()) {
        warnings
            .push("it names no hash: what comes at the first installation is recorded and kept".to_owned());
    }
    Ok(Proposal { definition, command, environment, dangers: found, warnings })
}

/// A type's name from a server's: what stands behind the slash.
fn slug(name: &str) -> String {
    let short = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let plain: String = short.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let cut: String = plain.trim_matches('-').chars().take(63).collect();
    if cut.is_empty() { "imported".into() } else { cut }
}

#[cfg(test)]
mod tests;
