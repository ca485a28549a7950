//! Processes whose parents have gone: they come to this program, which reaps them when they end, so that no zombie
//! is left of a server that forks and forgets.
//!
//! Whoever reaps must not take an exit status that somebody else waits for. So the children that the launcher has
//! spawned itself are known by their ids, and a pass that reaps holds the list: between the spawn of a child and its
//! entry there is no moment at which it could be taken for an orphan.

use std::collections::HashSet;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions};
use tokio::signal::unix::{SignalKind, signal};

use super::LocalLauncher;
use crate::launch::proc;

/// Between two passes, however many processes end.
const PAUSE: Duration = Duration::from_millis(50);

/// The ids of the children that the launcher spawned and reaps itself.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnChildren {
    /// Any number spawn at a time, and nobody while orphans are reaped.
    spawning: Arc<RwLock<()>>,
    ids: Arc<Mutex<HashSet<u32>>>,
}

impl OwnChildren {
    fn ids(&self) -> MutexGuard<'_, HashSet<u32>> {
        // The set is whole between any two statements.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let _spawning = self.spawning.read().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        self.ids().insert(child.id());
        Ok(child)
    }

    /// The child was reaped. Its id may be that of another one from now on.
    pub(super) fn forget(&self, pid: u32) {
        self.ids().remove(&pid);
    }

    /// Reaps every child that has ended and is none of these.
    fn reap_others(&self) {
        let _alone = self.spawning.write().unwrap_or_else(PoisonError::into_inner);
        for pid in self.others(children(std::process::id())) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                // One that lives on is asked about at the next pass.
                let _ = rustix::process::waitid(WaitId::Pid(pid), options);
            }
        }
    }

    /// Which of these children came to us. What this program spawns itself by other ways is of its session, while
    /// every run has sessions of its own.
    fn others(&self, children: Vec<u32>) -> Vec<u32> {
        let ours = proc::Stat::of(std::process::id()).map_or(0, |stat| stat.session);
        let own = self.ids();
        let came = |pid: &u32| proc::Stat::of(*pid).is_ok_and(|stat| stat.session != ours);
        children.into_iter().filter(|pid| !own.contains(pid) && came(pid)).collect()
    }
}

impl LocalLauncher {
    /// Makes this program the parent of whatever its children leave behind, and reaps that for as long as the answer
    /// is polled. Not for a program that itself spawns children into other sessions: their exits would be taken.
    ///
    /// # Errors
    /// If the kernel refuses, or no signal can be listened to.
    pub fn take_in_orphans(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let mut ends = signal(SignalKind::child())?;
        let children = self.children.clone();
        Ok(async move {
            while ends.recv().await.is_some() {
                let children = children.clone();
                // A panic in it would be one orphan that is reaped with the next.
                let _ = tokio::task::spawn_blocking(move || children.reap_others()).await;
                tokio::time::sleep(PAUSE).await;
            }
        })
    }
}

/// The children of this program. The kernel lists them by the thread that they belong to; where it does not, all
/// processes are looked at.
fn children(me: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists: io::Result<Vec<String>> =
        tasks.map(|task| std::fs::read_to_string(task.path().join("children"))).collect();
    match lists {
        Ok(lists) => lists
            .iter()
            .flat_map(|list| list.split_ascii_whitespace())
            .filter_map(|pid| pid.parse().ok())
            .collect(),
        Err(_) => proc::all().into_iter().filter(|stat| stat.parent == me).map(|stat| stat.pid).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_to_us_is_taken_and_neither_a_run_nor_a_child_of_our_session() {
        let own = OwnChildren::default();
        let run = |words: &[&str]| own.spawn(Command::new("/usr/bin/setsid").args(words)).unwrap();
        let mut child = run(&["/bin/sh", "-c", "exit 7"]);
        let mut ours = Command::new("/bin/sh").args(["-c", "exit 8"]).spawn().unwrap();
        let all = children(std::process::id());
        assert!(all.contains(&child.id()) && all.contains(&ours.id()));
        assert!(!own.others(all).contains(&child.id()));
        assert_eq!(own.others(vec![ours.id()]), Vec::<u32>::new());
        let mut stray = Command::new("/usr/bin/setsid").args(["/bin/sleep", "60"]).spawn().unwrap();
        let left = loop {
            // It has our session until it has begun one of its own.
            let left = own.others(vec![stray.id()]);
            if !left.is_empty() {
                break left;
            }
            std::thread::yield_now();
        };
        assert_eq!(left, [stray.id()]);
        stray.kill().unwrap();
        stray.wait().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7));
        assert_eq!(ours.wait().unwrap().code(), Some(8));
    }
}
