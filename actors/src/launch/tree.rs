//! All processes of one run, wherever they have gone: what is signalled, what is killed, when nothing is left.
//!
//! Where the run has a control group, the kernel knows its processes and kills them at once. Elsewhere they are
//! looked for: by the leader's group and session, by their parents, and by the word that the run was given in its
//! environment. All that are found are stopped first, so that none forks while the others are being looked for.
//! Every signal goes through a pidfd, whose process was looked at after it was pinned.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::cgroup::Group;
use super::proc::{self, Stat};
use super::{Record, pidfd};

/// Looks that find nothing, on a machine where somebody forks meanwhile, until nothing is taken to be there.
const LOOKS: usize = 5;

/// A process that is pinned: its id cannot be given to another one unnoticed.
type Pinned = HashMap<u32, OwnedFd>;

/// Processes that do not belong to the tree, with their parents. Only for the moments of one look: an id may be
/// given to another process.
type Strangers = HashMap<u32, u32>;

/// The processes of a run.
#[derive(Debug)]
pub(super) struct Tree {
    /// The process that the program was started as, while it is known to be ours.
    leader: Option<Arc<AsyncFd<OwnedFd>>>,
    pid: u32,
    start_ticks: u64,
    /// `NAME=value` that nothing but this run was started with.
    marker: String,
    group: Option<Group>,
}

impl Tree {
    /// The tree of a recorded run. Without a leader only what is surely its own is found: its control group, and
    /// what carries its word.
    pub(super) fn new(record: &Record, leader: Option<Arc<AsyncFd<OwnedFd>>>) -> Self {
        Self {
            leader,
            pid: record.identity.pid,
            start_ticks: record.identity.start_ticks,
            marker: format!("MCP_NONCE={}", record.nonce),
            group: Group::found(&record.cgroups, &record.name()),
        }
    }

    /// What is in a control group of which no record tells.
    pub(super) fn of_group(group: Group) -> Self {
        Self { leader: None, pid: 0, start_ticks: 0, marker: String::new(), group: Some(group) }
    }

    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Its processes at this moment, as far as they are found.
    pub(super) fn members(&self) -> Vec<u32> {
        self.group.as_ref().map_or_else(|| self.looked_for(), Group::members)
    }

    /// SIGTERM, and SIGCONT because a stopped process sees it only then, to everything that is known at once: the
    /// leader's group, and what has left it but not the control group.
    pub(super) fn terminate(&self) {
        self.signal_leader(&[Signal::TERM, Signal::CONT]);
        let Some(group) = &self.group else { return };
        let members = group.members();
        if members.len() < 2 {
            return;
        }
        for pid in members {
            let Some(pidfd) = self.pin(pid, &Pinned::new(), &mut Strangers::new()) else { continue };
            if Stat::of(pid).is_ok_and(|stat| stat.group != self.pid) {
                // One that has gone meanwhile is what was wanted.
                let _ = pidfd_send_signal(&pidfd, Signal::TERM);
                let _ = pidfd_send_signal(&pidfd, Signal::CONT);
            }
        }
    }

