//! What the daemon is told: flags over environment over `minimcp.toml` over defaults, checked as a whole.
//!
//! Every layer is brought to the same form first, a text under a key ([`layers`]), so that each value can
//! say where it came from and all mistakes are told at once. Past [`Settings`] no value can be out of range.
//! The master key is not among them: it belongs to the vault, which reads it by itself.

mod hosts;
mod isolation;
mod layers;
mod logs;
mod oidc;
mod packages;
mod report;
mod surroundings;
mod traces;
mod units;
mod values;
mod webhooks;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use minimcp_actors::launch::cgroup;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use isolation::IsolationSettings;
pub use layers::{ConfigError, Fault, Flags, Origin};
pub use logs::LogSettings;
pub use oidc::OidcSettings;
pub(crate) use oidc::is_trustworthy;
pub use packages::PackageSettings;
pub use report::Report;
pub use surroundings::Surroundings;
pub use traces::TraceSettings;
pub use webhooks::WebhookSettings;

use crate::store::Quota;
use layers::Layers;
use values::Values;

/// Everything the daemon is told, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API and the gateway listen.
    pub listen: SocketAddr,
    /// How clients reach the daemon, without a slash at the end; `http://` and the listen address unless set.
    pub public_url: String,
    /// Names with or without port that a `Host` header may hold, beside the loopback names with our port.
    pub allowed_hosts: Vec<String>,
    /// Where everything lies that the daemon keeps. Absolute.
    pub data_dir: PathBuf,
    /// Where the store is. May hold a password.
    pub database_url: SecretString,
    /// The workspace of our Node servers. Absolute.
    pub servers_dir: PathBuf,
    /// The Node program. Absolute where it could be found.
    pub node: PathBuf,
    /// Ports that servers are given.
    pub ports: RangeInclusive<u16>,
    /// Starts under way at the same time.
    pub max_concurrent_starts: usize,
    /// Between two measurements of all process trees.
    pub sample_interval: Duration,
    /// Keep servers that take too much of the CPU, or write too much, to the upper half of the processors.
    pub cpu_corner: bool,
    /// Processes and threads that a server may have whose type says nothing else.
    pub max_processes: u32,
    /// Which control groups servers are put into.
    pub cgroups: cgroup::Use,
    /// Below which path of the hierarchies; below the daemon's own group unless set.
    pub cgroup_base: Option<String>,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// The lease of an instance whose creator names none.
    pub default_lease: Duration,
    /// The longest lease from now on.
    pub max_lease: Duration,
    /// What a user may have who has no limits of their own.
    pub quota: Quota,
    /// What becomes of the servers when the daemon ends.
    pub on_shutdown: OnShutdown,
    /// What becomes of servers that outlived an earlier daemon.
    pub on_restart: OnRestart,
    /// How the daemon logs.
    pub log: Log,
    /// Bounds of the HTTP side.
    pub http: HttpLimits,
    /// Bounds of the gateway.
    pub gateway: GatewayLimits,
    /// How servers are kept to themselves.
    pub isolation: IsolationSettings,
    /// The issuer by whose tokens callers may log in, if there is one.
    pub oidc: Option<OidcSettings>,
    /// Who installs packages.
    pub packages: PackageSettings,
    /// The registry of MCP servers that types may be imported from, if there is one: a URL without a slash at the end.
    pub registry_url: Option<String>,
    /// Where webhooks may lead and how they are sent.
    pub webhooks: WebhookSettings,
    /// How long archived logs are kept, and how much of them.
    pub logs: LogSettings,
    /// Where traces go, if anywhere.
    pub traces: Option<TraceSettings>,
}

/// What becomes of the servers when the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnShutdown {
    /// They end with it and come back with it.
    Stop,
    /// They live on and the next daemon adopts them.
    Keep,
}

/// What becomes of servers that outlived an earlier daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRestart {
    /// They are taken over as they are.
    Adopt,
    /// They are ended and started anew.
    Replace,
}

/// How the daemon logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// For a person or for a machine.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: slog::Level,
}

/// For whom the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Terminal,
    /// One JSON object per line.
    Json,
}

