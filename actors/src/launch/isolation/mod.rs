//! Keeping instances to themselves.
//!
//! What the kernel gives is found out once, when the daemon starts, by a stage that puts everything on and executes
//! nothing ([`Isolation::probe`]). From then on each launch asks for the same, and one that does not get it is
//! refused: no instance is ever kept worse than was said. What is missing is said with its reason ([`Report`]).
//!
//! The rooms: [`report`](Report) and `confinement` are what is asked and answered; `accounts`, `uids` and `reach`
//! work out for one launch who it runs as and what it may get at; `stage` puts the layers on, each from a room of its
//! own (`mounts`, `bounds`, `privileges`, `ruleset`, `filter`, `signals`).

mod accounts;
mod bounds;
mod confinement;
mod filter;
mod mounts;
mod privileges;
mod reach;
mod report;
mod ruleset;
mod signals;
mod stage;
mod uids;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use confinement::User;
pub(super) use confinement::{Answer, Confinement};
pub use report::{Layer, LayerReport, Level, Report};
pub(super) use signals::{close_from, reset as reset_signals};
pub(super) use stage::{end_me_first, put_on};

use super::gate::{self, Gate};
use super::local::Terms;
use super::{Launch, LaunchError, Plan};
use uids::Uids;

/// As whom instances run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Each as a user of its own, as far as the program runs as root.
    Own {
        /// The first user id; `None` for wherever there is room.
        base: Option<u32>,
        /// How many there are.
        count: u32,
        /// The file that remembers whose they are.
        table: PathBuf,
    },
    /// All as one other user. They can then read each other's memory but for what Landlock keeps them from.
    All(User),
    /// As the user of this program.
    Same,
}

/// What is to be asked of the kernel.
///
/// ```
/// use minimcp_actors::launch::isolation::{Options, Users};
///
/// let options = Options { users: Users::Same, ..Options::new("/var/lib/example/uids".into()) };
/// assert!(options.private_mounts && options.max_tasks == 64);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// As whom instances run.
    pub users: Users,
    /// Whether each gets temporary directories and a view of `/proc` of its own; needs root.
    pub private_mounts: bool,
    /// Most tasks of a run with a user of its own.
    pub max_tasks: u32,
    /// Most parts that one on standard streams has beside itself: they have its user, so that together with it they
    /// may have as many times the tasks.
    pub max_parts: u32,
    /// What every instance may read beside its programs and the system's.
    pub readable: Vec<PathBuf>,
    /// The longest that a process lives without being launched anew, whatever its lease.
    pub longest_run: Duration,
    /// From the end of the lease to when the kernel ends a process that nobody has ended; whole seconds.
    pub alarm_after: Duration,
}

impl Options {
    /// Everything: a user for each instance, remembered in the file `table`, 64 tasks, 16 parts, an alarm a minute after the
    /// lease, and no run longer than 30 days.
    #[must_use]
    pub fn new(table: PathBuf) -> Self {
        Self {
            users: Users::Own { base: None, count: 65_536, table },
            private_mounts: true,
            max_tasks: 64,
            max_parts: 16,
            readable: Vec::new(),
            longest_run: Duration::from_secs(30 * 86_400),
            alarm_after: Duration::from_secs(60),
        }
    }
}

/// Why instances cannot be isolated as they should be. What the kernel merely lacks is no error: the report has it.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// The range of user ids will not do.
    #[error("{0}")]
    Users(String),
    /// What was asked for by name cannot be had.
    #[error("instances cannot be isolated as configured: {0}")]
    Refused(String),
    /// The stage could not be tried out.
    #[error("trying out the isolation: {0}")]
    Probe(#[source] io::Error),
}

/// What instances are isolated by. Cheap to clone.
///
/// ```
/// use minimcp_actors::launch::isolation::{Isolation, Level};
///
/// let none = Isolation::none("it was switched off");
/// assert_eq!(none.report().level, Level::Weak);
/// ```
#[derive(Debug, Clone)]
pub struct Isolation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Option<Options>,
    uids: Option<Uids>,
    report: Report,
}

impl Isolation {
    /// None at all.
    #[must_use]
    pub fn none(why: &str) -> Self {
        Self(Arc::new(Inner { options: None, uids: None, report: Report::nothing(why) }))
    }