    /// SIGKILL to all that the kernel reaches at once. What escaped where there are no control groups is left to
    /// [`Self::end`].
    pub(super) fn kill(&self) {
        // The leader also by itself: a stage that has not joined its control group yet must not come through.
        self.signal_leader(&[Signal::KILL]);
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    fn signal_leader(&self, signals: &[Signal]) {
        let Some(leader) = &self.leader else { return };
        for signal in signals {
            let known = pidfd_send_signal(leader.get_ref(), *signal).is_ok();
            // Without effect until the gate has made its session; the leader has the signal then.
            let sent = pidfd::signal_group(leader.get_ref().as_fd(), *signal);
            if known
                && sent.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
                && let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
            {
                // An older kernel: the leader is there, so its id is that of its own group.
                let _ = rustix::process::kill_process_group(group, *signal);
            }
        }
    }

    /// Kills whatever is left, again and again until nothing is, for at most `patience`. Answers whether nothing is
    /// left. Blocks.
    pub(super) fn end(&self, patience: Duration) -> bool {
        let begin = tokio::time::Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            if self.is_gone() {
                return true;
            }
            match &self.group {
                Some(group) if group.kill() => {}
                Some(group) => {
                    group.freeze(true);
                    self.stop_all_then_kill();
                    group.freeze(false);
                }
                None => self.stop_all_then_kill(),
            }
            if begin.elapsed() >= patience {
                return self.is_gone();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether no process of the tree lives.
    pub(super) fn is_gone(&self) -> bool {
        match &self.group {
            Some(group) => group.is_empty(),
            None => self.nobody_is_found(),
        }
    }

    /// Whether looking for its processes finds none. One that forks for ever can be ahead of a look, so a look alone
    /// is certain only if nobody on this machine forked meanwhile.
    fn nobody_is_found(&self) -> bool {
        for _ in 0..LOOKS {
            let before = proc::forks();
            if !self.looked_for().is_empty() {
                return false;
            }
            if before.is_some_and(|before| proc::forks() == Some(before)) {
                return true;
            }
        }
        true
    }

    /// Stops each process as soon as it is found, the newest first: one that forks for ever is another one a
    /// moment later.
    fn stop_all_then_kill(&self) {
        let mut stopped = Pinned::new();
        let mut strangers = Strangers::new();
        // Whoever forks for ever can be ahead of some looks, so a few more follow while somebody forks. They are
        // short, since only who is new is looked at.
        let mut more = LOOKS;
        loop {
            let (before, forks) = (stopped.len(), proc::forks());
            for pid in self.suspects() {
                if stopped.contains_key(&pid) || strangers.contains_key(&pid) {
                    continue;
                }
                if let Some(pidfd) = self.pin(pid, &stopped, &mut strangers) {
                    let _ = pidfd_send_signal(&pidfd, Signal::STOP);
                    stopped.insert(pid, pidfd);
                }
            }
            strangers.retain(|_, parent| !stopped.contains_key(parent));
            if stopped.len() == before {
                more -= 1;
                if more == 0 || (forks.is_some() && proc::forks() == forks) {
                    break;
                }
            }
        }
        for pidfd in stopped.values() {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }

    /// Who may belong to the tree.
    fn suspects(&self) -> Vec<u32> {
        match &self.group {
            Some(group) => group.members(),
            None => {
                let mut pids = proc::pids();
                pids.sort_unstable_by(|one, other| other.cmp(one));
                pids
            }
        }
    }

    /// Pins a process, if it belongs to the tree even then.
    fn pin(&self, pid: u32, members: &Pinned, strangers: &mut Strangers) -> Option<OwnedFd> {
        let open = || pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok();
        if let Some(group) = &self.group {
            return open().filter(|_| group.members().contains(&pid));
        }
        let stat = Stat::of(pid).ok().filter(|stat| !stat.ended)?;
        let pidfd = open()?;
        let pinned = Stat::of(pid).ok().filter(|pinned| pinned.start_ticks == stat.start_ticks)?;
        if members.contains_key(&pinned.parent) || self.is_member(&pinned, self.leads()) {
            return Some(pidfd);
        }
        strangers.insert(pid, pinned.parent);
        None
    }

    /// Its id is the name of its group and session for as long as it is there, even if only to be reaped.
    fn leads(&self) -> bool {
        self.leader.is_some() && Stat::of(self.pid).is_ok_and(|stat| stat.start_ticks == self.start_ticks)
    }

    fn is_member(&self, stat: &Stat, leads: bool) -> bool {
        let led = leads && (stat.pid == self.pid || stat.group == self.pid || stat.session == self.pid);
        let old_enough = stat.start_ticks >= self.start_ticks;
        led || (old_enough && proc::has_variable(stat.pid, &self.marker))
    }

    /// The newest is looked at first, and at once: it may not be there for long.
    fn looked_for(&self) -> Vec<u32> {
        let leads = self.leads();
        let look = |pid| Stat::of(pid).ok().filter(|stat| !stat.ended);
        let all: Vec<(Stat, bool)> = self
            .suspects()
            .into_iter()
            .filter_map(look)
            .map(|stat| (stat, self.is_member(&stat, leads)))
            .collect();
        belonging(&all)
    }
}

/// Who of these is a member by itself, as is said beside it, or descends from one.
fn belonging(all: &[(Stat, bool)]) -> Vec<u32> {
    let mut members: Vec<u32> =
        all.iter().filter(|(_, is_member)| *is_member).map(|(stat, _)| stat.pid).collect();
    let mut next = 0;
    while let Some(parent) = members.get(next).copied() {
        next += 1;
        let children = all.iter().filter(|(stat, _)| stat.parent == parent).map(|(stat, _)| stat.pid);
        let new: Vec<u32> = children.filter(|pid| !members.contains(pid)).collect();
        members.extend(new);
    }
    members
}

#[cfg(test)]
mod tests;
