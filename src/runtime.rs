//! The daemon: everything brought up in order, and down in the reverse.

mod data_dir;
mod error;
mod handle;

use std::io;
use std::path::Path;
use std::sync::Arc;

use actix::Actor;
use minimcp_actors::launch::cgroup::Cgroups;
use minimcp_actors::launch::gate::Gate;
use minimcp_actors::launch::isolation::{Isolation, Level};
use minimcp_actors::launch::local::LocalLauncher;
use minimcp_actors::launch::logs::{LogKeeper, Rotation};
use minimcp_actors::launch::record::RunDir;
use minimcp_actors::{ActorThread, Config, Supervision};
use slog::{Logger, error, info, warn};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use self::data_dir::DAEMON_URL;
pub(crate) use self::data_dir::take_data_dir;
pub use self::error::ServeError;
pub use self::handle::{Builder, Runtime};

use self::data_dir::local_url;
use self::handle::Engine;

use crate::api::audit::AuditResult;
use crate::archive::Keeper;
use crate::audit::{self, Entry, Trail, anchor};
use crate::config::{Loaded, OnShutdown, Settings};
use crate::expiry::Reminders;
use crate::gateway::{AccessTable, Gateway, Servers};
use crate::http::{Context, Loops, Parts};
use crate::instances::Instances;
use crate::isolation;
use crate::journal::{Close, Flush, Journal, JournalState};
use crate::logging;
use crate::provision::Provisioner;
use crate::restore::Restorer;
use crate::stdio::{self, Stdio};
use crate::store::Store;
use crate::traces::Traces;
use crate::trends::Trends;
use crate::vault::{KeyRotation, Vault};
use crate::webhooks::{Sources, SystemLookup, Webhooks};

/// Runs the daemon until SIGTERM or SIGINT. `ready` is called once it listens, with the file of a new
/// administrator's token if this is the first run.
///
/// # Errors
/// [`ServeError`] says what kept it from running, in words for a person.
pub async fn serve(
    loaded: Loaded,
    gate: Gate,
    ready: impl FnOnce(&Settings, Option<&Path>),
) -> Result<(), ServeError> {
    // Whatever the daemon writes is for its own user alone, the database included.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let settings = loaded.settings;
    let on_shutdown = settings.on_shutdown;
    let (log, _writing) = logging::start(settings.log);
    let opened = Runtime::with(settings, gate).log(log.clone()).open().await?;
    // From here on there may be processes, so a signal has to end them in order.
    let mut signals = Signals::new().map_err(ServeError::System)?;
    let runtime = opened.begin().await?;
    ready(runtime.settings(), runtime.new_token());

    let name = signals.next().await;
    info!(log, "ending"; "signal" => name);
    // A second signal means now: processes are then found again by the next daemon.
    let url_file = runtime.settings().data_dir.join(DAEMON_URL);
    tokio::select! {
        () = runtime.shutdown(on_shutdown) => info!(log, "ended"),
        name = signals.next() => error!(log, "ended without waiting"; "signal" => name),
    }
    let _ = std::fs::remove_file(url_file);
    Ok(())
}

/// What is opened before anything runs.
struct Opened {
    store: Store,
    vault: Vault,
    rotation: KeyRotation,
    trail: Trail,
    isolation: Isolation,
}

/// The parts that are taken down in order.
struct Daemon {
    store: Store,
    supervision: Supervision,
    actors: ActorThread,
    journal: actix::Addr<Journal>,
    launcher: LocalLauncher,
    trail: Trail,
    loops: Arc<Loops>,
    traces: Traces,
    log: Logger,
}

