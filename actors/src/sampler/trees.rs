//! What each process tree uses, by what it had used at the pass before.
//!
//! Where the kernel counts for a run, its members are known and a tree that has used no CPU since the last pass is
//! not looked at again: it cannot have grown. Elsewhere the processes of the machine are looked at once for all
//! runs, and a tree is what is in the session of its root or descends from it.

use std::collections::HashMap;

use tokio::time::Instant;
use uuid::Uuid;

use crate::launch::proc::{self, Stat};
use crate::launch::{Counted, Launcher};
use crate::state::{Run, Usage};

/// A run with the id of the process that it was started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) id: Uuid,
    pub(crate) run: Run,
    pub(crate) pid: u32,
}

/// What the last pass saw.
#[derive(Debug, Default)]
pub(crate) struct Trees(HashMap<(Uuid, Run), Seen>);

#[derive(Debug)]
struct Seen {
    at: Instant,
    cpu: Cpu,
    refused_forks: u64,
    usage: Usage,
    /// The process and the start of each one that is alive.
    members: Vec<(u32, u64)>,
}

/// CPU that a tree has used so far.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cpu {
    /// In microseconds, as the kernel counts it for all of the tree.
    Counted(u64),
    /// In clock ticks, by process and its start: one that has ended takes its share along.
    Added(HashMap<(u32, u64), u64>),
}

impl Trees {
    /// Measures each tree. What runs for the first time has used no CPU yet.
    pub(crate) fn measure(
        &mut self,
        roots: &[Root],
        launcher: &dyn Launcher,
        now: Instant,
    ) -> Vec<(Uuid, Run, Usage)> {
        let mut all = None;
        let mut seen = HashMap::with_capacity(roots.len());
        let mut usages = Vec::with_capacity(roots.len());
        for root in roots {
            let key = (root.id, root.run);
            let before = self.0.remove(&key);
            let counted = launcher.count(root.id, root.run);
            let present = match (counted, before.as_ref()) {
                (Some(counted), Some(before)) if sleeps(&counted, before) => Seen {
                    at: now,
                    cpu: before.cpu.clone(),
                    refused_forks: counted.refused_forks,
                    usage: Usage { cpu_percent: 0.0, refused_forks: 0, ..before.usage },
                    members: before.members.clone(),
                },
                (Some(counted), before) => {
                    let members: Vec<Stat> =
                        counted.members.iter().filter_map(|pid| Stat::of(*pid).ok()).collect();
                    look(&members, counted.cpu_us, counted.refused_forks, before, now)
                }
                (None, before) => {
                    let all = all.get_or_insert_with(|| ByPid::new(proc::all()));
                    look(&all.tree(root.pid), None, 0, before, now)
                }
            };
            if present.usage.processes > 0 {
                usages.push((root.id, root.run, present.usage));
                seen.insert(key, present);
            }
        }
        self.0 = seen;
        usages
    }

    /// The processes of a tree that were there at the last measuring and still are.
    pub(crate) fn members(&self, key: (Uuid, Run)) -> impl Iterator<Item = u32> {
        let members = self.0.get(&key).into_iter().flat_map(|seen| &seen.members);
        members
            .filter(|(pid, start)| Stat::of(*pid).is_ok_and(|stat| stat.start_ticks == *start))
            .map(|(pid, _)| *pid)
    }
}

fn sleeps(counted: &Counted, before: &Seen) -> bool {
    counted.cpu_us.is_some_and(|us| before.cpu == Cpu::Counted(us))
}

fn look(members: &[Stat], cpu_us: Option<u64>, refused: u64, before: Option<&Seen>, now: Instant) -> Seen {
    let live = || members.iter().filter(|stat| !stat.ended);
    let cpu = cpu_us.map_or_else(
        || Cpu::Added(live().map(|stat| ((stat.pid, stat.start_ticks), stat.cpu_ticks)).collect()),
        Cpu::Counted,
    );
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let usage = Usage {
        memory_bytes: live().map(|stat| stat.resident_pages * page_bytes()).sum(),
        cpu_percent: before.map_or(0.0, |before| percent(&before.cpu, &cpu, (now - before.at).as_secs_f64())),
        processes: count(live().count() as u64),
        tasks: count(live().map(|stat| u64::from(stat.threads)).sum()),
        refused_forks: before.map_or(0, |before| count(refused.saturating_sub(before.refused_forks))),
    };
    let members = live().map(|stat| (stat.pid, stat.start_ticks)).collect();
    Seen { at: now, cpu, refused_forks: refused, usage, members }
}

