//! A user id for each instance: the same over all its runs, and nobody else's on this machine.
//!
//! What was given is in a table beside the daemon's data. Daemons with other data would give the same ids, so each
//! id is also claimed in one place of the machine, by a link to the table it is in. The place does not outlive a
//! boot, and neither does any process. An id is given again only when the instance's home is gone and no process of
//! it lives.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::launch::local::make_dir;

/// Where all daemons of the machine claim ids.
const CLAIMS: &str = "/run/minimcp/uids";
/// After so many ids, those that are of no use any more are looked for.
const TIDY_AFTER: u32 = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    uid: u32,
    /// While it is there the id is in use.
    home: PathBuf,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    /// Where to look for the next.
    next: u32,
    instances: BTreeMap<Uuid, Entry>,
}

/// The ids that were given.
#[derive(Debug)]
pub(super) struct Uids {
    range: Range<u32>,
    table: PathBuf,
    claims: PathBuf,
    given: Mutex<(Given, u32)>,
}

impl Uids {
    /// Opens the table, or begins one.
    ///
    /// # Errors
    /// If the table or the place of the claims cannot be used.
    pub(super) fn open(range: Range<u32>, table: PathBuf) -> io::Result<Self> {
        Self::claiming_in(range, table, CLAIMS.into())
    }

