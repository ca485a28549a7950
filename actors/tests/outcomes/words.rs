//! The words of the table: from text to rules, events and commands, and from states and effects to text.

use std::time::Duration;

use minimcp_actors::lifecycle::{Life, Step, next};
use minimcp_actors::policy::{Budget, Limits, Policy, RestartPolicy};
use minimcp_actors::state::{
    Admit, Beside, Cause, Command, Denied, Effect, Event, Exit, Fact, Outcome, Restarting, Run, State,
    Status, Timer, Usage,
};

const LIMITS: Limits = Limits { memory_bytes: Some(1_000), cpu_percent: Some(50), tasks: None };
const OUTCOMES: [Outcome; 5] =
    [Outcome::Stopped, Outcome::Expired, Outcome::Hibernated, Outcome::Disconnected, Outcome::Failed];
const LEASE: Duration = Duration::from_secs(3_600);

/// One instance and the time.
pub(crate) struct Scene {
    life: Option<Life>,
    now: Duration,
}

impl Default for Scene {
    fn default() -> Self {
        Self { life: None, now: Duration::from_secs(1_000) }
    }
}

impl Scene {
    pub(crate) fn moment(&self) -> (&Life, Duration) {
        (self.life.as_ref().unwrap(), self.now)
    }

    pub(crate) fn cause(&self) -> &'static str {
        self.moment().0.cause().as_str()
    }

    pub(crate) fn state(&self) -> String {
        let beside = match self.moment().0.beside() {
            None => String::new(),
            Some(Beside::Queued { next }) => format!(" beside queued {next}"),
            Some(Beside::Starting { run }) => format!(" beside starting {run}"),
            Some(Beside::Retiring { run }) => format!(" beside retiring {run}"),
            Some(Beside::Leaving { run }) => format!(" beside leaving {run}"),
        };
        self.without_beside() + &beside
    }

    fn without_beside(&self) -> String {
        match self.moment().0.state() {
            State::Pending { run } => format!("pending {run}"),
            State::Adopting { run } => format!("adopting {run}"),
            State::Starting { run } => format!("starting {run}"),
            State::Running { run } => format!("running {run}"),
            State::Unhealthy { run, strikes } => format!("unhealthy {run} (missed {strikes})"),
            State::Restarting(Restarting::Draining { run, delay }) if delay.is_zero() => {
                format!("draining {run} (then at once)")
            }
            State::Restarting(Restarting::Draining { run, delay }) => {
                format!("draining {run} (then in {delay:?})")
            }
            State::Restarting(Restarting::BackingOff { next }) => format!("backing off to {next}"),
            State::Restarting(Restarting::Queued { next }) => format!("queued {next}"),
            State::Stopping { run, then } => format!("stopping {run} (then {})", outcome(then)),
            State::Ended(then) => outcome(then).into(),
        }
    }

    /// Lets one event of the table happen and names the effects of it, those of the last one if it happens
    /// several times.
    pub(crate) fn play(&mut self, policy: &Policy, text: &str) -> String {
        let (text, times) = match text.strip_suffix(" times").and_then(|text| text.rsplit_once(' ')) {
            Some((text, times)) => (text, times.parse().unwrap()),
            None => (text, 1),
        };
        let text = match text.strip_suffix(" s").and_then(|text| text.split_once(" after ")) {
            Some((text, seconds)) => {
                self.now += Duration::from_secs(seconds.parse().unwrap());
                text
            }
            None => text,
        };
        let mut effects = Vec::new();
        for _ in 0..times {
            let step = match self.life.take() {
                None => self.begin(text),
                Some(life) => next(policy, life, event(text, self.now), self.now),
            };
            self.life = Some(step.life);
            effects = step.effects;
        }
        if effects.is_empty() { "-".into() } else { effects.iter().map(named).collect::<Vec<_>>().join(", ") }
    }

    fn begin(&self, text: &str) -> Step {
        let lease = Some(self.now + LEASE);
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["create"] => Life::create(lease, self.now),
            ["create", "without", "lease"] => Life::create(None, self.now),
            ["adopt", run] => Life::adopt(number(run), number(run), lease, self.now),
            ["adopt", run, "of", runs] => Life::adopt(number(run), number(runs), lease, self.now),
            ["record", "of", word, run] => {
                let ended = OUTCOMES.into_iter().find(|ended| outcome(*ended) == word).unwrap();
                Life::ended(ended, Cause::Commanded, number(run), lease, self.now)
            }
            _ => panic!("`{text}` begins no life"),
        }
    }
}

