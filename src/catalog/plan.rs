//! From a recipe to a process: program, arguments, environment and working directory.

use std::path::{Path, PathBuf};

use minimcp_actors::launch::{Launch, Plan, Reach};
use secrecy::SecretString;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::credentials::Credentials;
use super::definition::ConfigKind;
use super::program::{Program, Runtime};
use super::template::{self, Filling};
use super::{CredentialsExposure, Invalid, TypeDefinition, config};

/// What Node runs before a server's own code, so that the server finds what came in the sealed memory file.
pub const PRELOAD: &str = include_str!("../../mcp-servers/handover/preload.cjs");

/// Where the output of an instance with this directory for its logs is captured: beside it, because the directory is
/// the server's own and what is captured is not.
#[must_use]
pub fn output_of(log_dir: &Path) -> PathBuf {
    let mut name = log_dir.as_os_str().to_owned();
    name.push(".output");
    name.into()
}

/// What is to run and for whom.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The owner of the instance.
    pub user_id: Uuid,
    /// Its type.
    pub definition: &'a TypeDefinition,
    /// Its configuration as its owner gave it.
    pub config: &'a Map<String, Value>,
    /// Its credentials, if it has any.
    pub credentials: Option<&'a Credentials>,
    /// Whether its debug output is on.
    pub debug: bool,
}

/// Where it is to run.
#[derive(Debug, Clone)]
pub struct Host {
    /// What to execute.
    pub program: Program,
    /// The working directory of scripts.
    pub servers_dir: PathBuf,
    /// What the server gets as `PATH`.
    pub search_path: String,
    /// What the server gets as `HOME`; the working directory of commands.
    pub home: PathBuf,
    /// What the server gets as `LOG_DIR`.
    pub log_dir: PathBuf,
    /// Absolute path of a file with [`PRELOAD`].
    pub preload: PathBuf,
}

/// Why there is nothing to run. The words reach the owner and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// The configuration does not fit the type, which has changed since the instance was made.
    #[error("the configuration does not fit the type any more: {0}")]
    Config(#[from] Invalid),
    /// The credentials lack a field that the type requires.
    #[error("the credentials lack the field {0}")]
    Credential(String),
}

/// What to execute for one launch. The environment is built from nothing: no variable of the daemon is in it,
/// and no name in it comes from a user.
///
/// # Errors
/// [`NoPlan`] if the instance does not fit its type.
pub fn plan(subject: &Subject<'_>, host: &Host, launch: &Launch) -> Result<Plan, NoPlan> {
    let definition = subject.definition;
    let config = config::merge(definition, subject.config)?;
    let given = |field: &str| subject.credentials.and_then(|credentials| credentials.text(field));
    if let Some(field) = definition.credential_fields.required.iter().find(|field| given(field).is_none()) {
        return Err(NoPlan::Credential(field.clone()));
    }

    let mut env = Environment::default();
    env.set("PATH", &host.search_path);
    env.set("HOME", host.home.display());
    env.set("LANG", "C.UTF-8");
    env.set("NODE_ENV", "production");
    if let Some(port) = launch.port {
        env.set("PORT", port);
    }
    env.set("MCP_ID", launch.id);
    env.set("MCP_NONCE", &launch.nonce);
    env.set("MCP_TYPE", &definition.name);
    env.set("USER_ID", subject.user_id);
    let filling = Filling { definition, config: &config, home: &host.home, port: launch.port };
    env.set("CONFIG", Value::from(config.clone()));
    env.set("LOG_DIR", host.log_dir.display());
    env.set("LOG_LEVEL", if subject.debug { "debug" } else { "info" });
    if subject.debug {
        env.set("DEBUG", "mcp:*");
        // Node then prints the headers of every request, the vendor's token among them.
        if subject.credentials.is_none() {
            env.set("NODE_DEBUG", "http,net,stream");
        }
    }
    for (name, value) in &definition.env {
        let values = filling.fill(value);
        if !values.is_empty() {
            env.set(name, values.join(","));
        }
    }
    let mut secrets: Vec<(String, SecretString)> = Vec::new();
    for (field, variable) in &definition.env_map {
        secrets.extend(given(field).map(|value| (variable.clone(), value)));
    }
    match subject.credentials {
        Some(credentials) => secrets.push(("CREDENTIALS".to_owned(), credentials.to_json().as_str().into())),
        None => env.set("CREDENTIALS", "{}"),
    }
    let seals = !secrets.is_empty() && definition.exposure() == CredentialsExposure::Sealed;
    let sealed = if seals { std::mem::take(&mut secrets) } else { Vec::new() };
    env.0.append(&mut secrets);

    let script = host.program.script.as_ref().map(|script| script.display().to_string());
    let mut args = Vec::new();
    if host.program.runtime == Runtime::Node && script.is_some() {
        args.extend(node_flags(definition.resource_limits.max_memory_mb));
    }
    if seals {
        args.extend(["--require".to_owned(), host.preload.display().to_string()]);
    }
    if let Runtime::Python(_) = &host.program.runtime {
        // No variable and no user's own packages change what it loads, and it writes nothing beside what it loads.
        args.extend(["-I".to_owned(), "-B".to_owned()]);
    }
    args.extend(script);
    if let Runtime::Python(entry) = &host.program.runtime {
        args.push(entry.clone());
    }
    args.extend(definition.args.iter().flat_map(|arg| filling.fill(arg)));
    let ours = definition.server_script.is_some();
    Ok(Plan {
        program: host.program.path.clone(),
        cwd: if ours { host.servers_dir.clone() } else { host.home.clone() },
        args,
        env: env.0,
        sealed,
        log_dir: output_of(&host.log_dir),
        reach: Reach {
            readable: vec![host.servers_dir.clone(), host.preload.clone()],
            writable: vec![host.home.clone(), host.log_dir.clone()],
        },
    })
}

/// Directories that the configuration names below the one of the instance, relative to it. They are to be there
/// before a launch.
///
/// # Errors
/// [`NoPlan::Config`] if the configuration does not fit the type.
pub fn directories(definition: &TypeDefinition, wishes: &Map<String, Value>) -> Result<Vec<PathBuf>, NoPlan> {
    let config = config::merge(definition, wishes)?;
    let fields = definition.config_fields.iter().filter(|(_, field)| field.kind == ConfigKind::Directory);
    let values = fields.filter_map(|(key, _)| config.get(key));
    let items = values.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    Ok(items.filter_map(template::scalar).map(PathBuf::from).filter(|path| path.is_relative()).collect())
}

/// Flags of Node that keep a small server small: without them its heap grows to what the machine has before it
/// collects. A quarter of the limit is left to what is not heap.
fn node_flags(max_memory_mb: Option<u32>) -> Vec<String> {
    let mut flags = vec!["--max-semi-space-size=1".to_owned()];
    flags.extend(max_memory_mb.map(|limit| format!("--max-old-space-size={}", (limit / 4 * 3).max(16))));
    flags
}

#[derive(Default)]
struct Environment(Vec<(String, SecretString)>);

impl Environment {
    fn set(&mut self, name: &str, value: impl ToString) {
        self.0.push((name.to_owned(), value.to_string().into()));
    }
}

#[cfg(test)]
mod tests;
