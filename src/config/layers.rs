//! The layers that settings come from, brought to one form: a text under a key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::report::{Line, Report};
use super::units;

/// Every key with its default; an empty default means that the value is worked out.
const KEYS: &[(&str, &str)] = &[
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
    ("gateway.max-body", "10MiB"),
    ("gateway.wait", "30s"),
    ("gateway.max-in-flight", "64"),
    ("gateway.max-rate", "200"),
    ("gateway.idle-timeout", "10m"),
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

/// What the process finds around itself. A value, so that tests can make one up.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The working directory.
    pub working_dir: PathBuf,
    /// The running program, where known.
    pub executable: Option<PathBuf>,
    /// The variables whose names begin with `MINIMCP_`.
    pub environment: BTreeMap<String, String>,
    /// The `PATH`.
    pub search_path: Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("MINIMCP_"))
            .collect();
        Self {
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            executable: std::env::current_exe().ok(),
            environment,
            search_path: std::env::var_os("PATH"),
        }
    }

    pub(super) fn absolute(&self, text: &str) -> Result<PathBuf, String> {
        Ok(self.working_dir.join(text).components().collect())
    }

    /// A program by path or by name.
    pub(super) fn program(&self, text: &str) -> Result<PathBuf, String> {
        if text.contains('/') {
            return self.absolute(text);
        }
        self.search(text).ok_or_else(|| format!("there is no program `{text}` on the PATH; give its path"))
    }

    fn search(&self, name: &str) -> Option<PathBuf> {
        let path = self.search_path.as_deref()?;
        std::env::split_paths(path).map(|dir| dir.join(name)).find(|file| file.is_file())
    }

    /// `mcp-servers` beside the working directory's files, or beside the executable or above it.
    fn servers_dir(&self) -> PathBuf {
        let here = self.working_dir.join("mcp-servers");
        let above = self.executable.iter().flat_map(|program| program.ancestors().skip(1).take(4));
        let near = above.flat_map(|dir| [dir.join("mcp-servers"), dir.join("share/minimcp/mcp-servers")]);
        std::iter::once(here.clone()).chain(near).find(|dir| dir.is_dir()).unwrap_or(here)
    }

    fn default_of(&self, key: &str, fixed: &str) -> String {
        match key {
            "servers-dir" => self.servers_dir().display().to_string(),
            // A missing Node is no mistake of the configuration: other types may need none.
            "node" => self.search("node").unwrap_or_else(|| "/usr/bin/node".into()).display().to_string(),
            _ => fixed.into(),
        }
    }
}

/// The text under each key that somebody set, the strongest layer only, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Layers {
    set: BTreeMap<&'static str, (String, Origin)>,
    faults: Vec<Fault>,
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
                    None => {
                        self.fault(&key, origin.clone(), "it has to be a text, a number or a list of texts")
                    }
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
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Table(_) => None,
    }
}

/// Hands out values by key and remembers every mistake.
#[derive(Debug)]
pub(super) struct Values {
    lines: Vec<Line>,
    faults: Vec<Fault>,
}

impl Values {
    pub(super) fn new(mut layers: Layers, surroundings: &Surroundings) -> Self {
        let lines = KEYS.iter().map(|&(key, fixed)| {
            let (value, origin) = layers
                .set
                .remove(key)
                .unwrap_or_else(|| (surroundings.default_of(key, fixed), Origin::Default));
            Line { key, value, origin }
        });
        Self { lines: lines.collect(), faults: layers.faults }
    }

    fn line(&self, key: &str) -> &Line {
        self.lines.iter().find(|line| line.key == key).expect("every key that is read is in KEYS")
    }

    pub(super) fn fault(&mut self, key: &str, detail: impl Into<String>) {
        let origin = self.line(key).origin.clone();
        self.faults.push(Fault { key: key.into(), origin, detail: detail.into() });
    }

    /// A value by its own reader. After a mistake the default stands in, so that reading can go on.
    pub(super) fn read<T>(&mut self, key: &str, reader: impl Fn(&str) -> Result<T, String>) -> T {
        let found = reader(&self.line(key).value);
        found.unwrap_or_else(|wanted| {
            let got = &self.line(key).value;
            self.fault(key, format!("`{got}` will not do: {wanted}"));
            let fixed = KEYS.iter().find(|(known, _)| *known == key).map_or("", |(_, fixed)| fixed);
            reader(if fixed.is_empty() { "/" } else { fixed }).expect("every default is valid")
        })
    }

    /// A value that may be left empty.
    pub(super) fn optional<T>(&mut self, key: &str, reader: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = &self.line(key).value;
        if text.is_empty() {
            return None;
        }
        match reader(text) {
            Ok(value) => Some(value),
            // The value is left out of the words: a URL may hold a password.
            Err(wanted) => {
                self.fault(key, format!("it has to be {wanted}"));
                None
            }
        }
    }

    pub(super) fn parse<T: FromStr>(&mut self, key: &str, wanted: &str) -> T {
        self.read(key, |text| text.parse().map_err(|_| format!("it has to be {wanted}")))
    }

    pub(super) fn number<T>(&mut self, key: &str, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        self.read(key, |text| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!("it has to be a whole number from {} to {}", range.start(), range.end())),
        })
    }

    /// A number of things that may be had, or `none` for no bound.
    pub(super) fn bound(&mut self, key: &str) -> Option<u32> {
        self.read(key, |text| match text {
            "none" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| "it has to be a whole number, or none for no bound".into())
            }
        })
    }

    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<usize>) -> usize {
        self.read(key, |text| match units::size(text) {
            Some(size) if range.contains(&size) => Ok(size),
            _ => Err(format!(
                "it has to be a number of bytes from {} to {}, such as 256KiB or 10MiB",
                range.start(),
                range.end()
            )),
        })
    }

    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Duration {
        self.read(key, |text| match humantime::parse_duration(text) {
            Ok(duration) if range.contains(&duration) => Ok(duration),
            _ => Err(format!(
                "it has to be a time from {} to {}, such as 500ms, 30s or 2h",
                humantime::format_duration(*range.start()),
                humantime::format_duration(*range.end())
            )),
        })
    }

    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        self.read(key, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("it has to be one of {}", known.join(", "))
            })
        })
    }

    /// The account of every value, or every mistake.
    pub(super) fn finish(mut self, database_url: &str) -> Result<Report, ConfigError> {
        if !self.faults.is_empty() {
            return Err(ConfigError(self.faults));
        }
        for line in &mut self.lines {
            if line.key == "database-url" {
                line.value = units::masked(database_url);
            }
        }
        Ok(Report(self.lines))
    }
}
