//! What the daemon costs while its children only sleep.

use std::time::Duration;

use crate::Places;
use crate::daemon::Daemon;
use crate::figures::Table;
use crate::{mass, proc};

/// Until what a burst of starts leaves behind has gone: threads, retries, the journal's batches.
const SETTLE: Duration = Duration::from_secs(15);

/// Memory at none, a fifth and all of the children, then CPU with all.
pub(crate) async fn measure(
    places: &Places,
    children: u32,
    seconds: u64,
    interval: u32,
) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    mass::add_sleepers(&daemon, interval).await?;
    let heads =
        ["children", "RSS KiB", "PSS KiB", "RSS KiB per child", "RSS KiB per child since the line above"];
    let mut table = Table::new(heads);
    // The first of all brings up what is needed once: threads, pools, statements.
    let mut present = mass::sleepers(&daemon, 1).await?.len();
    let mut steps: Vec<(usize, u64)> = Vec::new();
    for count in [1, children / 5, children] {
        let count = usize::try_from(count)?.max(present);
        present += mass::sleepers(&daemon, count - present).await?.len();
        tokio::time::sleep(SETTLE).await;
        let memory = proc::memory(daemon.pid())?;
        let per_child = |step: Option<&(usize, u64)>| match step {
            Some((count, rss)) if *count < present => {
                format!("{:.1}", (memory.rss as f64 - *rss as f64) / (present - count) as f64)
            }
            _ => "-".to_owned(),
        };
        table.row([
            present.to_string(),
            memory.rss.to_string(),
            memory.pss.to_string(),
            per_child(steps.first()),
            per_child(steps.last()),
        ]);
        steps.push((present, memory.rss));
    }
    table.print();

    eprintln!("watching the CPU for {seconds} s");
    let (before, threads) = (proc::cpu(daemon.pid())?, proc::cpu_by_thread(daemon.pid())?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = proc::cpu(daemon.pid())? - before;
    let share = spent.as_secs_f64() / Duration::from_secs(seconds).as_secs_f64() * 100.0;
    let after = proc::memory(daemon.pid())?;
    let mut table =
        Table::new(["children", "checked each", "watched", "CPU ms", "of a core", "RSS KiB at the end"]);
    table.row([
        present.to_string(),
        format!("{interval} s"),
        format!("{seconds} s"),
        format!("{}", spent.as_millis()),
        format!("{share:.2} %"),
        after.rss.to_string(),
    ]);
    table.print();
    for (name, now) in proc::cpu_by_thread(daemon.pid())? {
        let before = threads.iter().find(|(known, _)| *known == name).map_or(0, |(_, spent)| *spent);
        eprintln!("threads {name}: {} ms", now.saturating_sub(before) / 1_000_000);
    }
    Ok(())
}