    /// Finds out what there is, by way of a stage that executes nothing. Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`IsolationError`] if what was asked for by name cannot be had.
    pub fn probe(gate: &Gate, options: Options) -> Result<Self, IsolationError> {
        let (mut report, range) = look(gate, &options)?;
        let mut uids = None;
        if let (Some(range), Some(table)) = (range.filter(|_| report.has(Layer::OwnUser)), table(&options)) {
            match Uids::open(range, table.to_owned()) {
                Ok(opened) => uids = Some(opened),
                Err(error) => {
                    report = report.without(Layer::OwnUser, &format!("the user ids cannot be kept: {error}"));
                }
            }
        }
        Ok(Self(Arc::new(Inner { options: Some(options), uids, report })))
    }

    /// What [`Isolation::probe`] would find, without a trace.
    ///
    /// # Errors
    /// [`IsolationError`] if what was asked for by name cannot be had.
    pub fn examine(gate: &Gate, options: &Options) -> Result<Report, IsolationError> {
        look(gate, options).map(|(report, _)| report)
    }

    /// What is in force for instances that are launched from now on.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// What to ask for at one launch, after what the instance needs is there and is its own. `None` if nothing is.
    pub(super) fn of(
        &self,
        launch: &Launch,
        plan: &Plan,
        terms: &Terms,
    ) -> Result<Option<Confinement>, LaunchError> {
        let Inner { options: Some(options), uids, report } = &*self.0 else { return Ok(None) };
        let system = |what| move |source| LaunchError::System { what, source };
        let home = plan.reach.writable.first().unwrap_or(&plan.cwd);
        let user = match (uids, &options.users) {
            (Some(uids), _) => {
                let uid = uids.of(terms.instance, home).map_err(system("finding a user for the instance"))?;
                Some(User { uid, gid: uid })
            }
            (None, Users::All(user)) => Some(*user),
            (None, Users::Own { .. } | Users::Same) => None,
        };
        for dir in &plan.reach.writable {
            let not_theirs = plan.log_dir.starts_with(dir).then_some(&*plan.log_dir);
            let given = match user {
                Some(user) => reach::give(dir, user, not_theirs),
                None => super::local::make_dir(dir),
            };
            given.map_err(system("making the directories of the instance"))?;
        }
        let readable = readable(plan, options);
        if user.is_some()
            && let Some(closed) = readable.iter().find(|path| is_closed(path))
        {
            return Err(LaunchError::Unstartable(format!(
                "the instance's own user may not read {0}; open it with `chmod -R o+rX {0}`",
                closed.display()
            )));
        }
        let mut unasked: Vec<(Layer, String)> =
            report.layers.iter().filter_map(|one| Some((one.layer, one.missing.clone()?))).collect();
        let alarm = terms.lease_ends_at.map(|at| alarm(at, Utc::now(), options));
        if alarm.is_none() && report.has(Layer::LeaseAlarm) {
            unasked.push((Layer::LeaseAlarm, "it has no lease".into()));
        }
        let is_asked = |layer: &Layer| !unasked.iter().any(|(other, _)| other == layer);
        let required: Vec<Layer> = Layer::ALL.into_iter().filter(is_asked).collect();
        let writable = plan.reach.writable.clone();
        let own_mounts = required.contains(&Layer::PrivateMounts);
        let mounts = if own_mounts {
            let all: Vec<PathBuf> = readable.iter().chain(&writable).cloned().collect();
            reach::mounts(&all, |dir| user.is_none() || reach::open_to_others(dir))
        } else {
            confinement::Mounts::default()
        };
        // What all share it may not open, and without a word of where to go most programs go there.
        let nowhere = !own_mounts && required.contains(&Layer::Files);
        let temporary = writable.first().filter(|_| nowhere).cloned();
        Ok(Some(Confinement {
            temporary,
            max_tasks: uids.is_some().then(|| most_tasks(options, terms.piped)),
            port: launch.port,
            shared: matches!(options.users, Users::All(_)),
            unasked,
            required,
            user,
            mounts,
            readable,
            writable,
            alarm,
        }))
    }
}

