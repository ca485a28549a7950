//! What the daemon costs while its children only sleep.

use std::time::Duration;

use crate::Places;
use crate::daemon::Daemon;
use crate::figures::Table;
use crate::{mass, proc};

/// Until what a burst of starts leaves behind has gone: threads, retries, the journal's batches.
const SETTLE: Duration = Duration::from_secs(15);

/// Memory at none, a fifth and all of the children, then CPU with all.
pub(crate) async fn measure(places: &Places, children: u32, seconds: u64) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    mass::add_sleepers(&daemon).await?;
    let mut table = Table::new(["children", "RSS KiB", "PSS KiB", "RSS KiB per child", "PSS KiB per child"]);
    // The first of all brings up what is needed once: threads, pools, statements.
    let mut present = mass::sleepers(&daemon, 1).await?.len();
    let mut base = None;
    for count in [1, children / 5, children] {
        let count = usize::try_from(count)?.max(present);
        present += mass::sleepers(&daemon, count - present).await?.len();
        tokio::time::sleep(SETTLE).await;
        let memory = proc::memory(daemon.pid())?;
        let (base_count, base) = *base.get_or_insert((present, memory));
        let per_child = |now: u64, then: u64| match present - base_count {
            0 => "-".to_owned(),
            more => format!("{:.2}", (now as f64 - then as f64) / more as f64),
        };
        table.row([
            present.to_string(),
            memory.rss.to_string(),
            memory.pss.to_string(),
            per_child(memory.rss, base.rss),
            per_child(memory.pss, base.pss),
        ]);
    }
    table.print();

    eprintln!("watching the CPU for {seconds} s");
    let (before, threads) = (proc::cpu(daemon.pid())?, proc::cpu_by_thread(daemon.pid())?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let spent = proc::cpu(daemon.pid())? - before;
    let share = spent.as_secs_f64() / Duration::from_secs(seconds).as_secs_f64() * 100.0;
    let after = proc::memory(daemon.pid())?;
    let mut table = Table::new(["children", "watched", "CPU ms", "of a core", "RSS KiB at the end"]);
    table.row([
        present.to_string(),
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
