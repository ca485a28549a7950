//! The control group of one run: its members, its end, and what the kernel did to it.

use std::io;
use std::path::{Path, PathBuf};

use super::{Enforced, Enforcer};
use crate::policy::Limits;

/// The period of the kernel's CPU quota, in microseconds.
const PERIOD_US: u64 = 100_000;

/// The group of a run: a directory in each hierarchy that is used for it. The first one holds every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    dirs: Vec<PathBuf>,
}

impl Group {
    /// Makes the directories and sets the limits. Leaves none behind if one cannot be made.
    pub(super) fn make(dirs: Vec<PathBuf>, limits: &Limits) -> io::Result<Self> {
        let group = Self { dirs };
        for dir in &group.dirs {
            if let Err(error) = std::fs::create_dir(dir).and_then(|()| limit(dir, limits)) {
                group.remove();
                return Err(error);
            }
        }
        Ok(group)
    }

    /// The group of this name that is recorded as these directories, of which only those count that are named so
    /// below a root of ours. `None` if there is none.
    pub(crate) fn found(dirs: &[PathBuf], name: &str) -> Option<Self> {
        let is_ours = |dir: &&PathBuf| {
            let root = dir.parent().and_then(Path::file_name).and_then(|root| root.to_str());
            dir.file_name().is_some_and(|last| last == name)
                && root.is_some_and(|root| root.starts_with(super::ROOT))
        };
        let dirs: Vec<PathBuf> = dirs.iter().filter(is_ours).cloned().collect();
        (!dirs.is_empty()).then_some(Self { dirs })
    }

    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// What the stage writes `0` into, to join.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    fn home(&self) -> &Path {
        // Made with at least one directory.
        self.dirs.first().map_or(Path::new("/nonexistent"), PathBuf::as_path)
    }

    /// Its live processes. Empty too once the group is removed.
    pub(crate) fn members(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.home().join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// CPU that its processes have used, ended ones included, in microseconds. Only v2 tells.
    pub(crate) fn cpu_us(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.home().join("cpu.stat")).ok()?;
        value(&text, "usage_usec")
    }

    /// Forks that the limit of processes has refused so far.
    pub(crate) fn refused_forks(&self) -> u64 {
        let told = |dir: &PathBuf| value(&std::fs::read_to_string(dir.join("pids.events")).ok()?, "max");
        self.dirs.iter().find_map(told).unwrap_or(0)
    }

    /// Ends every process at once, where the kernel can: no fork outruns it.
    pub(crate) fn kill(&self) -> bool {
        std::fs::write(self.home().join("cgroup.kill"), "1").is_ok()
    }

    /// Stops every process (v1), so that none forks while all are being signalled; or lets them go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let state = if frozen { "FROZEN" } else { "THAWED" };
        // A hierarchy without freezer has no such file; members are then signalled until none is left.
        let _ = std::fs::write(self.home().join("freezer.state"), state);
    }

    /// How many of its processes the kernel killed because the memory limit was reached.
    pub(crate) fn oom_kills(&self) -> u64 {
        let told = |dir: &PathBuf| {
            let read = |file| std::fs::read_to_string(dir.join(file)).ok();
            // `oom_kill` counts processes; `memory.events` is of v2, `memory.oom_control` of v1.
            read("memory.events")
                .or_else(|| read("memory.oom_control"))
                .and_then(|text| value(&text, "oom_kill"))
        };
        self.dirs.iter().filter_map(told).sum()
    }

    /// Removes the directories, which the kernel allows once they are empty. Answers whether all are gone.
    pub(crate) fn remove(&self) -> bool {
        let mut gone = true;
        for dir in &self.dirs {
            gone &= match std::fs::remove_dir(dir) {
                Err(error) => error.kind() == io::ErrorKind::NotFound,
                Ok(()) => true,
            };
        }
        gone
    }

    /// Who keeps which limit, by what is set.
    pub(crate) fn enforced(&self) -> Enforced {
        let set = |file: &str| {
            let mut texts = self.dirs.iter().filter_map(|dir| std::fs::read_to_string(dir.join(file)).ok());
            texts.any(|text| !text.starts_with("max") && !text.starts_with("-1"))
        };
        let by = |v2: &str, v1: &str| {
            if !v2.is_empty() && set(v2) {
                Enforcer::CgroupV2
            } else if set(v1) {
                Enforcer::CgroupV1
            } else {
                Enforcer::Sampling
            }
        };
        // `pids.max` has one name in both versions; the hierarchy of v2 tells itself by `cgroup.controllers`.
        let tasks = match self.dirs.iter().find(|dir| dir.join("pids.max").exists()) {
            Some(_) if !set("pids.max") => Enforcer::Sampling,
            Some(dir) if dir.join("cgroup.controllers").exists() => Enforcer::CgroupV2,
            Some(_) => Enforcer::CgroupV1,
            None => Enforcer::Sampling,
        };
        let memory = if set("memory.max") {
            Enforcer::CgroupV2
        } else if self.dirs.iter().any(|dir| is_limited_v1(dir)) {
            Enforcer::CgroupV1
        } else {
            Enforcer::Sampling
        };
        Enforced { memory, cpu: by("cpu.max", "cpu.cfs_quota_us"), tasks }
    }
}

