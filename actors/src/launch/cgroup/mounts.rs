//! Which cgroup hierarchies there are, and where this process is in each: `/proc/self/mountinfo` and
//! `/proc/self/cgroup`, read into paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Controller;

/// The directories of this process's own cgroups, as they are mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mounts {
    /// In the unified hierarchy (cgroup v2): where it is mounted, and this process in it.
    pub(super) unified: Option<Own>,
    /// In the hierarchies of cgroup v1, by controller.
    pub(super) v1: BTreeMap<Controller, Own>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) mount: PathBuf,
    pub(super) dir: PathBuf,
}

impl Mounts {
    pub(super) fn of_process() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        Self::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    fn parse(mounts: &str, own: &str) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let Some(mount) = Mount::parse(line) else { continue };
            for (controllers, path) in own.lines().filter_map(own_path) {
                let Some(own) = mount.own(path) else { continue };
                if mount.kind == "cgroup2" && controllers.is_empty() {
                    found.unified.get_or_insert(own);
                } else if mount.kind == "cgroup" {
                    for controller in Controller::ALL {
                        let named = |list: &str| list.split(',').any(|name| name == controller.name());
                        if named(controllers) && named(mount.options) {
                            found.v1.entry(controller).or_insert_with(|| own.clone());
                        }
                    }
                }
            }
        }
        found
    }
}

/// `8:pids:/a/b` as (`pids`, `/a/b`).
fn own_path(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.splitn(3, ':').skip(1);
    Some((fields.next()?, fields.next()?))
}

struct Mount<'a> {
    /// What of the hierarchy is mounted.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// See proc_pid_mountinfo(5): optional fields end with a lone hyphen.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        Some(Self { root, point, kind, options })
    }

    /// The directory of a cgroup, if what is mounted holds it.
    fn own(&self, path: &str) -> Option<Own> {
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        let mount = PathBuf::from(self.point);
        Some(Own { dir: if below.as_os_str().is_empty() { mount.clone() } else { mount.join(below) }, mount })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 23 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
33 23 0:30 / /proc rw - proc proc rw
";

    #[test]
    fn each_hierarchy_of_a_machine_with_both_versions_is_found_with_our_place_in_it() {
        let own = "5:memory:/a/b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/user.slice\n";
        let found = Mounts::parse(HYBRID, own);
        assert_eq!(found.unified.unwrap().dir, Path::new("/sys/fs/cgroup/unified/user.slice"));
        let v1: Vec<(Controller, &Path)> =
            found.v1.iter().map(|(controller, own)| (*controller, own.dir.as_path())).collect();
        assert_eq!(
            v1,
            [
                (Controller::Memory, Path::new("/sys/fs/cgroup/memory/a/b")),
                (Controller::Cpu, Path::new("/sys/fs/cgroup/cpu,cpuacct")),
            ]
        );
    }

    #[test]
    fn a_container_that_sees_its_own_part_of_the_hierarchy_is_at_the_mount_itself() {
        let mounts = "40 39 0:27 /docker/c1 /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n";
        let found = Mounts::parse(mounts, "0::/docker/c1\n").unified.unwrap();
        assert_eq!(found.dir, Path::new("/sys/fs/cgroup"));
        assert_eq!(Mounts::parse(mounts, "0::/elsewhere\n"), Mounts::default());
        assert_eq!(Mounts::parse("", "0::/\n"), Mounts::default());
    }
}
