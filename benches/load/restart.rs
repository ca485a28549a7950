//! SIGKILL-to-ready of a supervised server against kill, spawn and ready of the same server.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::Places;
use crate::bare::Server;
use crate::daemon::Daemon;
use crate::figures::{Table, ms};
use crate::{proc, start};

/// Longer than the period of the restart budget: no restart waits for an earlier one.
const REST: Duration = Duration::from_millis(1_200);

/// Interleaved, so that what disturbs the one disturbs the other.
pub(crate) async fn measure(places: &Places, rounds: u32) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    let servers = Server::all(&daemon).await?;
    let mut table = Table::new(start::HEADS);
    for server in &servers {
        let (mut child, _) = server.bare().await?;
        let (instance, _) = server.supervised(&daemon).await?;
        let (mut bare, mut supervised) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            tokio::time::sleep(REST).await;
            let begun = Instant::now();
            child.kill();
            (child, _) = server.bare().await?;
            bare.push(ms(begun.elapsed()));
            supervised.push(ms(restarted(&daemon, &instance.id).await?));
            eprint!("\r{}: {round} of {rounds}", server.name);
        }
        eprintln!();
        daemon.delete(&instance).await?;
        table.row(start::row(server.name, &bare, &supervised));
    }
    table.print();
    Ok(())
}

/// Kills the present run of an instance and waits for the next to be ready.
async fn restarted(daemon: &Daemon, id: &str) -> anyhow::Result<Duration> {
    let path = format!("/v1/instances/{id}");
    let before = daemon.get(&path).await?;
    let pid = u32::try_from(before["process_id"].as_u64().unwrap_or_default())?;
    // Asked before the kill, so that the end of the old run is not taken for the readiness of the next.
    let left = format!("{path}/wait?status=starting&timeout_seconds=60");
    let mut left = std::pin::pin!(daemon.get(&left));
    let early = tokio::time::timeout(Duration::from_millis(20), left.as_mut()).await;
    anyhow::ensure!(early.is_err(), "it starts before it was killed: {early:?}");
    let begun = Instant::now();
    proc::signal(pid, Signal::KILL)?;
    left.await?;
    daemon.get(&format!("{path}/wait?status=running&timeout_seconds=60")).await?;
    let took = begun.elapsed();
    let after = daemon.get(&path).await?;
    anyhow::ensure!(after["process_id"] != before["process_id"], "it was not restarted");
    Ok(took)
}