impl Daemon {
    async fn start(
        settings: &Arc<Settings>,
        opened: Opened,
        gate: Gate,
        mut engine: Engine,
        stop: CancellationToken,
        log: Logger,
    ) -> Result<(Self, Arc<Context>), ServeError> {
        let Opened { store, vault, rotation, trail, isolation } = opened;
        let traces = Traces::start(settings.traces.as_ref(), &log);
        let traces = traces.map_err(|error| ServeError::System(io::Error::other(error)))?;
        let log = traces.named(log);
        let run_dir = settings.data_dir.join("run");
        let runs = RunDir::open(&run_dir).map_err(|source| ServeError::File {
            what: "opening",
            path: run_dir,
            source,
        })?;
        let logs = LogKeeper::start(Rotation::default(), log.clone()).map_err(ServeError::System)?;
        let cgroups = Cgroups::open(settings.cgroups, settings.cgroup_base.as_deref(), runs.path());
        let limited = cgroups.report();
        info!(log, "control groups"; "in force" => limited.described());
        let kept_apart = isolation.report().clone();
        let stdio = Stdio::new(stdio::Bounds::of(&settings.gateway), store.clone(), log.clone());
        let launcher = LocalLauncher::new(gate, runs.clone(), logs, log.clone()).with_wiring(stdio.wiring());
        let launcher = launcher.in_cgroups(cgroups).isolated(isolation);
        if engine.orphans {
            tokio::spawn(launcher.take_in_orphans().map_err(ServeError::System)?);
        }
        let config = Config {
            ports: settings.ports.clone(),
            concurrent_starts: settings.max_concurrent_starts,
            sample_interval: settings.sample_interval,
            corner: settings.cpu_corner,
            log: log.clone(),
            ..Config::default()
        };
        let (supervision, actors) = ActorThread::spawn(config, engine.over(Arc::new(launcher.clone())))
            .await
            .map_err(ServeError::System)?;
        stdio.supervised_by(supervision.clone());

        let journal_state = Arc::new(JournalState::default());
        let base = store.last_seqs().await?;
        let journal = Journal::new(
            store.clone(),
            base,
            supervision.clone(),
            tokio::runtime::Handle::current(),
            Arc::clone(&journal_state),
            log.clone(),
        );
        let journal = on_actor_thread(&actors, journal).await?;

        let loops = Arc::new(Loops::start().map_err(ServeError::System)?);
        let access = Arc::new(AccessTable::new(settings.gateway.max_rate));
        let (tell_restored, restored) = watch::channel(false);
        let gateway = Arc::new(Gateway::new(
            settings.gateway,
            vault.clone(),
            Arc::clone(&access),
            Servers { supervision: supervision.clone(), stdio },
            trail.clone(),
            restored.clone(),
            stop.clone(),
        ));
        let search_path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
        let provisioner =
            Provisioner::new(settings, vault.clone(), trail.clone(), search_path).map_err(|source| {
                ServeError::File { what: "writing into", path: settings.data_dir.clone(), source }
            })?;
        let instances = Instances::new(
            Arc::clone(settings),
            store.clone(),
            vault.clone(),
            provisioner.clone(),
            supervision.clone(),
            access,
            log.clone(),
        );
        let keeper = Keeper::new(
            instances.archives().clone(),
            store.clone(),
            supervision.clone(),
            provisioner.clone(),
            log.clone(),
        );
        tokio::spawn(keeper.run(restored.clone(), stop.clone()));
        let restorer = Restorer {
            store: store.clone(),
            supervision: supervision.clone(),
            instances: instances.clone(),
            provisioner,
            launcher: launcher.clone(),
            runs,
            on_restart: settings.on_restart,
            log: log.clone(),
        };
        tokio::spawn(audit::resume::run(trail.clone(), stop.clone()));
        tokio::spawn(anchor::follow(trail.clone(), store.clone(), stop.clone(), log.clone()));
        let reminders = Reminders::new(store.clone(), instances.clone(), log.clone());
        tokio::spawn(reminders.run(restored.clone(), stop.clone()));
        tokio::spawn(rotation.clone().run(stop.clone()));
        tokio::spawn(crate::tidy::run(store.clone(), stop.clone(), log.clone()));
        let webhooks = Webhooks::new(
            store.clone(),
            vault.clone(),
            settings.webhooks.clone(),
            Arc::new(SystemLookup),
            log.clone(),
        );
        let webhooks = webhooks.map_err(|error| ServeError::System(io::Error::other(error)))?;
        let sources = Sources {
            journal: Arc::clone(&journal_state),
            instances: instances.clone(),
            trail: trail.clone(),
        };
        tokio::spawn(webhooks.clone().run(sources, stop.clone()));
        tokio::spawn(traces.clone().follow(Arc::clone(supervision.registry()), stop.clone()));
        let trends = Trends::new(store.clone(), supervision.clone(), log.clone());
        tokio::spawn(trends.run(settings.sample_interval, stop.clone()));
        tokio::spawn(restore(restorer, tell_restored, stop.clone(), log.clone()));
        let context = Context::new(Parts {
            settings: Arc::clone(settings),
            store: store.clone(),
            vault,
            rotation,
            supervision: supervision.clone(),
            instances,
            gateway,
            isolation: kept_apart,
            cgroups: limited,
            trail: trail.clone(),
            webhooks,
            traces: traces.clone(),
            journal: journal_state,
            restored,
            stop,
            log: log.clone(),
        });
        Ok((Self { store, supervision, actors, journal, launcher, trail, loops, traces, log }, context))
    }

