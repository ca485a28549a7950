//! Finds servers again after a crash of the program that ran them: `cargo run --example recover`
//! A first life starts a server and is killed with SIGKILL. The second life finds the same process, under the same URL
//! and with the same token.

mod greeter;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use minimcp::Runtime;
use minimcp::config::OnShutdown;
use minimcp_actors::launch::gate::{self, Gate};
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::Status;
use serde_json::Value;

use greeter::{Admin, say};

fn main() -> Result<()> {
    let gate = gate::entry(); // has to come first: servers are spawned through this program
    if greeter::is_asked_for() {
        return greeter::serve();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(dir) = std::env::args().nth(1) {
        return runtime.block_on(first_life(gate, dir.into()));
    }
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let greeter = crashed(&data)?;
    runtime.block_on(second_life(gate, data, greeter))
}

/// A life of this program that ends by SIGKILL: what its greeter was.
fn crashed(dir: &Path) -> Result<Value> {
    let mut life = Command::new(std::env::current_exe()?).arg(dir).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(life.stdout.take().context("its words are piped")?).read_line(&mut line)?;
    life.kill()?;
    life.wait()?;
    serde_json::from_str(&line).with_context(|| format!("the first life said {line:?}"))
}

async fn start(gate: Gate, dir: &Path) -> Result<Runtime> {
    Ok(Runtime::with(greeter::settings(dir)?, gate).types([greeter::definition()?]).start().await?)
}

async fn first_life(gate: Gate, dir: PathBuf) -> Result<()> {
    let runtime = start(gate, &dir).await?;
    say(Admin::of(&runtime)?.greeter().await?);
    std::future::pending().await
}

async fn second_life(gate: Gate, dir: PathBuf, greeter: Value) -> Result<()> {
    let runtime = start(gate, &dir).await?;
    ensure!(runtime.restored().await, "what is stored can be read");
    let known = runtime.supervision().registry().all();
    let [greeter_known] = known.as_slice() else { anyhow::bail!("one greeter is known: {known:?}") };
    // From here on it is being adopted.
    let runs = |now: &Snapshot| now.status == Status::Running;
    let waited = runtime.supervision().wait_until(greeter_known.id, Duration::from_secs(60), runs).await;
    let (found, reached) = waited.context("it is still known")?;
    ensure!(reached, "it runs again: {found:?}");
    ensure!(found.pid.map(u64::from) == greeter["process_id"].as_u64(), "the process is the same: {found:?}");
    ensure!(found.restored_at.is_some() && found.restarts == 0, "it was adopted: {found:?}");
    say(format_args!("process {} was found again", greeter["process_id"]));
    say(Admin::of(&runtime)?.greet(&greeter, "survivor").await?);
    runtime.shutdown(OnShutdown::Stop).await;
    Ok(())
}
