//! SIGKILL of the daemon: from its next start until every child is taken over.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde_json::Value;

use crate::Places;
use crate::daemon::Daemon;
use crate::figures::{Table, median, ms, quantile};
use crate::mass;

/// Kills and starts the daemon a few times with all children there.
pub(crate) async fn measure(places: &Places, children: u32, rounds: u32) -> anyhow::Result<()> {
    let mut daemon = Daemon::start(places).await?;
    mass::add_sleepers(&daemon, 30).await?;
    let mut empty = Vec::new();
    for _ in 0..rounds {
        empty.push(ms(daemon.replace().await?.elapsed()));
    }
    let made = mass::sleepers(&daemon, usize::try_from(children)?).await?;
    let pids: BTreeMap<String, u32> = made.into_iter().map(|made| (made.id, made.pid)).collect();
    let mut took = Vec::new();
    for round in 1..=rounds {
        let begun = daemon.replace().await?;
        while running(&daemon).await? != pids {
            ensure!(begun.elapsed().as_secs() < 60, "not every child was taken over");
        }
        took.push(ms(begun.elapsed()));
        eprint!("\rkills of the daemon: {round} of {rounds}");
    }
    eprintln!();
    let mut table = Table::new([
        "children",
        "start to ready, none there, median ms",
        "start to all taken over, median ms",
        "p95",
        "same processes",
    ]);
    table.row([
        pids.len().to_string(),
        format!("{:.0}", median(&empty)),
        format!("{:.0}", median(&took)),
        format!("{:.0}", quantile(&took, 0.95)),
        "all".into(),
    ]);
    table.print();
    Ok(())
}

/// Every instance that runs, with its process.
async fn running(daemon: &Daemon) -> anyhow::Result<BTreeMap<String, u32>> {
    let mut all = BTreeMap::new();
    let mut query = "limit=500".to_owned();
    loop {
        let page = daemon.get(&format!("/v1/instances?{query}")).await?;
        let items = page["items"].as_array().into_iter().flatten();
        let running = items.filter(|item| item["status"] == "running");
        all.extend(running.filter_map(|item| {
            let pid = item["process_id"].as_u64().and_then(|pid| u32::try_from(pid).ok())?;
            Some((item["id"].as_str()?.to_owned(), pid))
        }));
        match &page["next_cursor"] {
            Value::String(cursor) => query = format!("limit=500&cursor={cursor}"),
            _ => return Ok(all),
        }
    }
}
