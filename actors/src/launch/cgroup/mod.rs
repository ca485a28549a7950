//! Control groups: one for each run, below a root of our own, so that the kernel knows what belongs to a run, ends
//! all of it at once and keeps its limits.
//!
//! What there is differs: cgroup v2 with controllers (a unit with `Delegate=`), v2 without them, the hierarchies of
//! v1, both, or none. Each limit goes to what can keep it; [`Enforced`] says what that is. Nothing outside the root
//! is touched, but for one thing: where v2 wants a group with children to hold no process and nobody but this program is
//! in ours, this program moves into a child of it.

mod group;
mod mounts;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use group::Group;
use mounts::{Mounts, Own};
use report::Making;
pub use report::{Report, TreeEnd, examine};

use crate::policy::Limits;
use crate::state::Run;

/// What the root of each daemon begins with.
const ROOT: &str = "minimcp-";
/// Where the daemon itself stays below a group that was delegated to it; `DelegateSubgroup=` of its unit.
const OWN: &str = "minimcp-daemon";

/// Which control groups are used.
///
/// ```
/// use minimcp_actors::launch::cgroup::Use;
///
/// assert_eq!(serde_json::from_str::<Use>("\"off\"").unwrap(), Use::Off, "as settings have it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// What there is: v2 first, and v1 for controllers that v2 does not have.
    #[default]
    Auto,
    /// The unified hierarchy only.
    V2,
    /// The hierarchies of v1 only.
    V1,
    /// None: trees are found by session, parents and environment, and limits are kept by measuring.
    Off,
}

/// Who sees to it that a limit is kept.
///
/// ```
/// use minimcp_actors::launch::cgroup::Enforcer;
///
/// assert_eq!(Enforcer::CgroupV2.as_str(), "cgroup v2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Enforcer {
    /// The kernel, by cgroup v2.
    #[serde(rename = "cgroup v2")]
    CgroupV2,
    /// The kernel, by cgroup v1.
    #[serde(rename = "cgroup v1")]
    CgroupV1,
    /// The sampler, which measures and then has the run ended.
    #[serde(rename = "sampling")]
    Sampling,
}

impl Enforcer {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::Sampling => "sampling",
        }
    }
}

/// Who keeps each limit of a run, whether or not it has the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    /// The memory of the tree.
    pub memory: Enforcer,
    /// Its CPU: the kernel's ceiling lies above the limit, so that measuring still tells who is over it.
    pub cpu: Enforcer,
    /// Its processes and threads.
    pub tasks: Enforcer,
}

impl Default for Enforced {
    fn default() -> Self {
        Self { memory: Enforcer::Sampling, cpu: Enforcer::Sampling, tasks: Enforcer::Sampling }
    }
}

/// What a group is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Pids,
    /// Only of v1; every group of v2 can be frozen and killed.
    Freezer,
}

impl Controller {
    const ALL: [Self; 4] = [Self::Memory, Self::Cpu, Self::Pids, Self::Freezer];
    const OF_V2: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
        }
    }
}

/// The roots of our own, one in each hierarchy that is used.
///
/// ```
/// use minimcp_actors::launch::cgroup::{Cgroups, Enforcer};
///
/// let none = Cgroups::none();
/// assert_eq!((none.enforced().memory, none.kills_trees()), (Enforcer::Sampling, false));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cgroups {
    unified: Option<PathBuf>,
    /// What the unified root can limit.
    controllers: BTreeSet<Controller>,
    v1: BTreeMap<Controller, PathBuf>,
    /// Why not more of them are used.
    gaps: Vec<String>,
}

impl Cgroups {
    /// No control groups.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes the roots of the daemon that keeps its records in `run_dir`: below `base`, a path within the
    /// hierarchies such as `/minimcp`, or below this program's own group.
    ///
    /// What cannot be made is left out; [`Self::report`] says so.
    #[must_use]
    pub fn open(which: Use, base: Option<&str>, run_dir: &Path) -> Self {
        match root_name(run_dir) {
            Ok(name) => Self::open_as(which, base, &name, &mut ForGood),
            Err(error) => Self { gaps: vec![format!("{}: {error}", run_dir.display())], ..Self::default() },
        }
    }

