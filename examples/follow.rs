//! Follows what becomes of a server inside the program that runs it: `cargo run --example follow`
//! The server is killed behind the runtime's back, and every step of its way back is told.

mod greeter;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use minimcp::Runtime;
use minimcp::config::OnShutdown;
use minimcp_actors::launch::gate::{self, Gate};
use minimcp_actors::snapshot::Transitioned;
use minimcp_actors::state::Status;
use rustix::process::{Pid, Signal};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use greeter::{Admin, say};

fn main() -> Result<()> {
    let gate = gate::entry(); // has to come first: servers are spawned through this program
    if greeter::is_asked_for() {
        return greeter::serve();
    }
    let dir = tempfile::tempdir()?;
    tokio::runtime::Runtime::new()?.block_on(follow(gate, dir.path().join("data")))
}

async fn follow(gate: Gate, dir: PathBuf) -> Result<()> {
    let runtime =
        Runtime::with(greeter::settings(&dir)?, gate).types([greeter::definition()?]).start().await?;
    // Listened to before there is anything to hear, so nothing is missed.
    let mut events = runtime.events();
    let admin = Admin::of(&runtime)?;
    let greeter = admin.greeter().await?;

    let first = running(&mut events).await?;
    let pid = first.snapshot.pid.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
    rustix::process::kill_process(pid.context("it has a process")?, Signal::KILL)?;
    let second = running(&mut events).await?;
    ensure!(second.snapshot.run > first.snapshot.run, "it is another run");
    ensure!(second.snapshot.pid != first.snapshot.pid, "it is another process");
    say(admin.greet(&greeter, "again").await?);

    runtime.shutdown(OnShutdown::Stop).await;
    Ok(())
}

/// Tells every transition until an instance runs.
async fn running(events: &mut Receiver<Arc<Transitioned>>) -> Result<Arc<Transitioned>> {
    loop {
        let event = match tokio::time::timeout(Duration::from_secs(60), events.recv()).await? {
            Ok(event) => event,
            // The stream is bounded. The registry says how things stand, whatever was missed.
            Err(RecvError::Lagged(missed)) => bail!("{missed} transitions came faster than they were told"),
            Err(RecvError::Closed) => bail!("the runtime has ended"),
        };
        let now = &event.snapshot;
        say(format_args!("{}: run {} is {} ({})", now.kind, now.run, now.status, now.reason));
        if now.status == Status::Running {
            return Ok(event);
        }
    }
}
