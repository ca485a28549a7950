//! What `/proc` tells about processes, read as little as is needed.

use std::io;

/// The fields of `/proc/PID/stat` that are of use here, see proc(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    /// It has ended and only waits to be reaped.
    pub(crate) ended: bool,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// CPU used so far, in clock ticks.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u32,
    /// Start time in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// Resident memory in pages.
    pub(crate) resident_pages: u64,
}

impl Stat {
    /// # Errors
    /// `NotFound` if there is no such process.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The program's name, field 2, stands in parentheses and may itself hold spaces and parentheses.
    fn parse(line: &str) -> Option<Self> {
        let pid = line.split_ascii_whitespace().next()?.parse().ok()?;
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Field 3 of proc(5) is the first behind the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        let id = |at: usize| field(at)?.parse::<u32>().ok();
        Some(Self {
            pid,
            ended: matches!(field(3)?, "Z" | "X"),
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            cpu_ticks: number(14)? + number(15)?,
            threads: id(20)?,
            start_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }
}

/// The id of every process there is at the moment.
pub(crate) fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Every process there is at the moment; one that comes or goes meanwhile may be missing.
pub(crate) fn all() -> Vec<Stat> {
    pids().into_iter().filter_map(|pid| Stat::of(pid).ok()).collect()
}

/// How many processes and threads were ever begun on this machine.
pub(crate) fn forks() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("processes ")?.trim().parse().ok())
}

/// What the processors of this machine have done since it began, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    all: u64,
    idle: u64,
}

impl CpuTimes {
    /// The first line of `/proc/stat`, see proc(5): user, nice, system, idle, iowait, irq, softirq, steal; what guests
    /// took, which comes behind them, is in user and nice already.
    fn parse(text: &str) -> Option<Self> {
        let fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
        let ticks: Vec<u64> = fields.take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { all: ticks.iter().sum(), idle: ticks.get(3)? + ticks.get(4)? })
    }

    /// How much of the processors' time since `before` was used.
    pub(crate) fn busy_percent(self, before: Self) -> u64 {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle).min(all);
        ((all - idle) * 100).checked_div(all).unwrap_or(0)
    }
}

/// What the processors have done so far.
pub(crate) fn cpu_times() -> Option<CpuTimes> {
    CpuTimes::parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// Whether a process was started with this variable, written `NAME=value`. `false` too if we may not look.
pub(crate) fn has_variable(pid: u32, variable: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|word| word == variable.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "4242 (a ) b (c) S 1 4242 4243 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 11 0 987654 1000 20 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session), (4242, 1, 4242, 4243));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start_ticks), (56, 11, 987_654));
        assert_eq!((stat.resident_pages, stat.ended), (20, false));
        assert_eq!(Stat::parse("4242 (a"), None);
        assert!(Stat::parse(&line.replace(" S ", " Z ")).unwrap().ended);
    }

    #[test]
    fn processors_are_busy_with_all_but_idling_and_waiting_for_disks() {
        let times = |line: &str| CpuTimes::parse(line).unwrap();
        let before = times("cpu  100 0 50 1000 20 1 2 3 77 0\ncpu0 1 1 1 1\n");
        let after = times("cpu  110 0 60 1015 25 1 2 13 99 0\n");
        assert_eq!((before.all, before.idle), (1176, 1020));
        assert_eq!(after.busy_percent(before), 60);
        assert_eq!(before.busy_percent(before), 0, "no time has passed");
        assert_eq!(CpuTimes::parse("intr 1 2 3"), None);
        assert!(cpu_times().is_some());
    }

    #[test]
    fn a_thread_or_process_that_is_begun_is_counted() {
        let before = forks().unwrap();
        std::thread::spawn(|| {}).join().unwrap();
        assert!(forks().unwrap() > before);
    }

    #[test]
    fn this_process_is_among_all_and_has_the_variables_it_was_started_with() {
        let me = std::process::id();
        assert!(all().iter().any(|stat| stat.pid == me && stat.threads > 0));
        let path = format!("PATH={}", std::env::var("PATH").unwrap());
        assert!(has_variable(me, &path));
        assert!(!has_variable(me, &path[..path.len() - 1]), "only as a whole");
    }
}