/// Bounds of the HTTP side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at the same time.
    pub max_connections: usize,
    /// Bytes of a request body of the management API.
    pub max_body: usize,
    /// From the first byte of a management request to its last.
    pub request_timeout: Duration,
    /// Requests per second and API token, twice as many at once; 0 is no bound.
    pub max_rate: u32,
    /// Requests without a valid token per minute and address; 0 is no bound.
    pub max_failures: u32,
    /// Instances, credential sets, tokens and the like that a user may make per minute; 0 is no bound.
    pub max_creations: u32,
    /// Who keeps what is sent from being read on the way.
    pub tls: Tls,
}

/// Who keeps what is sent from being read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Nobody, so only this machine is listened to.
    Loopback,
    /// A proxy in front of the daemon.
    Proxy,
    /// Nobody, and whoever set it accepts that tokens can be read on the way.
    Insecure,
}

/// Bounds of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Bytes of a request body.
    pub max_body: usize,
    /// How long a request waits for a run that is on its way.
    pub wait: Duration,
    /// Requests under way per instance.
    pub max_in_flight: u32,
    /// Requests per second and instance, twice as many at once; 0 is no bound.
    pub max_rate: u32,
    /// How long a server may be silent within an answer that is no event stream.
    pub idle_timeout: Duration,
    /// Sessions per instance on the stdio lane.
    pub max_sessions: u32,
    /// Sessions on the stdio lane that nobody has used for this long are ended.
    pub session_idle: Duration,
}

/// The settings with the account of where each came from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Each value and its origin, secrets masked.
    pub report: Report,
}

/// Reads every layer and checks the result.
///
/// # Errors
/// [`ConfigError`] holds every mistake there is, not the first.
///
/// ```
/// use minimcp::config::{self, Flags};
///
/// let flags = Flags { data_dir: Some("/srv/mcp".into()), set: vec!["grace=3s".into()], ..Flags::default() };
/// let loaded = config::load(&flags)?;
/// assert_eq!(loaded.settings.grace.as_secs(), 3);
///
/// let wrong = Flags { set: vec!["grace=soon".into(), "colour=red".into()], ..Flags::default() };
/// assert_eq!(config::load(&wrong).map(|_| ()).unwrap_err().0.len(), 2, "every mistake is told, not the first");
/// # Ok::<(), config::ConfigError>(())
/// ```
pub fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    let surroundings = Surroundings::of_process();
    let layers = Layers::read(flags, &surroundings)?;
    resolve(layers, &surroundings)
}