/// What there is, and the ids of users that instances may have.
fn look(gate: &Gate, options: &Options) -> Result<(Report, Option<Range<u32>>), IsolationError> {
    let root = rustix::process::geteuid().is_root();
    let mut asked = Confinement {
        unasked: unasked(options, root),
        port: Some(1),
        max_tasks: Some(options.max_tasks.into()),
        alarm: Some(3_600),
        shared: matches!(options.users, Users::All(_)),
        ..Confinement::default()
    };
    let mut range = None;
    match &options.users {
        Users::Own { base, count, .. } if root => {
            let ids = accounts::choose(*base, *count, &taken()).map_err(IsolationError::Users)?;
            asked.user = Some(User { uid: ids.start, gid: ids.start });
            range = Some(ids);
        }
        Users::All(user) if root => asked.user = Some(*user),
        Users::All(user) if user.uid != rustix::process::geteuid().as_raw() => {
            return Err(IsolationError::Refused(format!("only root can run them as the user {}", user.uid)));
        }
        Users::Own { .. } | Users::All(_) | Users::Same => {}
    }
    let answer = gate::try_out(gate, &asked).map_err(IsolationError::Probe)?;
    if let Some(why) = answer.refused {
        return Err(IsolationError::Refused(why));
    }
    let report = answer.report;
    // Without mounts nothing helps another user past the daemon's own directories.
    let barrier = table(options).and_then(|table| reach::barrier(table, reach::open_to_others));
    let Some(barrier) = barrier.filter(|_| range.is_some() && !report.has(Layer::PrivateMounts)) else {
        return Ok((report, range));
    };
    let why = format!("without private_mounts no other user gets past {}", barrier.display());
    asked.unasked.push((Layer::OwnUser, why));
    asked.user = None;
    Ok((gate::try_out(gate, &asked).map_err(IsolationError::Probe)?.report, None))
}

fn table(options: &Options) -> Option<&Path> {
    match &options.users {
        Users::Own { table, .. } => Some(table),
        Users::All(_) | Users::Same => None,
    }
}

/// The ids of this machine's accounts, and those that are set aside for them.
fn taken() -> Vec<(Range<u32>, String)> {
    // A file that is not there names nobody.
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut taken = Vec::new();
    for path in ["/etc/passwd", "/etc/group"] {
        taken.extend(accounts::named(&text(path)));
    }
    for path in ["/etc/subuid", "/etc/subgid"] {
        taken.extend(accounts::subordinate(&text(path)));
    }
    taken
}

/// What is not to be asked for, and why.
fn unasked(options: &Options, root: bool) -> Vec<(Layer, String)> {
    let mut unasked = Vec::new();
    match &options.users {
        Users::Own { .. } if root => {}
        Users::Own { .. } => unasked.push((Layer::OwnUser, "the daemon does not run as root".to_owned())),
        Users::All(user) => unasked.push((Layer::OwnUser, format!("all share the user {}", user.uid))),
        Users::Same => unasked.push((Layer::OwnUser, "all run as the user of the daemon".to_owned())),
    }
    if !options.private_mounts {
        unasked.push((Layer::PrivateMounts, "isolation.private-mounts is off".to_owned()));
    } else if !root {
        unasked.push((Layer::PrivateMounts, "the daemon does not run as root".to_owned()));
    }
    unasked
}

/// All that the program reads: itself, what it was given, and where it stands.
fn readable(plan: &Plan, options: &Options) -> Vec<PathBuf> {
    let mut paths = reach::of_program(&plan.program);
    let own = |path: &&PathBuf| !plan.reach.writable.iter().any(|dir| path.starts_with(dir));
    for path in plan.reach.readable.iter().chain(Some(&plan.cwd)).chain(&options.readable).filter(own) {
        paths.extend(reach::both(path));
    }
    paths.sort();
    paths.dedup();
    paths
}

fn is_closed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|seen| !reach::readable_for_others(&seen))
}

/// Tasks of an instance's user: the kernel counts them for all of its processes together.
fn most_tasks(options: &Options, may_have_parts: bool) -> u64 {
    let parts = if may_have_parts { options.max_parts } else { 0 };
    u64::from(options.max_tasks) * (1 + u64::from(parts))
}

/// Seconds from now to when the kernel ends the process.
fn alarm(lease_ends_at: DateTime<Utc>, now: DateTime<Utc>, options: &Options) -> u32 {
    let left = (lease_ends_at - now).to_std().unwrap_or_default().min(options.longest_run);
    // A second that has begun counts, and no second at all would be no alarm.
    let seconds = left.as_millis().div_ceil(1_000).max(1) + u128::from(options.alarm_after.as_secs());
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_comes_after_the_lease_or_after_the_longest_run() {
        let now = Utc::now();
        let second = Duration::from_secs(1);
        let month = second * 30 * 86_400;
        let options = |longest_run| Options { longest_run, ..Options::new(PathBuf::new()) };
        for (lease, longest, seconds) in [
            (second * 600, month, 660),
            (second / 10, month, 61),
            (Duration::ZERO, month, 61),
            (second * 600, second * 100, 160),
            (month * 12 * 1_000, month * 12 * 1_000, u32::MAX),
        ] {
            assert_eq!(alarm(now + lease, now, &options(longest)), seconds);
        }
        assert_eq!(alarm(now - second * 600, now, &options(month)), 61, "a lease that is over");
    }
}
