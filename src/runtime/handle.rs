//! The whole runtime inside another program: what `minimcp serve` runs, as a handle.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimcp_actors::Supervision;
use minimcp_actors::launch::Launcher;
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::snapshot::Transitioned;
use secrecy::ExposeSecret;
use slog::{Logger, info};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{DAEMON_URL, Daemon, Opened, ServeError, isolate, local_url, open_trail, take_data_dir};
use crate::bootstrap;
use crate::catalog::{self, TypeDefinition};
use crate::config::{OnShutdown, Settings};
use crate::http::{Bounds, OwnRoutes};
use crate::store::Location;
use crate::vault::{KeyRotation, KeySource, unlock};

/// Puts a launcher around the one of this machine.
type Around = Box<dyn FnOnce(Arc<dyn Launcher>) -> Arc<dyn Launcher> + Send>;

/// The whole of MiniMCP as it runs: store, vault, supervision, gateway, HTTP API and dashboard.
///
/// Start it on a multi-thread tokio runtime, in a program whose `main` begins with
/// [`gate::entry`](minimcp_actors::launch::gate::entry). Call [`Self::shutdown`] at the end: dropping the handle ends
/// nothing. The settings, the master key and TLS are those of `minimcp serve`; its log, its umask, its signals and its
/// allocator are the program's own business.
///
/// ```no_run
/// use minimcp::config::{self, Flags, OnShutdown};
/// use minimcp::Runtime;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = minimcp_actors::launch::gate::entry(); // first of all: servers are spawned through this program
/// tokio::runtime::Runtime::new()?.block_on(async {
///     let flags = Flags { data_dir: Some("data".into()), ..Flags::default() };
///     let runtime = Runtime::start(config::load(&flags)?.settings, gate).await?;
///     println!("serving at {}", runtime.url());
///     tokio::signal::ctrl_c().await?;
///     runtime.shutdown(OnShutdown::Stop).await;
///     Ok(())
/// })
/// # }
/// ```
pub struct Runtime {
    daemon: Daemon,
    settings: Arc<Settings>,
    serving: JoinHandle<()>,
    stop: CancellationToken,
    restored: watch::Receiver<bool>,
    new_token: Option<PathBuf>,
    url: String,
    /// Keeps other daemons out of the data directory.
    _lock: File,
}

impl Runtime {
    /// Starts everything, and answers once callers are answered.
    ///
    /// # Errors
    /// [`ServeError`] says what kept it from running, in words for a person.
    pub async fn start(settings: Settings, gate: Gate) -> Result<Self, ServeError> {
        Self::with(settings, gate).start().await
    }

    /// The same with parts of the program's own.
    #[must_use]
    pub fn with(settings: Settings, gate: Gate) -> Builder {
        let log = Logger::root(slog::Discard, slog::o!());
        Builder { settings, gate, log, types: Vec::new(), around: None, own: None, orphans: true }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.settings.listen
    }

    /// How a program on this machine reaches it, whatever stands in front of it for others.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file with the token of the administrator, if this is the first run on this data directory.
    #[must_use]
    pub fn new_token(&self) -> Option<&Path> {
        self.new_token.as_deref()
    }

    /// Every instance as it stands, and what can be done with each. What is done here passes by the store, the users
    /// and the audit trail, so it is for looking; change things over the API.
    #[must_use]
    pub fn supervision(&self) -> &Supervision {
        &self.daemon.supervision
    }

