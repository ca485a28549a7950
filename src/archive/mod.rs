//! The logs of instances whose lease is over: compressed, kept for a while and within a quota of each user, and read
//! where the live ones would be.
//!
//! One task puts them away, so no two do it at once: when it hears of an end, and for whatever was missed once an hour.
//! [`files`] is all that touches the disk, [`surplus`] decides what goes.

pub(crate) mod files;
mod keeper;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use keeper::Keeper;

/// Where archives are and how much of them is kept. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archives {
    dir: PathBuf,
    retention: TimeDelta,
    quota: u64,
}

/// What a user has in archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Archived {
    /// Instances whose logs are archived.
    pub(crate) instances: u64,
    /// What the archives take.
    pub(crate) bytes: u64,
}

/// The archive of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// When it was made.
    pub(crate) at: DateTime<Utc>,
}

impl Archives {
    /// Archives below the data directory, each kept for `retention` and those of a user within `quota` bytes.
    #[must_use]
    pub fn new(data_dir: &Path, retention: TimeDelta, quota: u64) -> Self {
        Self { dir: data_dir.join("archive"), retention, quota }
    }

    /// How long an archive is kept.
    pub(crate) fn retention(&self) -> TimeDelta {
        self.retention
    }

    /// Bytes that the archives of one user may take.
    pub(crate) fn quota(&self) -> u64 {
        self.quota
    }

    /// Where the archives of a user lie.
    pub(crate) fn of_user(&self, user_id: Uuid) -> PathBuf {
        self.dir.join(format!("user_{user_id}"))
    }

    /// Where the archive of an instance lies, if there is one.
    pub(crate) fn of_instance(&self, user_id: Uuid, id: Uuid, mcp_type: &str) -> PathBuf {
        self.of_user(user_id).join(format!("mcp_{id}_{mcp_type}"))
    }
}

/// Which archives of one user have to go: what is older than `retention`, and of the rest the oldest until it is within
/// `quota` bytes.
fn surplus(mut archives: Vec<Archive>, retention: TimeDelta, quota: u64, now: DateTime<Utc>) -> Vec<Archive> {
    archives.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.path.cmp(&other.path)));
    let mut kept = 0u64;
    archives
        .into_iter()
        .filter(|archive| {
            let fits = kept.saturating_add(archive.bytes) <= quota;
            let goes = now - archive.at > retention || !fits;
            // Once one does not fit, what is older goes with it: the oldest go first.
            kept = if goes { u64::MAX } else { kept + archive.bytes };
            goes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_stays_is_young_and_within_the_quota_and_nothing_goes_without_need(
            archives in proptest::collection::vec((0i64..100, 0u64..50), 0..30),
            days in 0i64..100,
            quota in 0u64..400,
        ) {
            let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
            let archives: Vec<Archive> = archives
                .into_iter()
                .enumerate()
                .map(|(n, (age, bytes))| Archive { path: n.to_string().into(), bytes, at: now - TimeDelta::days(age) })
                .collect();
            let gone = surplus(archives.clone(), TimeDelta::days(days), quota, now);
            let kept: Vec<&Archive> = archives.iter().filter(|archive| !gone.contains(archive)).collect();
            prop_assert!(kept.iter().map(|archive| archive.bytes).sum::<u64>() <= quota);
            prop_assert!(kept.iter().all(|archive| now - archive.at <= TimeDelta::days(days)));
            for archive in &gone {
                prop_assert!(kept.iter().all(|kept| kept.at >= archive.at), "the oldest go first");
            }
            let young: u64 =
                archives.iter().filter(|one| now - one.at <= TimeDelta::days(days)).map(|one| one.bytes).sum();
            if young <= quota {
                prop_assert!(gone.iter().all(|archive| now - archive.at > TimeDelta::days(days)));
            }
        }
    }
}
