//! The daemon killed at random moments while it is busy.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::ground::signal;

use super::{Answer, Caller, Daemon, id};

/// Rounds of a test run; a soak sets more.
const ROUNDS: &str = "MINIMCP_TEST_ROUNDS";
/// The seed that a failed run has named.
const SEED: &str = "MINIMCP_TEST_SEED";

/// What an instance may be found as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Running,
    Stopped,
    Gone,
}

/// What each instance may be found as, by all that was asked and what was answered.
#[derive(Default)]
struct Ledger {
    known: RefCell<BTreeMap<String, BTreeSet<Found>>>,
    /// Creations whose answer never came, so that nobody knows the id.
    unanswered: Cell<usize>,
}

impl Ledger {
    /// Sends an order: from now on both are possible, and with the answer only what was ordered.
    async fn order(&self, caller: Caller, id: String, method: &'static str, what: &'static str, then: Found) {
        self.known.borrow_mut().get_mut(&id).unwrap().insert(then);
        let Ok(answer) = caller.send(method, &format!("/v1/instances/{id}{what}"), None).await else {
            return;
        };
        assert!((200..300).contains(&answer.status), "{method} {what}: {answer:?}");
        self.known.borrow_mut().insert(id, BTreeSet::from([then]));
    }

    async fn create(&self, caller: Caller) {
        self.unanswered.set(self.unanswered.get() + 1);
        let body = json!({"mcp_type": "plain", "restart": {"intensity": 1000}});
        let Ok(answer) = caller.send("POST", "/v1/instances", Some(body)).await else { return };
        assert_eq!(answer.status, 201, "{answer:?}");
        self.unanswered.set(self.unanswered.get() - 1);
        self.known.borrow_mut().insert(id(&answer.json()), BTreeSet::from([Found::Running]));
    }

    /// What does not hold of this list of instances, if anything. Takes over what does hold.
    fn disagreement(&self, list: &[Value], processes: &BTreeSet<u64>) -> Option<String> {
        let found: BTreeMap<String, Found> = list
            .iter()
            .filter_map(|instance| match instance["status"].as_str() {
                Some("running") => Some((id(instance), Found::Running)),
                Some("stopped") => Some((id(instance), Found::Stopped)),
                _ => None,
            })
            .collect();
        if found.len() < list.len() {
            return Some("some are on their way".into());
        }
        let mut known = self.known.borrow_mut();
        let strangers = found.keys().filter(|id| !known.contains_key(*id)).count();
        if strangers > self.unanswered.get() {
            return Some(format!("{strangers} instances that nobody has asked for"));
        }
        for (id, may) in &*known {
            let now = found.get(id).copied().unwrap_or(Found::Gone);
            if !may.contains(&now) {
                return Some(format!("{id} is {now:?}, not {may:?}"));
            }
        }
        let listed: BTreeSet<u64> =
            list.iter().filter_map(|instance| instance["process_id"].as_u64()).collect();
        if listed != *processes {
            return Some(format!("{listed:?} are listed, {processes:?} are there"));
        }
        for (id, found) in found {
            known.entry(id).or_insert_with(|| BTreeSet::from([found]));
        }
        self.unanswered.set(0);
        None
    }
}

/// The instances once everything is as it has to be, which may take five seconds.
async fn settled(daemon: &Daemon, ledger: &Ledger, when: &str) -> Vec<Value> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut why = String::new();
    let settling = async {
        loop {
            let list: Answer = daemon.get("/v1/instances?limit=500").await;
            let list = list.json()["items"].as_array().unwrap().clone();
            let processes = daemon.servers().into_iter().map(u64::from).collect();
            match ledger.disagreement(&list, &processes) {
                Some(disagreement) => why = disagreement,
                None => return list,
            }
            ticks.tick().await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(5), settling).await;
    settled.unwrap_or_else(|_| panic!("{when}: {why}"))
}

#[tokio::test]
async fn whatever_was_acknowledged_survives_kills_of_the_daemon_at_any_moment() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let rounds = number(ROUNDS).unwrap_or(10);
    let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    let mut random = Rng::with_seed(seed);
    let mut daemon = Daemon::with(&["quota.max-instances=1000", "quota.max-running=1000"], &[]).await;
    daemon.faulty("plain", &["ok"]).await;
    let ledger = Ledger::default();
    for _ in 0..8 {
        ledger.create(daemon.caller()).await;
    }
    let mut list = settled(&daemon, &ledger, "before the first kill").await;

    for round in 1..=rounds {
        let when = format!("round {round} of seed {seed}");
        let caller = daemon.caller();
        random.shuffle(&mut list);
        let mut targets = list.iter();
        let mut take = |count: usize| targets.by_ref().take(count).collect::<Vec<_>>();
        let mut load: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        for instance in take(if list.len() > 8 { 2 } else { 1 }) {
            load.push(Box::pin(ledger.order(caller.clone(), id(instance), "DELETE", "", Found::Gone)));
        }
        for instance in take(1) {
            load.push(Box::pin(ledger.order(caller.clone(), id(instance), "POST", "/stop", Found::Stopped)));
        }
        for instance in take(2) {
            load.push(Box::pin(ledger.order(
                caller.clone(),
                id(instance),
                "POST",
                "/restart",
                Found::Running,
            )));
        }
        load.extend((0..2).map(|_| -> LocalBoxFuture<'_, ()> { Box::pin(ledger.create(caller.clone())) }));
        for instance in take(1) {
            if let Some(pid) = instance["process_id"].as_u64() {
                signal(pid.try_into().unwrap(), "KILL");
            }
        }
        let untouched = take(usize::MAX);

        // The requests are still under way, or not, when the daemon is killed.
        let mut load = futures::future::join_all(load);
        let moment = Duration::from_millis(random.u64(0..200));
        let _ = tokio::time::timeout(moment, &mut load).await;
        daemon.kill();
        drop(load);
        daemon.serve().await;

        let now = settled(&daemon, &ledger, &when).await;
        for before in untouched {
            let after = now.iter().find(|instance| instance["id"] == before["id"]);
            let after = after.unwrap_or_else(|| panic!("{when}: {before} is gone"));
            for kept in ["process_id", "generation", "status", "created_at", "expires_at"] {
                assert_eq!(after[kept], before[kept], "{when}: {kept} of {after}");
            }
        }
        list = now;
    }
}
