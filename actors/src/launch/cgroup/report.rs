//! What control groups do for every run on this machine, and why they do not do more, in words for a person.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::{Cgroups, Controller, Enforced, Use, words};

/// How all processes of a run are ended.
///
/// ```
/// use minimcp_actors::launch::cgroup::TreeEnd;
///
/// assert_eq!(TreeEnd::Kill.as_str(), "cgroup.kill");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TreeEnd {
    /// At once, by `cgroup.kill` of cgroup v2.
    Kill,
    /// Stopped together by the freezer of cgroup v1, then killed one by one.
    Freezer,
    /// Looked for in `/proc`, stopped and killed.
    Scan,
}

impl TreeEnd {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "cgroup.kill",
            Self::Freezer => "freezer",
            Self::Scan => "process scan",
        }
    }
}

/// What is in force for every run.
///
/// ```
/// use minimcp_actors::launch::cgroup::{Use, examine};
///
/// let report = examine(Use::Off, None);
/// let words = "trees by process scan, memory by sampling, cpu by sampling, tasks by sampling";
/// assert!(report.described().starts_with(words), "{}", report.described());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How trees are ended.
    pub trees: TreeEnd,
    /// Who keeps each limit.
    pub enforced: Enforced,
    /// Why not more is.
    pub gaps: Vec<String>,
}

impl Report {
    /// In one line.
    #[must_use]
    pub fn described(&self) -> String {
        let Enforced { memory, cpu, tasks } = self.enforced;
        let trees = self.trees.as_str();
        let words =
            [("trees", trees), ("memory", memory.as_str()), ("cpu", cpu.as_str()), ("tasks", tasks.as_str())];
        let mut text = words.map(|(what, who)| format!("{what} by {who}")).join(", ");
        for gap in &self.gaps {
            text.push_str("; ");
            text.push_str(gap);
        }
        text
    }
}

/// What a daemon would have that is started from where this program is. Leaves no trace.
#[must_use]
pub fn examine(which: Use, base: Option<&str>) -> Report {
    let name = format!("{}trial-{}", super::ROOT, std::process::id());
    let mut trial = Trial::default();
    let cgroups = Cgroups::open_as(which, base, &name, &mut trial);
    trial.undo();
    cgroups.report()
}

/// How a root comes to be: for good, or to be taken back.
pub(super) trait Making {
    /// Makes a directory with what is missing above it.
    fn make(&mut self, dir: &Path) -> io::Result<()>;
    /// Lets the children of a group of v2 have a controller.
    fn enable(&mut self, dir: &Path, controller: Controller) -> io::Result<()>;
}

/// Makes directories to see whether it may, and switches nothing.
#[derive(Debug, Default)]
struct Trial(Vec<PathBuf>);

impl Trial {
    fn undo(&self) {
        for dir in self.0.iter().rev() {
            // Nobody else knows of it, so it is empty.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

impl Making for Trial {
    fn make(&mut self, dir: &Path) -> io::Result<()> {
        let missing: Vec<PathBuf> =
            dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        for dir in missing.into_iter().rev() {
            std::fs::create_dir(&dir)?;
            self.0.push(dir);
        }
        Ok(())
    }

    fn enable(&mut self, dir: &Path, controller: Controller) -> io::Result<()> {
        let file = dir.join("cgroup.subtree_control");
        // What was made for the trial gets what the group above it may give.
        if self.0.iter().any(|made| made == dir) || words(&file).contains(controller.name()) {
            return Ok(());
        }
        rustix::fs::access(&file, rustix::fs::Access::WRITE_OK)?;
        // Only the group at the top may hold processes and give controllers to its children.
        let is_top = !dir.join("cgroup.type").exists();
        let me = std::process::id().to_string();
        if is_top || words(&dir.join("cgroup.procs")).iter().all(|pid| *pid == me) {
            return Ok(());
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

/// The limits that nobody but the sampler keeps, of which nothing says yet why.
pub(super) fn unoffered(which: Use, enforced: Enforced, refused: &BTreeSet<Controller>) -> Option<String> {
    let limits = [
        (Controller::Memory, enforced.memory),
        (Controller::Cpu, enforced.cpu),
        (Controller::Pids, enforced.tasks),
    ];
    let names: Vec<&str> = limits
        .into_iter()
        .filter(|(controller, by)| *by == super::Enforcer::Sampling && !refused.contains(controller))
        .map(|(controller, _)| controller.name())
        .collect();
    let whose = match which {
        Use::Auto => "no control group of this machine offers",
        Use::V2 => "cgroup v2 does not offer here",
        Use::V1 => "cgroup v1 does not offer here",
        Use::Off => return None,
    };
    (!names.is_empty()).then(|| format!("{whose} {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::Enforcer;
    use super::*;

    #[test]
    fn what_is_in_force_is_told_with_what_is_missing() {
        let enforced = Enforced { memory: Enforcer::CgroupV1, ..Enforced::default() };
        let report = Report { trees: TreeEnd::Kill, enforced, gaps: vec!["no room".into()] };
        let told = "trees by cgroup.kill, memory by cgroup v1, cpu by sampling, tasks by sampling; no room";
        assert_eq!(report.described(), told);
    }

    #[test]
    fn a_limit_that_only_measuring_keeps_is_named_once_with_the_reason() {
        let enforced = Enforced { memory: Enforcer::CgroupV1, ..Enforced::default() };
        let none = BTreeSet::new();
        let told = unoffered(Use::Auto, enforced, &none).unwrap();
        assert_eq!(told, "no control group of this machine offers cpu, pids");
        let refused = BTreeSet::from([Controller::Cpu, Controller::Pids]);
        assert_eq!(unoffered(Use::Auto, enforced, &refused), None, "the reason is known");
        assert_eq!(unoffered(Use::Off, Enforced::default(), &none), None);
    }

    #[test]
    fn a_look_leaves_no_group_behind() {
        let ours = || -> Vec<PathBuf> {
            let name = format!("{}trial-{}", super::super::ROOT, std::process::id());
            let mounts = super::super::Mounts::of_process();
            let owns = mounts.unified.iter().chain(mounts.v1.values());
            owns.flat_map(|own| [own.dir.join(&name), own.mount.join("minimcp-absent")])
                .filter(|dir| dir.exists())
                .collect()
        };
        for base in [None, Some("/minimcp-absent/below")] {
            for which in [Use::Auto, Use::V2, Use::V1] {
                let report = examine(which, base);
                assert!(which != Use::V1 || report.trees != TreeEnd::Kill, "{report:?}");
                assert_eq!(ours().first(), None, "{which:?} {base:?}");
            }
        }
        let off = examine(Use::Off, None);
        assert_eq!((off.trees, off.enforced), (TreeEnd::Scan, Enforced::default()));
        assert_eq!(off.gaps, ["the setting cgroups is off"]);
    }
}
