//! Created-to-ready against spawn-to-ready of the same server.

use crate::Places;
use crate::bare::Server;
use crate::daemon::Daemon;
use crate::figures::{Table, median, ms, quantile};

/// Interleaved, so that what disturbs the one disturbs the other.
pub(crate) async fn measure(places: &Places, rounds: u32) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    let servers = Server::all(&daemon).await?;
    let mut table = Table::new(HEADS);
    for server in &servers {
        let (mut bare, mut supervised) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let (mut child, took) = server.bare().await?;
            bare.push(ms(took));
            child.kill();
            let (instance, took) = server.supervised(&daemon).await?;
            supervised.push(ms(took));
            daemon.delete(&instance).await?;
            eprint!("\r{}: {round} of {rounds}", server.name);
        }
        eprintln!();
        table.row(row(server.name, &bare, &supervised));
    }
    table.print();
    Ok(())
}

pub(crate) const HEADS: [&str; 6] =
    ["server", "bare, median ms", "p95", "supervised, median ms", "p95", "ratio of medians"];

/// One server's line.
pub(crate) fn row(name: &str, bare: &[f64], supervised: &[f64]) -> [String; 6] {
    [
        format!("{name} ({} each)", bare.len()),
        format!("{:.1}", median(bare)),
        format!("{:.1}", quantile(bare, 0.95)),
        format!("{:.1}", median(supervised)),
        format!("{:.1}", quantile(supervised, 0.95)),
        format!("{:.3}", median(supervised) / median(bare)),
    ]
}