    fn open_as(which: Use, base: Option<&str>, name: &str, making: &mut impl Making) -> Self {
        let mut cgroups = Self::default();
        if which == Use::Off {
            cgroups.gaps.push("the setting cgroups is off".into());
            return cgroups;
        }
        let mounts = Mounts::of_process();
        let mut refused = BTreeSet::new();
        // Elsewhere than where it says: this program sees another part of the hierarchy than it is in.
        let known = |own: &&Own| base.is_some() || own.dir.is_dir();
        if which != Use::V1 {
            match mounts.unified.as_ref() {
                Some(own) if known(&own) => {
                    cgroups.open_unified(&base_dir(own, base), name, making, &mut refused);
                }
                Some(own) => {
                    cgroups.gaps.push(format!("{}: not the part that we are in", own.mount.display()))
                }
                None => cgroups.gaps.push("cgroup v2 is not mounted".into()),
            }
        }
        if which != Use::V2 {
            for (controller, own) in mounts.v1.iter().filter(|(_, own)| known(own)) {
                if cgroups.controllers.contains(controller)
                    || (*controller == Controller::Freezer && cgroups.unified.is_some())
                {
                    continue;
                }
                let root = base_dir(own, base).join(name);
                match making.make(&root) {
                    Ok(()) => {
                        cgroups.v1.insert(*controller, root);
                    }
                    Err(error) => {
                        refused.insert(*controller);
                        cgroups.gaps.push(format!("{}: {error}", root.display()));
                    }
                }
            }
        }
        cgroups.gaps.extend(report::unoffered(which, cgroups.enforced(), &refused));
        cgroups
    }

    fn open_unified(
        &mut self,
        base: &Path,
        name: &str,
        making: &mut impl Making,
        refused: &mut BTreeSet<Controller>,
    ) {
        let root = base.join(name);
        if let Err(error) = making.make(&root) {
            self.gaps.push(format!("{}: {error}", root.display()));
            return;
        }
        // Older kernels cannot kill a group at once, which is what this one is for.
        if !root.join("cgroup.kill").exists() {
            self.gaps.push(format!("{}: the kernel is older than 5.14", root.display()));
            // Empty, as it was just made.
            let _ = std::fs::remove_dir(&root);
            return;
        }
        let offered = words(&base.join("cgroup.controllers"));
        for controller in Controller::OF_V2.into_iter().filter(|c| offered.contains(c.name())) {
            match making.enable(base, controller).and_then(|()| making.enable(&root, controller)) {
                Ok(()) => {
                    self.controllers.insert(controller);
                }
                Err(error) => {
                    refused.insert(controller);
                    self.gaps.push(format!("{} in {}: {error}", controller.name(), base.display()));
                }
            }
        }
        self.unified = Some(root);
    }

    /// Who would keep each limit.
    #[must_use]
    pub fn enforced(&self) -> Enforced {
        let by = |controller| {
            if self.controllers.contains(&controller) {
                Enforcer::CgroupV2
            } else if self.v1.contains_key(&controller) {
                Enforcer::CgroupV1
            } else {
                Enforcer::Sampling
            }
        };
        Enforced { memory: by(Controller::Memory), cpu: by(Controller::Cpu), tasks: by(Controller::Pids) }
    }

    /// Whether the kernel ends a tree at once, whatever it does meanwhile.
    #[must_use]
    pub fn kills_trees(&self) -> bool {
        self.unified.is_some() || self.v1.contains_key(&Controller::Freezer)
    }