/// The default rules with limits, changed as the words say.
pub(crate) fn rules(words: &str) -> Policy {
    let base = Policy { limits: LIMITS, ..Policy::default() };
    let none = Budget::new(0, base.crashes.period()).unwrap();
    let mut unstable = base;
    unstable.timing.stable_after = Duration::from_secs(86_400);
    match words {
        "" => base,
        "transient" => Policy { restart: RestartPolicy::Transient, ..base },
        "temporary" => Policy { restart: RestartPolicy::Temporary, ..base },
        "no crash allowed" => Policy { crashes: none, ..base },
        "no failed start allowed" => Policy { failed_starts: none, ..base },
        "never stable" => unstable,
        "one strike" => Policy { strikes: 1, ..base },
        "overlap" => Policy { overlap: true, ..base },
        "no limits" => Policy { limits: Limits::default(), ..base },
        _ => panic!("no rules are called `{words}`"),
    }
}

pub(crate) fn command(name: &str, now: Duration) -> Command {
    match name {
        "stop" => Command::Stop,
        "kill" => Command::Kill,
        "expel" => Command::StopFor(Cause::CredentialExpired),
        "restart" => Command::Restart,
        "replace" => Command::Replace,
        "restore" => Command::Restore,
        "wake" => Command::Wake,
        "hibernate" => Command::Hibernate,
        "shutdown" => Command::Shutdown,
        "extend" => Command::Extend(now + 2 * LEASE),
        _ => panic!("no command is called `{name}`"),
    }
}

fn event(text: &str, now: Duration) -> Event {
    let usage = |memory: u64, cpu: f32| Usage {
        memory_bytes: LIMITS.memory_bytes.unwrap() + memory,
        cpu_percent: LIMITS.cpu_percent.unwrap() as f32 + cpu,
        processes: 1,
        ..Usage::default()
    };
    let fact = match text.split(' ').collect::<Vec<_>>()[..] {
        [name] => return Event::Command(command(name, now)),
        ["granted", run] => Fact::Granted(number(run)),
        ["adopted", run] => Fact::Adopted(number(run)),
        ["ready", run] => Fact::Ready(number(run)),
        ["quiet", run] => Fact::Quiet(number(run)),
        ["retire", "timer", run] => Fact::Fired(Timer::Retire(number(run))),
        ["answered", run] => Fact::Answered(number(run)),
        ["missed", run] => Fact::Missed(number(run)),
        ["at", "its", "limits", run] => Fact::Sampled(number(run), usage(0, 0.0)),
        ["over", "memory", run] => Fact::Sampled(number(run), usage(1, 0.0)),
        ["over", "cpu", run] => Fact::Sampled(number(run), usage(0, 0.5)),
        ["over", "both", run] => Fact::Sampled(number(run), usage(1, 0.5)),
        ["exited", run, "code", code] => Fact::Exited(number(run), Exit::Code(code.parse().unwrap())),
        ["exited", run, "signal", signal] => Fact::Exited(number(run), Exit::Signal(signal.parse().unwrap())),
        ["exited", run, "unknown"] => Fact::Exited(number(run), Exit::Unknown),
        ["unspawned", run] => Fact::Exited(number(run), Exit::Unspawned),
        ["unstartable", run] => Fact::Exited(number(run), Exit::Unstartable),
        ["actor", "died", run] => Fact::Exited(number(run), Exit::ActorDied),
        ["start", "timer", run] => Fact::Fired(Timer::Start(number(run))),
        ["backoff", "timer", run] => Fact::Fired(Timer::Backoff(number(run))),
        ["grace", "timer", run] => Fact::Fired(Timer::Grace(number(run))),
        ["lease", "timer", epoch] => Fact::Fired(Timer::Lease(epoch.parse().unwrap())),
        _ => panic!("no event is called `{text}`"),
    };
    Event::Fact(fact)
}

fn number(text: &str) -> Run {
    Run(text.parse().unwrap())
}

fn named(effect: &Effect) -> String {
    match effect {
        Effect::Queue(run) => format!("queue {run}"),
        Effect::Spawn(run) => format!("spawn {run}"),
        Effect::Adopt(run) => format!("adopt {run}"),
        Effect::Retire(run) => format!("retire {run}"),
        Effect::Terminate(run) => format!("terminate {run}"),
        Effect::Kill(run) => format!("kill {run}"),
        Effect::Arm(timer, after) => match timer {
            Timer::Start(run) => format!("start timer {run} in {after:?}"),
            Timer::Backoff(run) => format!("backoff timer {run} in {after:?}"),
            Timer::Grace(run) => format!("grace timer {run} in {after:?}"),
            Timer::Retire(run) => format!("retire timer {run} in {after:?}"),
            Timer::Lease(epoch) => format!("lease timer {epoch} in {after:?}"),
        },
    }
}

pub(crate) fn answer(admitted: Result<Admit, Denied>) -> &'static str {
    match admitted {
        Ok(Admit::Act) => "act",
        Ok(Admit::Already) => "already",
        Err(Denied::NotDisconnected(_)) => "not disconnected",
        Err(Denied::NotHibernated(_)) => "not asleep",
        Err(Denied::NotRunning(_)) => "not running",
        Err(Denied::Stopping) => "stopping",
        Err(Denied::LeaseEnded) => "lease over",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    Status::from(outcome).as_str()
}
