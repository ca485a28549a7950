//! How servers are kept to themselves.

use std::path::PathBuf;
use std::time::Duration;

use minimcp_actors::launch::isolation::User;

use super::surroundings::Surroundings;
use super::values::Values;

/// How servers are kept to themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationSettings {
    /// Whether anything is asked of the kernel at all.
    pub enabled: bool,
    /// The first user id for servers; `None` for wherever there is room.
    pub uid_base: Option<u32>,
    /// How many user ids there are for servers.
    pub uid_count: u32,
    /// One user for all servers instead.
    pub run_as: Option<User>,
    /// Whether servers get temporary directories and a view of `/proc` of their own.
    pub private_mounts: bool,
    /// Most tasks of a server with a user of its own.
    pub max_tasks: u32,
    /// What every server may read beside its own files and the system's.
    pub readable: Vec<PathBuf>,
    /// From the end of a lease to when the kernel ends a server that nobody has ended.
    pub alarm_after: Duration,
    /// Whether there may be several users though their servers are not kept apart.
    pub allow_weak: bool,
}

pub(super) fn read(values: &mut Values, surroundings: &Surroundings) -> IsolationSettings {
    let second = Duration::from_secs(1);
    let settings = IsolationSettings {
        enabled: values.word("isolation.mode", &[("auto", true), ("off", false)]),
        uid_base: values.optional("isolation.uid-base", |text| {
            text.parse().map_err(|_| "a user id, such as 400000, or empty for wherever there is room".into())
        }),
        uid_count: values.number("isolation.uid-count", 1..=1_000_000),
        run_as: values.optional("isolation.run-as", user),
        private_mounts: values.truth("isolation.private-mounts"),
        max_tasks: values.number("isolation.max-tasks", 16..=100_000),
        readable: values.read("isolation.readable", |text| {
            text.split(',')
                .map(str::trim)
                .filter(|path| !path.is_empty())
                .map(|path| surroundings.absolute(path))
                .collect()
        }),
        alarm_after: values.duration("isolation.alarm-after", second..=second * 86_400),
        allow_weak: values.truth("isolation.allow-weak"),
    };
    if settings.readable.iter().any(|path| path.parent().is_none()) {
        values.fault(
            "isolation.readable",
            "with `/` among them everything could be read; name what servers need",
        );
    }
    settings
}

fn user(text: &str) -> Result<User, String> {
    let ids = text
        .split_once(':')
        .and_then(|(uid, gid)| Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? }));
    match ids {
        Some(User { uid: 0, .. } | User { gid: 0, .. }) => Err("another user and group than root".into()),
        Some(user) => Ok(user),
        None => Err("a user id and a group id, such as 1001:1001".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fault_of, settings};
    use super::*;

    #[test]
    fn without_a_word_everything_is_asked_for_and_nothing_weak_allowed() {
        let isolation = settings("").isolation;
        assert!(isolation.enabled && isolation.private_mounts && !isolation.allow_weak);
        assert_eq!((isolation.uid_base, isolation.uid_count, isolation.run_as), (None, 65_536, None));
        assert_eq!(isolation.alarm_after, Duration::from_secs(60));
    }

    #[test]
    fn the_user_of_the_guide_and_further_paths_can_be_named() {
        let text = "[isolation]\nrun-as = '1001:1001'\nreadable = '/opt/models, shared'\nallow-weak = true\nmode = 'off'";
        let isolation = settings(text).isolation;
        assert_eq!(isolation.run_as, Some(User { uid: 1001, gid: 1001 }));
        assert_eq!(isolation.readable, [PathBuf::from("/opt/models"), "/srv/minimcp/shared".into()]);
        assert!(isolation.allow_weak && !isolation.enabled);
    }

    #[test]
    fn what_would_keep_nobody_out_is_refused() {
        for (text, words) in [
            ("run-as = '0:0'", "another user and group than root"),
            ("run-as = 'node'", "such as 1001:1001"),
            ("readable = '/'", "name what servers need"),
            ("mode = 'maybe'", "auto, off"),
            ("uid-base = 'x'", "a user id"),
        ] {
            let fault = fault_of(&format!("[isolation]\n{text}"));
            assert!(fault.contains(words), "{text}: {fault}");
        }
    }
}