    /// What is in force, and why not more is.
    #[must_use]
    pub fn report(&self) -> Report {
        let trees = match (&self.unified, self.v1.contains_key(&Controller::Freezer)) {
            (Some(_), _) => TreeEnd::Kill,
            (None, true) => TreeEnd::Freezer,
            (None, false) => TreeEnd::Scan,
        };
        Report { trees, enforced: self.enforced(), gaps: self.gaps.clone() }
    }

    /// Makes the group of a run with its limits. `None` where there are no groups.
    pub(crate) fn make(&self, id: Uuid, run: Run, limits: &Limits) -> io::Result<Option<Group>> {
        let name = format!("{id}.{run}");
        let mut dirs: Vec<PathBuf> = self.unified.iter().map(|root| root.join(&name)).collect();
        let needed = [
            (Controller::Freezer, true),
            (Controller::Memory, limits.memory_bytes.is_some()),
            (Controller::Cpu, limits.cpu_percent.is_some()),
            (Controller::Pids, limits.tasks.is_some()),
        ];
        for (controller, _) in needed.into_iter().filter(|(_, needed)| *needed) {
            dirs.extend(
                self.v1.get(&controller).map(|root| root.join(&name)).filter(|dir| !dirs.contains(dir)),
            );
        }
        if dirs.is_empty() {
            return Ok(None);
        }
        Group::make(dirs, limits).map(Some)
    }

    /// The group of a run, if it is there.
    pub(crate) fn of_run(&self, id: Uuid, run: Run) -> Option<Group> {
        let name = format!("{id}.{run}");
        let roots = self.unified.iter().chain(self.v1.values());
        let dirs: Vec<PathBuf> = roots.map(|root| root.join(&name)).filter(|dir| dir.is_dir()).collect();
        Group::found(&dirs, &name)
    }

    /// The groups of runs that are there, by name, with all their directories.
    #[must_use]
    pub fn present(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let mut present: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for root in self.unified.iter().chain(self.v1.values().collect::<BTreeSet<_>>()) {
            for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir())
                    && let Ok(name) = entry.file_name().into_string()
                {
                    present.entry(name).or_default().push(entry.path());
                }
            }
        }
        present
    }

    /// Removes the roots, if no run has a group any more.
    pub fn close(&self) {
        for root in self.unified.iter().chain(self.v1.values()) {
            // One that is in use stays for the next daemon.
            let _ = std::fs::remove_dir(root);
        }
    }
}

/// One daemon keeps its records in a directory at a time, so the directory names its groups.
fn root_name(run_dir: &Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(run_dir)?;
    Ok(format!("{ROOT}{:x}-{:x}", metadata.dev(), metadata.ino()))
}

fn base_dir(own: &Own, base: Option<&str>) -> PathBuf {
    match base {
        Some(path) => own.mount.join(path.trim_start_matches('/')),
        None if own.dir.file_name().is_some_and(|name| name == OWN) => {
            own.dir.parent().map_or_else(|| own.dir.clone(), Path::to_owned)
        }
        None => own.dir.clone(),
    }
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// As a daemon makes its roots.
struct ForGood;

impl Making for ForGood {
    fn make(&mut self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn enable(&mut self, dir: &Path, controller: Controller) -> io::Result<()> {
        let file = dir.join("cgroup.subtree_control");
        if words(&file).contains(controller.name()) {
            return Ok(());
        }
        let switch = format!("+{}", controller.name());
        match std::fs::write(&file, &switch) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && move_aside(dir)? => {
                std::fs::write(&file, &switch)
            }
            done => done,
        }
    }
}

/// A group of v2 with controllers for its children may hold no process. Moves this program into a child of the
/// group if nobody else is in it.
fn move_aside(dir: &Path) -> io::Result<bool> {
    let me = std::process::id().to_string();
    if words(&dir.join("cgroup.procs")).iter().any(|pid| *pid != me) {
        return Ok(false);
    }
    let own = dir.join(OWN);
    std::fs::create_dir_all(&own)?;
    std::fs::write(own.join("cgroup.procs"), "0")?;
    Ok(true)
}