/// The settings that these layers amount to.
fn resolve(layers: Layers, surroundings: &Surroundings) -> Result<Loaded, ConfigError> {
    let mut values = Values::new(layers, surroundings);

    let listen: SocketAddr = values.parse("listen", "an address and a port, such as 127.0.0.1:7878");
    let public_url = values.optional("public-url", units::public_url);
    let allowed_hosts = values.read("allowed-hosts", units::hosts);
    let data_dir = values.read("data-dir", |text| surroundings.absolute(text));
    let database_url = values.optional("database-url", units::database_url);
    let servers_dir = values.read("servers-dir", |text| surroundings.absolute(text));
    let node = values.read("node", |text| surroundings.program(text));
    let ports = values.read("ports", units::ports);
    let max_concurrent_starts = values.number("max-concurrent-starts", 1..=1_000);
    let sample_interval =
        values.duration("sample-interval", Duration::from_millis(100)..=Duration::from_secs(3_600));
    let cpu_corner = values.truth("cpu-corner");
    let max_processes = values.number("max-processes", 16..=1_000_000);
    let words = [
        ("auto", cgroup::Use::Auto),
        ("v2", cgroup::Use::V2),
        ("v1", cgroup::Use::V1),
        ("off", cgroup::Use::Off),
    ];
    let cgroups = values.word("cgroups", &words);
    let cgroup_base = values.optional("cgroup-base", units::cgroup_base);
    let grace = values.duration("grace", Duration::ZERO..=Duration::from_secs(600));
    let longest = Duration::from_secs(10 * 365 * 86_400);
    let max_lease = values.duration("max-lease", Duration::from_secs(1)..=longest);
    let default_lease = values.duration("default-lease", Duration::from_secs(1)..=longest);
    let quota = Quota {
        max_instances: values.bound("quota.max-instances"),
        max_running: values.bound("quota.max-running"),
        max_credentials: values.bound("quota.max-credentials"),
    };
    let on_shutdown = values.word("on-shutdown", &[("stop", OnShutdown::Stop), ("keep", OnShutdown::Keep)]);
    let on_restart =
        values.word("on-restart", &[("adopt", OnRestart::Adopt), ("replace", OnRestart::Replace)]);
    let log = Log {
        format: values.word("log.format", &[("terminal", LogFormat::Terminal), ("json", LogFormat::Json)]),
        level: values.word(
            "log.level",
            &[
                ("error", slog::Level::Error),
                ("warn", slog::Level::Warning),
                ("info", slog::Level::Info),
                ("debug", slog::Level::Debug),
                ("trace", slog::Level::Trace),
            ],
        ),
    };
    let body = 1_024..=1 << 30;
    let http = HttpLimits {
        max_connections: values.number("http.max-connections", 1..=1_000_000),
        max_body: values.size("http.max-body", body.clone()),
        request_timeout: values
            .duration("http.request-timeout", Duration::from_secs(1)..=Duration::from_secs(3_600)),
        max_rate: values.number("http.max-rate", 0..=1_000_000),
        max_failures: values.number("http.max-failures", 0..=1_000_000),
        max_creations: values.number("http.max-creations", 0..=1_000_000),
        tls: values.word(
            "http.tls",
            &[("loopback", Tls::Loopback), ("proxy", Tls::Proxy), ("insecure", Tls::Insecure)],
        ),
    };
    let second_to_day = Duration::from_secs(1)..=Duration::from_secs(86_400);
    let gateway = GatewayLimits {
        max_body: values.size("gateway.max-body", body),
        wait: values.duration("gateway.wait", Duration::ZERO..=Duration::from_secs(600)),
        max_in_flight: values.number("gateway.max-in-flight", 1..=100_000),
        max_rate: values.number("gateway.max-rate", 0..=1_000_000),
        idle_timeout: values.duration("gateway.idle-timeout", second_to_day.clone()),
        max_sessions: values.number("gateway.max-sessions", 1..=10_000),
        session_idle: values.duration("gateway.session-idle", second_to_day),
    };

    let isolation = isolation::read(&mut values, surroundings);
    let oidc = oidc::read(&mut values);
    let packages = packages::read(&mut values, surroundings);
    let registry_url = packages::registry(&mut values);
    let webhooks = webhooks::read(&mut values, surroundings);
    let logs = logs::read(&mut values);
    let traces = traces::read(&mut values);

    if default_lease > max_lease {
        values.fault("default-lease", "it is longer than `max-lease`; shorten it or raise `max-lease`");
    }
    if ports.contains(&listen.port()) {
        values.fault("ports", "the range holds the port of `listen`; choose a range without it");
    }
    if let Some(fault) = hosts::exposed(listen, public_url.as_deref(), http.tls) {
        values.fault("listen", fault);
    }
    let database_url =
        database_url.unwrap_or_else(|| format!("sqlite://{}", data_dir.join("minimcp.db").display()));
    let report = values.finish(&database_url)?;

    Ok(Loaded {
        settings: Settings {
            public_url: public_url.unwrap_or_else(|| format!("http://{listen}")),
            database_url: database_url.into(),
            listen,
            allowed_hosts,
            data_dir,
            servers_dir,
            node,
            ports,
            max_concurrent_starts,
            sample_interval,
            cpu_corner,
            max_processes,
            cgroups,
            cgroup_base,
            grace,
            default_lease,
            max_lease,
            quota,
            on_shutdown,
            on_restart,
            log,
            http,
            gateway,
            isolation,
            oidc,
            packages,
            registry_url,
            webhooks,
            logs,
            traces,
        },
        report,
    })
}

#[cfg(test)]
pub(crate) mod tests;
