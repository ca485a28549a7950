//! What a story leads to once nothing goes wrong any more: everything is as its owner was told, no process is
//! left over, and the store knows all of it.

use std::collections::BTreeSet;
use std::time::Duration;

use minimcp_actors::state::{Command, Status};
use uuid::Uuid;

use crate::checks::Wanted;
use crate::daemon::Daemon;
use crate::machine::Key;
use crate::store::Mode;

/// More than a full back-off, a start and an end take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The longest that a script goes on.
const OLD_SCRIPTS: Duration = Duration::from_secs(30);

/// Waits for it, brings back what was given up meanwhile, and looks again.
pub(crate) async fn settle(daemon: &Daemon, ids: &[Uuid]) {
    {
        let mut machine = daemon.machine.at();
        machine.calm = true;
        let now = machine.now();
        machine.checks.note(now, "from here on nothing goes wrong".into());
    }
    daemon.store.set(Mode::Well);
    // What runs already may still do what its script says.
    tokio::time::sleep(OLD_SCRIPTS).await;
    until(daemon, ids).await;
    for id in ids {
        let restorable = [Status::Disconnected, Status::Failed, Status::Hibernated];
        let status = daemon.supervision.registry().get(*id).map(|snapshot| snapshot.status);
        let wanted = daemon.machine.at().checks.is_wanted_running(*id);
        if wanted && status.is_some_and(|status| restorable.contains(&status)) && !may_be_over(daemon, *id) {
            let restarted = daemon.supervision.order(*id, Command::Restart).await;
            if let Err(refused) = restarted {
                fail(daemon, format!("{id} cannot be restarted: {refused}"));
            }
        }
    }
    until(daemon, ids).await;
    for id in ids {
        if let Some(snapshot) = daemon.supervision.registry().get(*id)
            && daemon.machine.at().checks.is_wanted_running(*id)
            && !may_be_over(daemon, *id)
            && !matches!(snapshot.status, Status::Running | Status::Stopped | Status::Expired)
        {
            fail(daemon, format!("{id} stays {} though nothing is wrong", snapshot.status));
        }
    }
}

fn may_be_over(daemon: &Daemon, id: Uuid) -> bool {
    let machine = daemon.machine.at();
    machine.checks.may_be_over(machine.now(), id)
}

fn fail(daemon: &Daemon, why: String) {
    let mut machine = daemon.machine.at();
    let now = machine.now();
    machine.checks.fail(now, why);
}

async fn until(daemon: &Daemon, ids: &[Uuid]) {
    let begun = tokio::time::Instant::now();
    loop {
        let Some(why) = disagreement(daemon, ids) else { return };
        if begun.elapsed() > PATIENCE {
            return fail(daemon, format!("not settled: {why}"));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is not as it has to be, if anything.
fn disagreement(daemon: &Daemon, ids: &[Uuid]) -> Option<String> {
    let machine = daemon.machine.at();
    let live: BTreeSet<Key> = machine.live().into_iter().collect();
    let mut served: BTreeSet<Key> = BTreeSet::new();
    for id in ids {
        let Some(expected) = machine.checks.instances.get(id) else { continue };
        let snapshot = daemon.supervision.registry().get(*id);
        let row = daemon.store.peek(*id);
        let may = &expected.may;
        let Some(snapshot) = snapshot else {
            // One that was stored without an answer is found by the next daemon.
            let stored = row.is_some_and(|row| row.wanted != Wanted::Gone);
            if may.contains(&Wanted::Gone) && (!stored || may.len() > 1) {
                continue;
            }
            return Some(format!("{id} is unknown, it may be {may:?}"));
        };
        let over = machine.checks.may_be_over(machine.now(), *id);
        let fits = match snapshot.status {
            Status::Running => {
                served.insert((*id, snapshot.run));
                may.contains(&Wanted::Running) || may.len() > 1
            }
            Status::Disconnected | Status::Hibernated => may.contains(&Wanted::Running),
            // What has failed counts as stopped.
            Status::Failed => true,
            Status::Stopped => may.contains(&Wanted::Stopped),
            Status::Expired => over,
            _ => false,
        };
        if !fits {
            return Some(format!("{id} is {}, it may be {may:?}", snapshot.status));
        }
        let known = row.as_ref().map(|row| (row.known.status, row.known.run));
        if known != Some((snapshot.status, snapshot.run)) {
            return Some(format!("{id} is {} {}, stored {known:?}", snapshot.status, snapshot.run));
        }
    }
    (live != served).then(|| format!("processes {live:?}, served {served:?}"))
}
