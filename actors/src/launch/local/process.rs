//! One run's process, and how its end is seen to: the leader's exit, then the rest of its tree, until nothing of
//! the run is left.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::launch::cgroup::{Enforced, Group};
use crate::launch::listener;
use crate::launch::logs;
use crate::launch::pidfd;
use crate::launch::pipes::Wiring;
use crate::launch::probe::{self, Target};
use crate::launch::tree::Tree;
use crate::launch::{Missed, Probe, Process, Record};
use crate::state::Exit;

/// How long a tree that was sent SIGKILL is waited for: what is left then hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long whoever reaps a process that is no child of ours is waited for, since only then the kernel tells how it
/// exited. An ordinary init needs a millisecond.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
const STDERR_TAIL: u64 = 4096;

/// What was ordered of a tree so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ordered {
    Nothing,
    Terminate,
    Kill,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) exit: Exit,
    /// Nothing of it is left.
    pub(super) gone: bool,
}

#[derive(Debug)]
pub(super) struct LocalProcess {
    pub(super) record: Arc<Record>,
    pub(super) probe: Probe,
    pub(super) wiring: Option<Arc<dyn Wiring>>,
    pub(super) tree: Arc<Tree>,
    pub(super) enforced: Enforced,
    pub(super) ordered: watch::Sender<Ordered>,
    pub(super) ended: watch::Receiver<Option<Exit>>,
    pub(super) released: AtomicBool,
}

impl LocalProcess {
    /// Notes the order, unless the run is over.
    fn order(&self, order: Ordered) -> bool {
        let lives = self.ended.borrow().is_none();
        if lives {
            self.ordered.send_modify(|ordered| *ordered = order.max(*ordered));
        }
        lives
    }
}

impl Process for LocalProcess {
    fn record(&self) -> &Record {
        &self.record
    }

    fn ended(&self) -> BoxFuture<'static, Exit> {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(exit) => exit.unwrap_or(Exit::Unknown),
                Err(_) => Exit::Unknown,
            }
        }
        .boxed()
    }

    fn probe(&self, timeout: Duration) -> BoxFuture<'static, Result<(), Missed>> {
        let Record { id, run, nonce, port, uid, .. } = &*self.record;
        if let Some(wiring) = &self.wiring {
            return wiring.probe(*id, *run, timeout);
        }
        let (probe, target) = (self.probe.clone(), Target { id: *id, nonce: nonce.clone(), port: *port });
        let own_port = port.zip(*uid);
        async move {
            probe::ask(&probe, &target, timeout).await?;
            match own_port {
                Some((port, uid)) => listened_on_by(port, uid).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn terminate(&self) {
        if self.order(Ordered::Terminate) {
            self.tree.terminate();
        }
    }

    fn kill(&self) {
        if self.order(Ordered::Kill) {
            self.tree.kill();
        }
    }

    fn release(&self) {
        self.released.store(true, Ordering::Relaxed);
    }

    fn enforced(&self) -> Enforced {
        self.enforced
    }

    fn stderr_tail(&self) -> BoxFuture<'static, String> {
        let path = self.record.log_dir.join("stderr.log");
        let from = self.record.stderr_from;
        async move {
            let read = tokio::task::spawn_blocking(move || logs::tail(&path, from, STDERR_TAIL)).await;
            // A log that cannot be read says nothing; the exit itself is reported all the same.
            read.ok().and_then(Result::ok).unwrap_or_default()
        }
        .boxed()
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        if !self.released.load(Ordering::Relaxed) {
            self.kill();
        }
    }
}

/// Waits for the end of the leader, sees to it that nothing of its tree is left and says how it exited.
///
/// What a run that was asked to end has left behind keeps the rest of its grace: a wrapper may be gone before the
/// server in it. What is left of one that ended by itself is killed at once, so that the next can begin.
pub(super) async fn see_out(
    leader: Arc<AsyncFd<OwnedFd>>,
    child: Option<Child>,
    tree: Arc<Tree>,
    mut ordered: watch::Receiver<Ordered>,
) -> Ending {
    // An error can only mean that the reactor is gone, and with it this task.
    drop(leader.readable().await);
    if *ordered.borrow() == Ordered::Terminate {
        leave_in_grace(&tree, &mut ordered).await;
    }
    let killed = *ordered.borrow() == Ordered::Kill;
    let is_child = child.is_some();
    let ending = tokio::task::spawn_blocking(move || {
        let gone = tree.end(PATIENCE);
        let oom_kills = tree.group().map_or(0, Group::oom_kills);
        // Not before: as long as the leader is not reaped, its id is its tree's.
        let exit = child.map_or(Exit::Unknown, reap);
        if gone {
            tree.group().map(Group::remove);
        }
        (gone, exit, oom_kills)
    });
    let told = async { if is_child { None } else { told(&leader).await } };
    let (ending, told) = futures::join!(ending, told);
    let (gone, exit, oom_kills) = ending.unwrap_or((false, Exit::Unknown, 0));
    let exit = match told.unwrap_or(exit) {
        Exit::Signal(9) if oom_kills > 0 && !killed => Exit::OomKilled,
        exit => exit,
    };
    Ending { exit, gone }
}

/// Waits until the tree is gone, or is to be killed after all.
async fn leave_in_grace(tree: &Arc<Tree>, ordered: &mut watch::Receiver<Ordered>) {
    let mut pause = Duration::from_millis(1);
    loop {
        let tree = Arc::clone(tree);
        if tokio::task::spawn_blocking(move || tree.is_gone()).await.unwrap_or(true) {
            return;
        }
        tokio::select! {
            // An error means that nobody can order anything any more.
            _ = ordered.wait_for(|ordered| *ordered == Ordered::Kill) => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_millis(100)),
        }
    }
}

/// Reaps a child that has ended.
fn reap(mut child: Child) -> Exit {
    child.wait().map_or(Exit::Unknown, exit_of)
}

/// How a process exited that was adopted. The kernel tells once its parent has reaped it. That may be this very
/// program, where it has started its actors anew.
async fn told(leader: &AsyncFd<OwnedFd>) -> Option<Exit> {
    let told = async {
        loop {
            let mut ready = leader.readable().await.ok()?;
            let pidfd = leader.get_ref().as_fd();
            if let Ok(Some(status)) =
                waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
            {
                let signal = || status.terminating_signal().map(Exit::Signal);
                return status.exit_status().map(Exit::Code).or_else(signal);
            }
            if let Some(status) = pidfd::exit_status(pidfd) {
                return Some(exit_of(status));
            }
            ready.clear_ready();
        }
    };
    tokio::time::timeout(TOLD_WITHIN, told).await.ok().flatten()
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Whoever answered has to be of the instance's own user, or it may be anybody. Where the kernel does not tell, the
/// echo of the nonce is what there is.
async fn listened_on_by(port: u16, uid: u32) -> Result<(), Missed> {
    match tokio::task::spawn_blocking(move || listener::is_of(port, uid)).await {
        Ok(false) => Err(Missed(format!("a process of another user listens on port {port}"))),
        Ok(true) | Err(_) => Ok(()),
    }
}
