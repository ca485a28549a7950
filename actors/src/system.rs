//! Bringing the actors to life.

use std::io;
use std::sync::Arc;

use actix::Actor;
use actix_rt::{ArbiterHandle, System};
use tokio::sync::oneshot;

use crate::corner::Corner;
use crate::launch::Launcher;
use crate::launch::cpus::Cpus;
use crate::meter::Meters;
use crate::routes::RouteTable;
use crate::sampler::Sampler;
use crate::snapshot::Registry;
use crate::supervision::Supervision;
use crate::supervisor::{Config, Supervisor};

/// Starts the actors in the actix system of the calling thread.
///
/// # Panics
/// Outside an actix system, as starting any actor does.
#[must_use]
pub fn start(config: Config, launcher: Arc<dyn Launcher>) -> Supervision {
    let registry = Registry::new(config.stream_capacity.max(1));
    let routes = Arc::new(RouteTable::default());
    let meters = Arc::new(Meters::default());
    let meter = meters.register("/supervisor".into(), "supervisor", 1);
    let (interval, corner, log) = (config.sample_interval, config.corner, config.log.clone());
    let supervisor = Supervisor::new(
        config,
        Arc::clone(&launcher),
        Arc::clone(&registry),
        Arc::clone(&routes),
        Arc::clone(&meters),
        Arc::clone(&meter),
    )
    .start();
    let sampled = (Arc::clone(&registry), supervisor.clone(), Arc::clone(&meter));
    if let Some(cpus) = Cpus::of_this_thread().filter(|_| corner) {
        let (launcher, registry) = (Arc::clone(&launcher), Arc::clone(&registry));
        Corner::new(cpus, launcher, registry, &meters, log.clone()).start();
    }
    Sampler::new(interval, launcher, sampled.0, sampled.1, sampled.2, &meters, log).start();
    Supervision::new(supervisor, meter, meters, registry, routes)
}

/// An actix system on a thread of its own, with the actors in it. Everything else talks to it from outside.
///
/// ```no_run
/// # async fn example(launcher: minimcp_actors::launch::local::LocalLauncher) -> std::io::Result<()> {
/// use std::sync::Arc;
///
/// use minimcp_actors::{ActorThread, Config};
///
/// let (supervision, actors) = ActorThread::spawn(Config::default(), Arc::new(launcher)).await?;
/// // ... supervision is cloned to wherever it is used ...
/// supervision.shutdown(false).await; // every process ends, each with its grace
/// actors.stop().await
/// # }
/// ```
#[derive(Debug)]
pub struct ActorThread {
    arbiter: ArbiterHandle,
    system: System,
    thread: std::thread::JoinHandle<io::Result<()>>,
}

impl ActorThread {
    /// Starts the thread and the actors.
    ///
    /// # Errors
    /// If the system gives no thread or no event loop.
    pub async fn spawn(config: Config, launcher: Arc<dyn Launcher>) -> io::Result<(Supervision, Self)> {
        let (tell, told) = oneshot::channel();
        let thread = std::thread::Builder::new().name("actors".into()).spawn(move || {
            let runner = System::new();
            runner.block_on(async {
                let supervision = start(config, launcher);
                let system = System::current();
                // Nobody listens if the caller gave up; then the system simply stays empty.
                let _ = tell.send((supervision, system));
            });
            runner.run()
        })?;
        let (supervision, system) =
            told.await.map_err(|_| io::Error::other("the actor thread ended early"))?;
        Ok((supervision, Self { arbiter: system.arbiter().clone(), system, thread }))
    }

    /// Where further actors of the embedding program can be started.
    #[must_use]
    pub fn arbiter(&self) -> &ArbiterHandle {
        &self.arbiter
    }

    /// Stops the system and waits for its thread. Call [`Supervision::shutdown`] first: what still runs then
    /// is ended without grace.
    ///
    /// # Errors
    /// If the thread panicked or its event loop failed.
    pub async fn stop(self) -> io::Result<()> {
        self.system.stop();
        let joined = tokio::task::spawn_blocking(|| self.thread.join()).await.map_err(io::Error::other)?;
        joined.map_err(|_| io::Error::other("the actor thread panicked"))?
    }
}