/// CPU used between two looks, in percent of one core.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a percentage needs few digits"
)]
fn percent(before: &Cpu, now: &Cpu, seconds: f64) -> f32 {
    let used = match (before, now) {
        (Cpu::Counted(before), Cpu::Counted(now)) => now.saturating_sub(*before) as f64 / 1e6,
        (Cpu::Added(before), Cpu::Added(now)) => {
            let ticks: u64 = now
                .iter()
                .map(|(process, ticks)| ticks.saturating_sub(before.get(process).copied().unwrap_or(0)))
                .sum();
            ticks as f64 / rustix::param::clock_ticks_per_second() as f64
        }
        (Cpu::Counted(_), Cpu::Added(_)) | (Cpu::Added(_), Cpu::Counted(_)) => 0.0,
    };
    if seconds > 0.0 { (used / seconds * 100.0) as f32 } else { 0.0 }
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// All processes of the machine.
struct ByPid {
    stats: HashMap<u32, Stat>,
    children: HashMap<u32, Vec<u32>>,
    sessions: HashMap<u32, Vec<u32>>,
}

impl ByPid {
    fn new(all: Vec<Stat>) -> Self {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut sessions: HashMap<u32, Vec<u32>> = HashMap::new();
        for stat in &all {
            children.entry(stat.parent).or_default().push(stat.pid);
            sessions.entry(stat.session).or_default().push(stat.pid);
        }
        Self { stats: all.into_iter().map(|stat| (stat.pid, stat)).collect(), children, sessions }
    }

    /// What is in the session of a process, or descends from it, or from one in its session.
    fn tree(&self, root: u32) -> Vec<Stat> {
        let mut pids = vec![root];
        pids.extend(self.sessions.get(&root).into_iter().flatten().filter(|pid| **pid != root));
        let mut known: std::collections::HashSet<u32> = pids.iter().copied().collect();
        let mut next = 0;
        while let Some(parent) = pids.get(next).copied() {
            next += 1;
            pids.extend(self.children.get(&parent).into_iter().flatten().filter(|pid| known.insert(**pid)));
        }
        pids.iter().filter_map(|pid| self.stats.get(pid)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stat(pid: u32, parent: u32, session: u32, cpu_ticks: u64) -> Stat {
        let (group, ended, threads, start_ticks, resident_pages) = (session, false, 3, 7, 10);
        Stat { pid, ended, parent, group, session, cpu_ticks, threads, start_ticks, resident_pages }
    }

    #[test]
    fn a_tree_is_its_session_and_all_that_descends_from_it() {
        let all =
            ByPid::new(vec![stat(10, 1, 10, 0), stat(11, 1, 10, 0), stat(12, 11, 12, 0), stat(20, 1, 20, 0)]);
        let mut pids: Vec<u32> = all.tree(10).iter().map(|stat| stat.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12]);
        assert_eq!(all.tree(99), []);
    }

    #[test]
    fn cpu_is_what_was_used_since_the_look_before_and_a_new_process_counts_from_its_start() {
        let begin = Instant::now();
        let first = look(&[stat(10, 1, 10, 100)], None, 0, None, begin);
        assert_eq!((first.usage.cpu_percent, first.usage.processes, first.usage.tasks), (0.0, 1, 3));
        let hz = rustix::param::clock_ticks_per_second();
        let later = begin + Duration::from_secs(2);
        let members = [stat(10, 1, 10, 100 + hz), stat(11, 10, 10, hz)];
        let second = look(&members, None, 5, Some(&first), later);
        assert!((second.usage.cpu_percent - 100.0).abs() < 0.01, "{second:?}");
        assert_eq!((second.usage.tasks, second.usage.refused_forks), (6, 5));
        assert_eq!(second.usage.memory_bytes, 20 * page_bytes());
        let gone = look(&[], None, 5, Some(&second), later + Duration::from_secs(1));
        assert_eq!((gone.usage.cpu_percent, gone.usage.refused_forks), (0.0, 0));
    }

    #[test]
    fn what_the_kernel_counts_is_taken_as_it_is() {
        let begin = Instant::now();
        let first = look(&[stat(10, 1, 10, 0)], Some(1_000_000), 0, None, begin);
        let later = begin + Duration::from_secs(1);
        let second = look(&[stat(10, 1, 10, 0)], Some(1_500_000), 0, Some(&first), later);
        assert!((second.usage.cpu_percent - 50.0).abs() < 0.01, "{second:?}");
        let same = Counted { cpu_us: Some(1_500_000), ..Counted::default() };
        assert!(sleeps(&same, &second) && !sleeps(&same, &first));
        assert!(!sleeps(&Counted::default(), &second), "unknown is not asleep");
    }
}