    /// Takes everything down: callers, processes, journal, actors, store.
    async fn end(self, serving: tokio::task::JoinHandle<()>, on_shutdown: OnShutdown) {
        if let Err(panic) = serving.await {
            error!(self.log, "the HTTP side panicked"; "error" => %panic);
        }
        self.supervision.shutdown(on_shutdown == OnShutdown::Keep).await;
        if self.journal.send(Flush).await.is_err() || self.journal.send(Close).await.is_err() {
            error!(self.log, "the journal was gone before the end");
        }
        if let Err(error) = self.actors.stop().await {
            error!(self.log, "the actors did not end well"; "error" => %error);
        }
        self.launcher.close();
        self.traces.end().await;
        let entry = Entry::by_daemon("daemon.stop", AuditResult::Done);
        // That it cannot be written is told by the trail itself.
        let _ = self.trail.record(entry).await;
        if let Err(error) = anchor::keep(&self.store, &self.trail).await {
            error!(self.log, "the newest audit record was not noted in the store"; "error" => %error);
        }
        if let Err(error) = self.store.close().await {
            error!(self.log, "the store did not close well"; "error" => %error);
        }
    }
}

/// Finds out how well servers are kept apart, and that this is enough for the users there are.
async fn isolate(
    settings: &Settings,
    gate: &Gate,
    store: &Store,
    log: &Logger,
) -> Result<Isolation, ServeError> {
    let (told, by) = (settings.clone(), gate.clone());
    let opened = tokio::task::spawn_blocking(move || isolation::open(&told, &by)).await;
    let opened = opened.map_err(|panic| ServeError::System(io::Error::other(panic)))??;
    let report = opened.report();
    let gaps = report.gaps().join("; ");
    match report.level {
        Level::Weak => warn!(log, "servers are not kept apart"; "level" => %report.level, "missing" => gaps),
        Level::Medium | Level::Strong => {
            info!(log, "servers are kept apart"; "level" => %report.level, "missing" => gaps);
        }
    }
    if settings.oidc.is_some() || store.count_users().await? > 1 {
        isolation::parts_users(report, settings).map_err(ServeError::Weak)?;
    }
    Ok(opened)
}

/// Opens the trail with a record of this start. One that cannot be written keeps no daemon down: servers go on,
/// and what needs the trail is refused until it can be written.
async fn open_trail(
    store: &Store,
    vault: &Vault,
    data_dir: &Path,
    log: &Logger,
) -> Result<Trail, ServeError> {
    let dir = data_dir.join("audit");
    let head = anchor::known(store, &dir).await?;
    let options = audit::Options::new(dir, vault.audit_key(), head, log.clone());
    let trail = Trail::start(options).map_err(ServeError::System)?;
    let entry = Entry::by_daemon("daemon.start", AuditResult::Done);
    // That it cannot be written is told by the trail itself.
    let _ = trail.record(entry.with("version", env!("CARGO_PKG_VERSION"))).await;
    Ok(trail)
}

/// Restores unless the daemon ends first.
async fn restore(restorer: Restorer, tell: watch::Sender<bool>, stop: CancellationToken, log: Logger) {
    tokio::select! {
        () = stop.cancelled() => {}
        result = restorer.run() => match result {
            Ok(()) => {
                tell.send_replace(true);
            }
            Err(error) => error!(log, "restoring stopped: what is stored cannot be read"; "error" => %error),
        }
    }
}

async fn on_actor_thread(actors: &ActorThread, journal: Journal) -> Result<actix::Addr<Journal>, ServeError> {
    let (tell, told) = oneshot::channel();
    actors.arbiter().spawn_fn(move || {
        // The receiver waits below.
        let _ = tell.send(journal.start());
    });
    told.await.map_err(|_| ServeError::System(io::Error::other("the actor thread ended early")))
}

/// What ends the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