    fn claiming_in(range: Range<u32>, table: PathBuf, claims: PathBuf) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&claims)?;
        let mut given: Given = match std::fs::read(&table) {
            Ok(text) => serde_json::from_slice(&text)?,
            // Two daemons that begin at the same place would meet at each step.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Given { next: fastrand::u32(range.clone()), ..Given::default() }
            }
            Err(error) => return Err(error),
        };
        let uids = Self { range, table, claims, given: Mutex::default() };
        // What another daemon claims meanwhile is not ours any more; the instance gets another at its next run.
        given
            .instances
            .retain(|_, entry| uids.range.contains(&entry.uid) && uids.claim(entry.uid).unwrap_or(false));
        uids.tidy(&mut given)?;
        uids.save(&given)?;
        *uids.lock() = (given, 0);
        Ok(uids)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Given, u32)> {
        // The table is whole between any two statements.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the instance, which it keeps for as long as its home is there. Makes the home if it is missing, so
    /// that the id is in use from the beginning.
    ///
    /// # Errors
    /// If there is none left, or the table or the home cannot be written.
    pub(super) fn of(&self, id: Uuid, home: &Path) -> io::Result<u32> {
        let mut lock = self.lock();
        let (given, since_tidy) = &mut *lock;
        if let Some(entry) = given.instances.get_mut(&id) {
            if entry.home != home {
                home.clone_into(&mut entry.home);
                self.save(given)?;
            }
            return Ok(given.instances[&id].uid);
        }
        if *since_tidy >= TIDY_AFTER {
            self.tidy(given)?;
            *since_tidy = 0;
        }
        let mut uid = self.next(given)?;
        if uid.is_none() {
            self.tidy(given)?;
            uid = self.next(given)?;
        }
        let uid = uid.ok_or_else(|| {
            let words = "every user id is in use; raise isolation.uid-count or delete instances";
            io::Error::new(io::ErrorKind::QuotaExceeded, words)
        })?;
        make_dir(home)?;
        given.next = uid + 1;
        given.instances.insert(id, Entry { uid, home: home.to_owned() });
        *since_tidy += 1;
        self.save(given)?;
        Ok(uid)
    }

    /// The next id that is neither given nor claimed, claimed now.
    fn next(&self, given: &Given) -> io::Result<Option<u32>> {
        let used: HashSet<u32> = given.instances.values().map(|entry| entry.uid).collect();
        let first = given.next.clamp(self.range.start, self.range.end);
        for uid in (first..self.range.end).chain(self.range.start..first).filter(|uid| !used.contains(uid)) {
            if self.claim(uid)? {
                return Ok(Some(uid));
            }
        }
        Ok(None)
    }

    /// Claims the id; `false` if another daemon has it.
    fn claim(&self, uid: u32) -> io::Result<bool> {
        let link = self.claims.join(uid.to_string());
        match std::os::unix::fs::symlink(&self.table, &link) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(std::fs::read_link(&link).is_ok_and(|table| table == self.table))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives back the ids whose home is gone, and those of daemons that are gone with their data; none that a process
    /// has.
    fn tidy(&self, given: &mut Given) -> io::Result<()> {
        let alive = live_uids()?;
        given.instances.retain(|_, entry| entry.home.exists() || alive.contains(&entry.uid));
        let used: HashSet<u32> = given.instances.values().map(|entry| entry.uid).collect();
        for link in std::fs::read_dir(&self.claims)? {
            let path = link?.path();
            let uid = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            let Some(uid) = uid.filter(|uid| !alive.contains(uid) && !used.contains(uid)) else { continue };
            let Ok(owner) = std::fs::read_link(&path) else { continue };
            let ours = owner == self.table && self.range.contains(&uid);
            if ours || !owner.exists() {
                // Another daemon may have been faster.
                let _ = std::fs::remove_file(&path);
            }
        }
        Ok(())
    }

    fn save(&self, given: &Given) -> io::Result<()> {
        let temporary = self.table.with_extension("tmp");
        std::fs::write(&temporary, serde_json::to_vec(given)?)?;
        std::fs::rename(&temporary, &self.table)
    }
}

/// The users of all processes.
fn live_uids() -> io::Result<HashSet<u32>> {
    let mut uids = HashSet::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit()) {
            continue;
        }
        // One that has ended meanwhile has no user. The owner of the directory would not do: of processes that may
        // not be looked into, it is root.
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        uids.extend(
            line.into_iter().flat_map(str::split_ascii_whitespace).filter_map(|uid| uid.parse::<u32>().ok()),
        );
    }
    Ok(uids)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn open(&self, table: &str, range: Range<u32>) -> Uids {
            Uids::claiming_in(range, self.0.path().join(table), self.0.path().join("claims")).unwrap()
        }

        fn home(&self, name: &str) -> PathBuf {
            let home = self.0.path().join(name);
            std::fs::create_dir_all(&home).unwrap();
            home
        }
    }

    // Far beyond the ids of any process of the machine.
    const RANGE: Range<u32> = 3_000_000_000..3_000_000_004;

    #[test]
    fn an_instance_keeps_its_id_over_runs_and_daemons_and_no_two_have_one() {
        let place = Place::new();
        let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
        let homes: Vec<PathBuf> = (0..4).map(|number| place.home(&number.to_string())).collect();
        let given: Vec<u32> = {
            let uids = place.open("table", RANGE);
            ids.iter().zip(&homes).map(|(id, home)| uids.of(*id, home).unwrap()).collect()
        };
        assert_eq!(given.iter().collect::<HashSet<_>>().len(), 4, "{given:?}");
        assert!(given.iter().all(|uid| RANGE.contains(uid)));
        let uids = place.open("table", RANGE);
        for ((id, home), uid) in ids.iter().zip(&homes).zip(&given) {
            assert_eq!(uids.of(*id, home).unwrap(), *uid);
        }
        let refused = uids.of(Uuid::now_v7(), &place.home("more")).unwrap_err();
        assert!(refused.to_string().contains("uid-count"), "{refused}");
        std::fs::remove_dir(&homes[2]).unwrap();
        assert_eq!(uids.of(Uuid::now_v7(), &place.home("more")).unwrap(), given[2], "its files are gone");
    }

    #[test]
    fn daemons_with_other_data_never_give_the_same_id_until_the_data_is_gone() {
        let place = Place::new();
        let (one, other) = (place.open("one", RANGE), place.open("other", RANGE));
        let mut given = HashSet::new();
        for number in 0..4 {
            let uids = if number % 2 == 0 { &one } else { &other };
            assert!(given.insert(uids.of(Uuid::now_v7(), &place.home(&number.to_string())).unwrap()));
        }
        let (id, home) = (Uuid::now_v7(), place.home("fifth"));
        assert!(one.of(id, &home).is_err());
        std::fs::remove_file(place.0.path().join("other")).unwrap();
        assert!(given.contains(&one.of(id, &home).unwrap()));
    }

    #[test]
    fn an_id_is_in_use_from_the_moment_it_is_given_though_nothing_of_its_instance_is_there_yet() {
        let place = Place::new();
        let uids = place.open("table", RANGE.start..RANGE.start + 1);
        uids.of(Uuid::now_v7(), &place.0.path().join("not/yet/there")).unwrap();
        assert!(uids.of(Uuid::now_v7(), &place.home("next")).is_err());
    }

    #[test]
    fn an_id_that_a_process_has_is_not_given_again() {
        let place = Place::new();
        let own = rustix::process::getuid().as_raw();
        let uids = place.open("table", own..own + 1);
        let home = place.home("home");
        assert_eq!(uids.of(Uuid::now_v7(), &home).unwrap(), own);
        std::fs::remove_dir(home).unwrap();
        assert!(uids.of(Uuid::now_v7(), &place.home("next")).is_err(), "this process has it");
        assert!(live_uids().unwrap().contains(&own));
    }
}
