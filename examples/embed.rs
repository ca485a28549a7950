//! The whole runtime inside a program of one's own, with a type and a launcher of its own: `cargo run --example embed`
//! The servers of the type are this very program. The launcher stands around that of this machine and has the last
//! word on what is launched.

mod greeter;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use minimcp::Runtime;
use minimcp::config::OnShutdown;
use minimcp_actors::launch::gate::{self, Gate};
use minimcp_actors::launch::{Counted, Launch, LaunchError, Launcher, Process, Record, Spec};
use minimcp_actors::state::Run;
use uuid::Uuid;

use greeter::{Admin, say};

type Launched = BoxFuture<'static, Result<Arc<dyn Process>, LaunchError>>;

/// Launches greeters and nothing else.
#[derive(Debug)]
struct GreetersOnly {
    local: Arc<dyn Launcher>,
    launched: Arc<AtomicUsize>,
}

impl Launcher for GreetersOnly {
    fn launch(&self, spec: &Spec, launch: Launch) -> Launched {
        if &*spec.kind != "greeter" {
            let words = format!("this program launches no {}", spec.kind);
            return Box::pin(async { Err(LaunchError::Unstartable(words)) });
        }
        say(format_args!("launching run {} of a {}", launch.run, spec.kind));
        self.launched.fetch_add(1, Ordering::Relaxed);
        self.local.launch(spec, launch)
    }

    fn count(&self, id: Uuid, run: Run) -> Option<Counted> {
        self.local.count(id, run)
    }

    fn adopt(&self, spec: &Spec, record: Record) -> Launched {
        self.local.adopt(spec, record)
    }
}

fn main() -> Result<()> {
    let gate = gate::entry(); // has to come first: servers are spawned through this program
    if greeter::is_asked_for() {
        return greeter::serve();
    }
    let dir = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(embed(gate, dir.path().join("data")))
}

async fn embed(gate: Gate, dir: PathBuf) -> Result<()> {
    let launched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&launched);
    let runtime = Runtime::with(greeter::settings(&dir)?, gate)
        .types([greeter::definition()?])
        .launch_through(|local| Arc::new(GreetersOnly { local, launched: counter }))
        .start()
        .await?;
    say(format_args!("serving at {}", runtime.url()));

    let admin = Admin::of(&runtime)?;
    let greeter = admin.greeter().await?;
    say(admin.greet(&greeter, "embedder").await?);
    ensure!(launched.load(Ordering::Relaxed) == 1, "it was launched by way of our launcher");

    let running = runtime.supervision().registry().all();
    let pid = running.first().and_then(|instance| instance.pid);
    ensure!(running.len() == 1 && pid.is_some(), "it is under supervision: {running:?}");
    runtime.shutdown(OnShutdown::Stop).await;
    ensure!(
        pid.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()),
        "it ended with the runtime"
    );
    say("ended");
    Ok(())
}
