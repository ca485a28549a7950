//! Who ends the processes of a server and keeps its limits: what the daemon has, or what one from here would have.

use minimcp_actors::launch::cgroup;

use super::Finding;
use crate::api::isolation::ControlGroups;
use crate::config::Settings;

const NAME: &str = "limits";

/// As a daemon that is started from here would have it.
pub(super) fn here(settings: &Settings) -> Finding {
    let report = cgroup::examine(settings.cgroups, settings.cgroup_base.as_deref());
    finding(&ControlGroups::from(&report))
}

/// Well if the kernel sees to all of it.
pub(super) fn finding(groups: &ControlGroups) -> Finding {
    let ControlGroups { trees, memory, cpu, tasks, gaps } = groups;
    let measured = cgroup::Enforcer::Sampling.as_str();
    let mut detail =
        format!("trees end by {trees}, memory is kept by {memory}, cpu by {cpu}, tasks by {tasks}");
    for gap in gaps {
        detail.push_str("; ");
        detail.push_str(gap);
    }
    let by_scan = trees == cgroup::TreeEnd::Scan.as_str();
    let by_measuring = [memory, cpu, tasks].iter().any(|by| *by == measured);
    let what = match (by_scan, by_measuring) {
        (false, false) => return Finding::ok(NAME, detail),
        (true, true) => "the daemon looks for the processes of a server and measures what they use",
        (true, false) => "the daemon looks for the processes of a server",
        (false, true) => {
            "the daemon measures some of it and ends a server some seconds after it is over its limit"
        }
    };
    let mend = "for the kernel to do it, start the daemon as root or in a control group that is delegated to it, as \
                deploy/minimcp.service does by Delegate=; the setting cgroup-base names such a group, and cgroups has to \
                be auto";
    Finding::warn(NAME, format!("{detail}; {what}"), mend)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn what_the_kernel_does_not_do_is_told_with_its_reason_and_what_to_do() {
        let word = |by: &str| by.to_owned();
        let all = ControlGroups {
            trees: word("cgroup.kill"),
            memory: word("cgroup v1"),
            cpu: word("cgroup v2"),
            tasks: word("cgroup v2"),
            gaps: Vec::new(),
        };
        let told = finding(&all);
        assert_eq!(told.level, Level::Ok);
        assert_eq!(
            told.detail,
            "trees end by cgroup.kill, memory is kept by cgroup v1, cpu by cgroup v2, tasks by cgroup v2"
        );
        let measured = ControlGroups { tasks: word("sampling"), gaps: vec!["no pids".into()], ..all.clone() };
        let told = finding(&measured);
        assert!(
            told.level == Level::Warn && told.detail.contains("; no pids; the daemon measures"),
            "{told:?}"
        );
        assert!(told.mend.is_some_and(|mend| mend.contains("Delegate=")));
        let scanned = ControlGroups { trees: word("process scan"), ..all };
        let told = finding(&scanned);
        assert!(
            told.level == Level::Warn && told.detail.ends_with("looks for the processes of a server"),
            "{told:?}"
        );
    }
}
