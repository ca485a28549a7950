//! The layers that settings come from, brought to one form: a text under a key.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::surroundings::Surroundings;

/// Every key with its default; an empty default means that the value is worked out.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("listen", "127.0.0.1:7878"),
    ("public-url", ""),
    ("allowed-hosts", ""),
    ("data-dir", "data"),
    ("database-url", ""),
    ("servers-dir", ""),
    ("node", ""),
    // Below 32768, where the kernel begins to hand out ports of outgoing connections.
    ("ports", "20000-29999"),
    ("max-concurrent-starts", "8"),
    ("sample-interval", "5s"),
    ("cpu-corner", "true"),
    ("max-processes", "64"),
    ("cgroups", "auto"),
    ("cgroup-base", ""),
    ("grace", "10s"),
    ("default-lease", "60m"),
    ("max-lease", "30d"),
    ("quota.max-instances", "50"),
    ("quota.max-running", "20"),
    ("quota.max-credentials", "100"),
    ("on-shutdown", "stop"),
    ("on-restart", "adopt"),
    ("log.format", "terminal"),
    ("log.level", "info"),
    ("http.max-connections", "4096"),
    ("http.max-body", "256KiB"),
    ("http.request-timeout", "30s"),
    ("http.max-rate", "50"),
    ("http.max-failures", "10"),
    ("http.max-creations", "30"),
    ("http.tls", "loopback"),
    ("gateway.max-body", "10MiB"),
    ("gateway.wait", "30s"),
    ("gateway.max-in-flight", "64"),
    ("gateway.max-rate", "200"),
    ("gateway.idle-timeout", "10m"),
    ("isolation.mode", "auto"),
    ("isolation.uid-base", ""),
    ("isolation.uid-count", "65536"),
    ("isolation.run-as", ""),
    ("isolation.private-mounts", "true"),
    ("isolation.max-tasks", "64"),
    ("isolation.readable", ""),
    ("isolation.alarm-after", "60s"),
    ("isolation.allow-weak", "false"),
    ("gateway.max-sessions", "16"),
    ("gateway.session-idle", "8h"),
    ("oidc.issuer", ""),
    ("oidc.audience", ""),
    ("oidc.user-claim", "preferred_username"),
    ("oidc.role-claim", "roles"),
    ("oidc.role-map", ""),
    ("oidc.default-role", "none"),
    ("packages.npm", "npm"),
    ("packages.python", "python3"),
    ("packages.timeout", "5m"),
    ("registry.url", ""),
    ("logs.retention-days", "30"),
    ("logs.quota-mb", "256"),
    ("webhooks.allow", ""),
    // With the first attempt and a fifth of chance in each pause, about a day.
    ("webhooks.retry", "5s,1m,5m,15m,1h,2h,4h,8h,8h"),
    ("webhooks.timeout", "5s"),
    ("webhooks.lease-leads", "1d,1h,10m"),
    ("webhooks.ca-file", ""),
    ("traces.endpoint", ""),
    ("traces.headers", ""),
    ("traces.sample-ratio", "1"),
    ("traces.timeout", "5s"),
    ("traces.service-name", "minimcp"),
];

/// The flags of `minimcp serve` that settings come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Configuration file [default: minimcp.toml in the working directory, if it is there]
    #[arg(long, value_name = "FILE", env = "MINIMCP_CONFIG")]
    pub config: Option<PathBuf>,
    /// Directory for everything the daemon keeps
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// What becomes of the servers when the daemon ends: stop or keep
    #[arg(long, value_name = "WHAT")]
    pub on_shutdown: Option<String>,
    /// What becomes of servers that outlived an earlier daemon: adopt or replace
    #[arg(long, value_name = "WHAT")]
    pub on_restart: Option<String>,
    /// Any other setting, such as gateway.wait=10s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key at fault, or the file.
    pub key: String,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong and what to do.
    pub detail: String,
}

/// Every mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration does not hold:")?;
        for Fault { key, origin, detail } in &self.0 {
            write!(f, "\n  {key} ({origin}): {detail}")?;
        }
        Ok(())
    }
}

/// The text under each key that somebody set, the strongest layer only, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) set: BTreeMap<&'static str, (String, Origin)>,
    pub(super) faults: Vec<Fault>,
}

impl Layers {
    /// Reads the file, the environment and the flags.
    pub(super) fn read(flags: &Flags, surroundings: &Surroundings) -> Result<Self, ConfigError> {
        let beside = surroundings.working_dir.join("minimcp.toml");
        let path = flags.config.clone().or_else(|| beside.is_file().then_some(beside));
        let mut layers = Self::default();
        if let Some(path) = path {
            let origin = Origin::File(path.clone());
            match std::fs::read_to_string(surroundings.working_dir.join(&path)) {
                Ok(text) => layers.file(&text, &origin),
                Err(error) => layers.fault("config", origin, format!("it cannot be read: {error}")),
            }
        }
        layers.environment(surroundings);
        layers.flags(flags);
        Ok(layers)
    }

    pub(super) fn file(&mut self, text: &str, origin: &Origin) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.table("", table, origin),
            Err(error) => self.fault("config", origin.clone(), error.to_string().trim_end().to_owned()),
        }
    }

    fn table(&mut self, prefix: &str, table: toml::Table, origin: &Origin) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let section = KEYS.iter().any(|(known, _)| known.starts_with(&format!("{key}.")));
            match value {
                toml::Value::Table(inner) if section => self.table(&format!("{key}."), inner, origin),
                value => match plain(&value) {
                    Some(text) => self.put(&key, text, origin.clone()),
                    None => self.fault(
                        &key,
                        origin.clone(),
                        "it has to be a text, a number, true or false, or a list of texts",
                    ),
                },
            }
        }
    }

    /// Variables of other names are left alone: an orchestrator may set some for a service of our name.
    pub(super) fn environment(&mut self, surroundings: &Surroundings) {
        for (key, _) in KEYS {
            let name = format!("MINIMCP_{}", key.replace(['-', '.'], "_").to_ascii_uppercase());
            if let Some(text) = surroundings.environment.get(&name) {
                self.put(key, text.clone(), Origin::Environment(name));
            }
        }
    }

    pub(super) fn flags(&mut self, flags: &Flags) {
        let data_dir = flags.data_dir.as_ref().map(|dir| dir.display().to_string());
        let named = [
            ("data-dir", &data_dir),
            ("listen", &flags.listen),
            ("on-shutdown", &flags.on_shutdown),
            ("on-restart", &flags.on_restart),
        ];
        for pair in &flags.set {
            match pair.split_once('=') {
                Some((key, text)) => self.put(key.trim(), text.trim().into(), Origin::Flag),
                None => self.fault(pair, Origin::Flag, "write it as KEY=VALUE, such as gateway.wait=10s"),
            }
        }
        for (key, text) in named {
            if let Some(text) = text {
                self.put(key, text.clone(), Origin::Flag);
            }
        }
    }

    fn put(&mut self, key: &str, text: String, origin: Origin) {
        match KEYS.iter().find(|(known, _)| *known == key) {
            Some((known, _)) => {
                self.set.insert(known, (text, origin));
            }
            None => {
                let known: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
                self.fault(key, origin, format!("there is no such setting; there are {}", known.join(", ")));
            }
        }
    }

    fn fault(&mut self, key: &str, origin: Origin, detail: impl Into<String>) {
        self.faults.push(Fault { key: key.into(), origin, detail: detail.into() });
    }
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