    /// Listens to every later transition of an instance. A reader that lags is told how much it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Arc<Transitioned>> {
        self.daemon.supervision.registry().subscribe()
    }

    /// Waits until every instance of earlier runtimes is under supervision again, which then adopts its process or
    /// starts another: wait for its status to know that it serves. Answers `false` if what is stored cannot be read.
    pub async fn restored(&self) -> bool {
        self.restored.clone().wait_for(|restored| *restored).await.is_ok()
    }

    /// Ends callers, servers (or with [`OnShutdown::Keep`] lets go of them), journal, actors and store, in this order.
    pub async fn shutdown(self, servers: OnShutdown) {
        self.stop.cancel();
        self.daemon.end(self.serving, servers).await;
        // A file that is gone already says the same.
        let _ = std::fs::remove_file(self.settings.data_dir.join(DAEMON_URL));
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A runtime that is about to start. Made by [`Runtime::with`].
pub struct Builder {
    settings: Settings,
    gate: Gate,
    log: Logger,
    types: Vec<TypeDefinition>,
    around: Option<Around>,
    own: Option<OwnRoutes>,
    orphans: bool,
}

impl Builder {
    /// Logs here. Without it nothing is logged.
    #[must_use]
    pub fn log(self, log: Logger) -> Self {
        Self { log, ..self }
    }

    /// Brings these types along, beside those of MiniMCP. One that an administrator has replaced stays theirs.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = TypeDefinition>) -> Self {
        self.types.extend(types);
        self
    }

    /// Launches servers by way of what is put around the launcher of this machine. What outlived an earlier runtime
    /// is looked for on this machine.
    #[must_use]
    pub fn launch_through(
        self,
        around: impl FnOnce(Arc<dyn Launcher>) -> Arc<dyn Launcher> + Send + 'static,
    ) -> Self {
        Self { around: Some(Box::new(around)), ..self }
    }

    /// Answers these routes too, where none of MiniMCP's own fits.
    #[must_use]
    pub fn routes(self, own: OwnRoutes) -> Self {
        Self { own: Some(own), ..self }
    }

    /// Does not become the parent of what servers leave behind. For a program that spawns children into sessions of
    /// their own and waits for them: their exits would be taken. Without it, whatever such a parent left is init's.
    #[must_use]
    pub fn leave_orphans(self) -> Self {
        Self { orphans: false, ..self }
    }

    /// Starts everything, and answers once callers are answered.
    ///
    /// # Errors
    /// [`ServeError`] says what kept it from running, in words for a person.
    pub async fn start(self) -> Result<Runtime, ServeError> {
        self.open().await?.begin().await
    }

    /// Opens what is stored and the way in. There is no process yet, so it may be broken off at any point.
    pub(super) async fn open(self) -> Result<Ready, ServeError> {
        let Self { mut settings, gate, log, types, around, own, orphans } = self;
        types.iter().try_for_each(TypeDefinition::check)?;
        let lock = take_data_dir(&settings.data_dir)?;
        let key = KeySource::from_environment(settings.data_dir.join("master.key"))?;
        let location = Location::parse(settings.database_url.expose_secret())?;
        let (store, vault) = unlock(&location, &key).await?;
        let rotation = KeyRotation::new(store.clone(), vault.clone(), key, log.clone());
        let now = chrono::Utc::now();
        let rows = catalog::seeds().iter().chain(&types).map(|seed| seed.to_row(true, now)).collect();
        store.seed_types(rows).await?;
        let trail = open_trail(&store, &vault, &settings.data_dir, &log).await?;
        let isolation = isolate(&settings, &gate, &store, &log).await?;
        let new_token = bootstrap::administrator(&store, &vault, &trail, &settings.data_dir).await?;
        let listener = TcpListener::bind(settings.listen)
            .await
            .map_err(|source| ServeError::Listen { addr: settings.listen, source })?;
        settings.listens_on(listener.local_addr().map_err(ServeError::System)?);
        let opened = Opened { store, vault, rotation, trail, isolation };
        let settings = Arc::new(settings);
        Ok(Ready {
            settings,
            opened,
            gate,
            log,
            engine: Engine { around, orphans },
            own,
            listener,
            new_token,
            lock,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How processes are launched.
pub(super) struct Engine {
    around: Option<Around>,
    /// Whether what servers leave behind comes to this program.
    pub(super) orphans: bool,
}

impl Engine {
    /// The launcher to use, given that of this machine.
    pub(super) fn over(&mut self, local: Arc<dyn Launcher>) -> Arc<dyn Launcher> {
        match self.around.take() {
            Some(around) => around(local),
            None => local,
        }
    }
}

/// All that is needed for processes to begin.
pub(super) struct Ready {
    settings: Arc<Settings>,
    opened: Opened,
    gate: Gate,
    log: Logger,
    engine: Engine,
    own: Option<OwnRoutes>,
    listener: TcpListener,
    new_token: Option<PathBuf>,
    lock: File,
}

impl Ready {
    /// Starts the actors, restores, and answers callers.
    pub(super) async fn begin(self) -> Result<Runtime, ServeError> {
        let Self { settings, opened, gate, log, engine, own, listener, new_token, lock } = self;
        let stop = CancellationToken::new();
        let (daemon, context) =
            Daemon::start(&settings, opened, gate, engine, stop.clone(), log.clone()).await?;
        let (url, url_file) = (local_url(settings.listen), settings.data_dir.join(DAEMON_URL));
        bootstrap::write_private(&url_file, &url).map_err(|source| ServeError::File {
            what: "writing",
            path: url_file.clone(),
            source,
        })?;
        let (loops, bounds) = (Arc::clone(&daemon.loops), Bounds::of(&settings.http));
        let restored = context.restored();
        let serving =
            tokio::spawn(
                async move { crate::http::run_beside(listener, bounds, &loops, context, own).await },
            );
        info!(log, "listening"; "url" => &settings.public_url, "data_dir" => %settings.data_dir.display());
        Ok(Runtime { daemon, settings, serving, stop, restored, new_token, url, _lock: lock })
    }
}
