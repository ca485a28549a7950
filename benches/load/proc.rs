//! What the kernel says about a process.

use std::time::Duration;

use anyhow::{Context, bail};

/// The unit of times in `/proc`, on every machine that Linux runs on nowadays.
const TICK: Duration = Duration::from_millis(10);

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    pub(crate) pss: u64,
}

/// From `smaps_rollup`.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = read(pid, "smaps_rollup")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("no {name}"))
    };
    Ok(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
}

/// User and system time of all its threads so far, those that have ended included.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let ticks = stat(pid, 14)? + stat(pid, 15)?;
    Ok(TICK * u32::try_from(ticks)?)
}

/// When it was started, in ticks since boot: tells it from a later process with its id.
pub(crate) fn start_ticks(pid: u32) -> anyhow::Result<u64> {
    stat(pid, 22)
}

/// A field of `stat`, counted as proc(5) does.
fn stat(pid: u32, field: usize) -> anyhow::Result<u64> {
    let text = read(pid, "stat")?;
    // The name, in parentheses, may hold anything; it is field 2.
    let rest = text.rsplit_once(')').context("no name")?.1;
    rest.split_whitespace().nth(field - 3).and_then(|value| value.parse().ok()).context("no such field")
}

/// CPU of each of its threads that live, by name, in nanoseconds.
pub(crate) fn cpu_by_thread(pid: u32) -> anyhow::Result<Vec<(String, u64)>> {
    let mut threads: Vec<(String, u64)> = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path();
        // A thread may end while we look.
        let Ok(name) = std::fs::read_to_string(path.join("comm")) else { continue };
        let Ok(times) = std::fs::read_to_string(path.join("schedstat")) else { continue };
        let spent: u64 =
            times.split_whitespace().next().and_then(|spent| spent.parse().ok()).unwrap_or_default();
        match threads.iter_mut().find(|(known, _)| known == name.trim()) {
            Some((_, sum)) => *sum += spent,
            None => threads.push((name.trim().to_owned(), spent)),
        }
    }
    Ok(threads)
}

/// The command line of a process, split.
pub(crate) fn command(pid: u32) -> anyhow::Result<Vec<String>> {
    Ok(words(&read(pid, "cmdline")?))
}

/// The environment a process was given.
pub(crate) fn environment(pid: u32) -> anyhow::Result<Vec<(String, String)>> {
    let words = words(&read(pid, "environ")?);
    Ok(words
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect())
}

/// The processes whose parent it is.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Sends a signal to a process that we started, or whose daemon we did.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) -> anyhow::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        bail!("no process {pid}")
    };
    rustix::process::kill_process(pid, signal).context("signalling a process")
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("/proc/{pid}/{file}"))
}

fn words(text: &str) -> Vec<String> {
    text.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
