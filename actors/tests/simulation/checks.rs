//! What has to hold at every step, and what a run was expected to lead to. It knows only what callers were told
//! and what the machine did, nothing of what the daemon thinks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use chrono::TimeDelta;
use minimcp_actors::state::{Exit, Run, Status};
use uuid::Uuid;

use crate::machine::Key;
use crate::rules::{CRASHES, FAILED_STARTS, GRACE, PERIOD, STABLE};

/// How late, or early, a lease may end: the clocks are compared each second.
const CLOCKS: Duration = Duration::from_millis(1_200);
/// From SIGKILL to the end.
const KILL: Duration = Duration::from_millis(100);
/// Lines of the story that a failure shows.
const LINES: usize = 400;

/// What a caller may find an instance to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    Running,
    Stopped,
    Gone,
}

/// When a lease has to end, on the clock that counts sleep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Duration,
    /// By how much the wall clock was corrected since, and the most of it.
    corrected: TimeDelta,
    earlier: TimeDelta,
    /// When a clock leapt past it, if one did: nobody could know before.
    leapt: Duration,
}

impl Deadline {
    fn now(&self) -> Duration {
        self.at.saturating_sub(self.earlier.to_std().unwrap_or_default())
    }

    fn new(at: Duration) -> Self {
        Self { at, corrected: TimeDelta::zero(), earlier: TimeDelta::zero(), leapt: Duration::ZERO }
    }

    /// From when on it can be kept.
    fn known(&self) -> Duration {
        self.now().max(self.leapt)
    }
}

#[derive(Debug)]
pub(crate) struct Expected {
    /// All that is possible: more than one while an order has no answer, or had none.
    pub(crate) may: BTreeSet<Wanted>,
    /// The same of its lease; from `asked` on, those of the order under way.
    deadlines: Vec<Deadline>,
    asked: usize,
    overlap: bool,
    newest: Run,
    /// Launches since anybody asked for one, and since a run was up for long.
    launches: VecDeque<Duration>,
    under_way: bool,
    expired: bool,
    /// The store holds its row.
    pub(crate) recorded: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) instances: BTreeMap<Uuid, Expected>,
    born: BTreeMap<Key, Duration>,
    /// Since when a daemon is up and has restored everything.
    restored: Option<Duration>,
    pub(crate) wrong: Option<String>,
    lines: VecDeque<String>,
    digest: DefaultHasher,
    pub(crate) steps: u64,
}