/// The kernel's ceiling for a CPU limit: above it, so that who is over the limit for long is told from who is held
/// at it, and low enough for the neighbours.
fn ceiling_percent(limit: u32) -> u64 {
    u64::from(limit).saturating_mul(2).max(u64::from(limit) + 50)
}

/// v1 writes "no limit" as a number near the largest.
fn is_limited_v1(dir: &Path) -> bool {
    let text = std::fs::read_to_string(dir.join("memory.limit_in_bytes")).unwrap_or_default();
    text.trim().parse::<u64>().is_ok_and(|bytes| bytes < 1 << 60)
}

/// Sets the limits that this directory's hierarchy knows.
fn limit(dir: &Path, limits: &Limits) -> io::Result<()> {
    let set = |file: &str, value: String| -> io::Result<bool> {
        let path = dir.join(file);
        if !path.exists() {
            return Ok(false);
        }
        std::fs::write(path, value).map(|()| true)
    };
    if let Some(bytes) = limits.memory_bytes {
        if set("memory.max", bytes.to_string())? {
            // All of it goes, rather than the largest process and a server that is half there.
            set("memory.oom.group", "1".into())?;
            set("memory.swap.max", "0".into())?;
        } else if set("memory.limit_in_bytes", bytes.to_string())? {
            // Without it the rest would be swapped out.
            set("memory.memsw.limit_in_bytes", bytes.to_string())?;
        }
    }
    if let Some(percent) = limits.cpu_percent {
        let quota = ceiling_percent(percent) * PERIOD_US / 100;
        if !set("cpu.max", format!("{quota} {PERIOD_US}"))? {
            set("cpu.cfs_quota_us", quota.to_string())?;
        }
    }
    if let Some(tasks) = limits.tasks {
        set("pids.max", tasks.to_string())?;
    }
    Ok(())
}

/// The number behind a name in a file of lines `name number`.
fn value(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_whole_name() {
        let text = "oom 7\noom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(value(text, "oom_kill"), Some(3));
        assert_eq!(value(text, "oom_group_kill"), None);
    }

    #[test]
    fn a_recorded_group_that_is_none_of_ours_is_left_alone() {
        let dirs = ["/sys/fs/cgroup/a/minimcp-1-2/x.1", "/sys/fs/cgroup/system.slice/x.1"].map(PathBuf::from);
        assert_eq!(Group::found(&dirs, "x.1").unwrap().dirs(), &dirs[..1]);
        assert_eq!(Group::found(&dirs, "x.2"), None);
        assert_eq!(Group::found(&["/".into()], "x.1"), None);
    }

    #[test]
    fn the_ceiling_leaves_room_to_see_who_is_over_the_limit() {
        assert_eq!([1, 20, 50, 100, 400].map(ceiling_percent), [51, 70, 100, 200, 800]);
    }

    #[test]
    fn limits_are_written_where_a_hierarchy_knows_them_and_nowhere_else() {
        let limits = Limits { memory_bytes: Some(1 << 20), cpu_percent: Some(50), tasks: Some(64) };
        let scratch = tempfile::tempdir().unwrap();
        let dir = |name: &str, files: &[&str]| {
            let dir = scratch.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            for file in files {
                std::fs::write(dir.join(file), "max").unwrap();
            }
            dir
        };
        let v2 = dir("v2", &["cgroup.controllers", "memory.max", "memory.oom.group", "cpu.max", "pids.max"]);
        let memory = dir("memory", &["memory.limit_in_bytes"]);
        let bare = dir("bare", &["cgroup.controllers", "cgroup.procs"]);
        for dir in [&v2, &memory, &bare] {
            limit(dir, &limits).unwrap();
        }
        let read = |dir: &Path, file: &str| std::fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(read(&v2, "memory.max"), "1048576");
        assert_eq!(read(&v2, "memory.oom.group"), "1");
        assert_eq!(read(&v2, "cpu.max"), "100000 100000");
        assert_eq!(read(&memory, "memory.limit_in_bytes"), "1048576");
        assert!(!bare.join("pids.max").exists());
        let enforced = |dirs: &[&PathBuf]| Group { dirs: dirs.iter().copied().cloned().collect() }.enforced();
        let v1 = Enforced { memory: Enforcer::CgroupV1, ..Enforced::default() };
        assert_eq!(enforced(&[&bare]), Enforced::default());
        assert_eq!(enforced(&[&bare, &memory]), v1);
        let kernel = Enforcer::CgroupV2;
        assert_eq!(enforced(&[&v2]), Enforced { memory: kernel, cpu: kernel, tasks: kernel });
    }
}