impl Checks {
    pub(crate) fn note(&mut self, now: Duration, line: String) {
        (now, &line).hash(&mut self.digest);
        self.steps += 1;
        if self.wrong.is_some() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>10.3} {line}", now.as_secs_f64()));
    }

    pub(crate) fn fail(&mut self, now: Duration, why: String) {
        self.note(now, format!("WRONG: {why}"));
        self.wrong.get_or_insert(why);
    }

    /// What tells this story from every other.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub(crate) fn story(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// An instance that is about to be made.
    pub(crate) fn expect(&mut self, id: Uuid, overlap: bool) {
        let expected = Expected {
            may: BTreeSet::from([Wanted::Gone]),
            deadlines: Vec::new(),
            asked: 0,
            overlap,
            newest: Run(0),
            launches: VecDeque::new(),
            under_way: true,
            expired: false,
            recorded: false,
        };
        self.instances.insert(id, expected);
    }

    /// An order was sent that may lead to this.
    pub(crate) fn asked(&mut self, id: Uuid, then: Option<Wanted>, lease: Option<Duration>) {
        if let Some(expected) = self.instances.get_mut(&id) {
            expected.may.extend(then);
            expected.under_way = true;
            expected.launches.clear();
            expected.asked = expected.deadlines.len();
            expected.deadlines.extend(lease.map(Deadline::new));
        }
    }

    /// It was answered: with what it led to, if it was done.
    pub(crate) fn answered(&mut self, id: Uuid, then: Option<Wanted>, lease: bool) {
        if let Some(expected) = self.instances.get_mut(&id) {
            expected.under_way = false;
            expected.launches.clear();
            if let Some(then) = then {
                expected.may = BTreeSet::from([then]);
            }
            if lease {
                expected.deadlines = expected.deadlines.split_off(expected.asked);
            }
        }
    }

    pub(crate) fn wall_was_set(&mut self, now: Duration, by: TimeDelta) {
        // A time that is under way was given on the clock as it was, and is taken on the clock as it is.
        for expected in self.instances.values_mut().filter(|expected| expected.under_way) {
            let moved = |deadline: &Deadline| {
                let at = TimeDelta::from_std(deadline.at).unwrap() - by;
                Deadline::new(at.to_std().unwrap_or_default())
            };
            let moved: Vec<Deadline> = expected.deadlines[expected.asked..].iter().map(moved).collect();
            expected.deadlines.extend(moved);
        }
        if by.abs() > TimeDelta::seconds(30) {
            return;
        }
        for deadline in self.instances.values_mut().flat_map(|expected| &mut expected.deadlines) {
            if deadline.now() <= now {
                continue;
            }
            deadline.corrected += by;
            deadline.earlier = deadline.earlier.max(deadline.corrected);
            if deadline.now() <= now {
                deadline.leapt = now;
            }
        }
    }

    /// Nobody keeps anything meanwhile.
    pub(crate) fn slept(&mut self, to: Duration) {
        for deadline in self.instances.values_mut().flat_map(|expected| &mut expected.deadlines) {
            if deadline.now() <= to {
                deadline.leapt = to;
            }
        }
    }

    /// A daemon begins. Leases are known to it by wall time alone, which is this on our clock, and of the runs that
    /// came before only the newest that was stored or lives: a number that nobody wrote down may come again.
    pub(crate) fn restarted(&mut self, left: impl Fn(Uuid) -> Option<(Duration, Run)>) {
        for (id, expected) in &mut self.instances {
            expected.launches.clear();
            expected.under_way = false;
            let left = left(*id);
            expected.newest = left.map_or(expected.newest, |(_, run)| run);
            expected.deadlines = left.map(|(at, _)| Deadline::new(at)).into_iter().collect();
            expected.asked = expected.deadlines.len();
        }
    }

    /// Nobody keeps leases any more.
    pub(crate) fn daemon_is_gone(&mut self, now: Duration) {
        self.restored = None;
        self.note(now, "the daemon is gone".into());
    }

    pub(crate) fn has_restored(&mut self, now: Duration) {
        self.restored = Some(now);
    }

    /// A launch begins. It may take a while, and what is asked meanwhile ends what comes of it.
    pub(crate) fn launching(&mut self, now: Duration, key: Key) {
        let Some(expected) = self.instances.get_mut(&key.0) else {
            return self.fail(now, format!("{} is launched for no instance", name(key)));
        };
        expected.launches.push_back(now);
        while expected.launches.front().is_some_and(|at| now.saturating_sub(*at) >= PERIOD) {
            expected.launches.pop_front();
        }
        let most = 1 + CRASHES as usize + FAILED_STARTS as usize;
        let latest = expected.deadlines.iter().map(Deadline::known).max();
        let wrong = if !expected.recorded {
            Some("no row".to_owned())
        } else if key.1 <= expected.newest {
            Some(format!("run {} came before", expected.newest))
        } else if !expected.under_way && !expected.may.contains(&Wanted::Running) {
            Some(format!("it was promised to be {:?}", expected.may))
        } else if expected.launches.len() > most {
            Some(format!("{} launches, the budget is {most}", expected.launches.len()))
        } else if latest.is_some_and(|at| now > at + CLOCKS) {
            Some("its lease is over".to_owned())
        } else {
            None
        };
        expected.newest = key.1;
        if let Some(why) = wrong {
            self.fail(now, format!("{} is launched: {why}", name(key)));
        }
    }

    pub(crate) fn launched(&mut self, now: Duration, key: Key, live: &[Key]) {
        self.note(now, format!("launched {}", name(key)));
        self.born.insert(key, now);
        let count = live.iter().filter(|(other, _)| *other == key.0).count();
        let most = 1 + self.instances.get(&key.0).map_or(0, |expected| usize::from(expected.overlap));
        if count > most {
            self.fail(now, format!("{} is one of {count} processes", name(key)));
        }
    }

    pub(crate) fn ended(&mut self, now: Duration, key: Key, exit: Exit) {
        self.note(now, format!("ended {} {exit:?}", name(key)));
        let lived = self.born.remove(&key).map(|born| now.saturating_sub(born)).unwrap_or_default();
        if let Some(expected) = self.instances.get_mut(&key.0)
            && lived >= STABLE
        {
            expected.launches.clear();
        }
        self.leases(now);
    }

    pub(crate) fn became(&mut self, now: Duration, id: Uuid, status: Status, run: Run) {
        self.note(now, format!("{} is {status}", name((id, run))));
        let earliest = self.instances.get_mut(&id).and_then(|expected| {
            let known = std::mem::replace(&mut expected.expired, status == Status::Expired);
            expected.deadlines.iter().map(Deadline::now).min().filter(|_| !known)
        });
        if status == Status::Expired && earliest.is_some_and(|at| now + CLOCKS < at) {
            self.fail(now, format!("{} expired early", name((id, run))));
        }
        self.leases(now);
    }

    /// No process outlives its lease while a daemon is there. One whose launch was under way when the lease ended is
    /// there only after it, and is to be ended then.
    pub(crate) fn leases(&mut self, now: Duration) {
        let Some(restored) = self.restored else { return };
        let late: Vec<Key> = self
            .born
            .iter()
            .filter(|((id, _), born)| {
                let expected = self.instances.get(id);
                let ends = expected.and_then(|expected| expected.deadlines.iter().map(Deadline::known).max());
                ends.is_some_and(|at| now > at.max(restored).max(**born) + CLOCKS + GRACE + KILL)
            })
            .map(|(key, _)| *key)
            .collect();
        for key in late {
            self.fail(now, {
                let ends: Vec<Duration> =
                    self.instances[&key.0].deadlines.iter().map(Deadline::known).collect();
                format!("{} outlives its lease, which ends at {ends:?}", name(key))
            });
        }
    }

    /// Whether its owner was told that it runs.
    pub(crate) fn is_wanted_running(&self, id: Uuid) -> bool {
        self.instances.get(&id).is_some_and(|expected| expected.may == BTreeSet::from([Wanted::Running]))
    }

    /// Whether the lease of the instance may be over.
    pub(crate) fn may_be_over(&self, now: Duration, id: Uuid) -> bool {
        let expected = &self.instances[&id];
        expected.expired || expected.deadlines.iter().any(|deadline| now + CLOCKS >= deadline.now())
    }
}

/// A run in few letters.
pub(crate) fn name((id, run): Key) -> String {
    format!("{}/{run}", id.as_u128() & 0xff)
}
