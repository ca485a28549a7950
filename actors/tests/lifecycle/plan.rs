//! Random histories: the rules of an instance, where its life begins and what happens to it.

use std::time::Duration;

use minimcp_actors::policy::{Backoff, Budget, Limits, Policy, RestartPolicy, Timing};
use minimcp_actors::state::{Cause, Command, Exit, Outcome};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

/// The most a tree may use where a plan has limits.
pub(crate) const LIMITS: Limits =
    Limits { memory_bytes: Some(1_000), cpu_percent: Some(50), tasks: Some(64) };

/// All times are multiples of this, so that two of them often fall together.
pub(crate) const BEAT: Duration = Duration::from_millis(250);

/// One history, before it is played.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) policy: Policy,
    pub(crate) origin: Origin,
    /// When the lease ends, in beats from the beginning; the past is allowed.
    pub(crate) lease: Option<i32>,
    pub(crate) moves: Vec<Move>,
}

/// How a life comes into the supervisor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    Created,
    Recorded { run: u64, last_run: u64 },
    Ended { outcome: Outcome, run: u64 },
}

/// One thing that happens. What the world cannot do at that moment is passed over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    Ask(Command),
    /// The lease is moved to this many beats from now.
    Extend(i32),
    /// The world does what it owes: grants a slot, finds, launches, gets ready, ends what was told to end.
    GoOn(u8),
    Exit(Exit),
    /// From now on exits and reports come from the other process, where there are two.
    Turn,
    Answer,
    Miss,
    Sample {
        memory: bool,
        /// More processes than may be, or forks that were refused.
        tasks: Option<bool>,
        cpu: bool,
    },
    /// Time passes and nothing fires, so timers may be late.
    Wait(u32),
    /// Time passes until an armed timer is due, and that one fires.
    Fire(u8),
    /// The lease timer fires before its time.
    EarlyLease,
    /// A fact or timer of a run that is not the present one.
    Stale {
        kind: u8,
        run: u8,
    },
    /// A fact that the present run has already reported.
    Again(u8),
}

/// Histories of up to `length` moves.
pub(crate) fn plans(length: usize) -> impl Strategy<Value = Plan> {
    (policies(), origins(), option::of(-8..120i32), vec(moves(), 0..=length))
        .prop_map(|(policy, origin, lease, moves)| Plan { policy, origin, lease, moves })
}

/// Small budgets and short times, so that a short history meets their ends.
fn policies() -> impl Strategy<Value = Policy> {
    let restart = prop_oneof![
        4 => Just(RestartPolicy::Permanent),
        1 => Just(RestartPolicy::Transient),
        1 => Just(RestartPolicy::Temporary),
    ];
    let limits = select(vec![
        LIMITS,
        LIMITS,
        Limits { memory_bytes: None, ..LIMITS },
        Limits { cpu_percent: None, ..LIMITS },
        Limits { tasks: Some(64), ..Limits::default() },
        Limits::default(),
    ]);
    let backoff = (1..3u32, 0..12u32)
        .prop_map(|(initial, more)| Backoff::new(BEAT * initial, BEAT * (initial + more)).unwrap());
    let overlap = prop_oneof![3 => Just(true), 1 => Just(false)];
    (restart, budgets(), budgets(), backoff, timings(), 1..4u32, limits, 0..3u32, overlap).prop_map(
        |(restart, crashes, failed_starts, backoff, timing, strikes, limits, samples_over, overlap)| {
            Policy {
                restart,
                crashes,
                failed_starts,
                backoff,
                timing,
                strikes,
                limits,
                samples_over,
                overlap,
            }
            .checked()
            .unwrap()
        },
    )
}

fn budgets() -> impl Strategy<Value = Budget> {
    (0..4u32, 1..15u64)
        .prop_map(|(intensity, period)| Budget::new(intensity, Duration::from_secs(period)).unwrap())
}

fn timings() -> impl Strategy<Value = Timing> {
    (1..8u32, 0..4u32, 2..32u32).prop_map(|(start, grace, stable)| Timing {
        start_timeout: BEAT * start,
        grace: BEAT * grace,
        stable_after: BEAT * stable,
        ..Timing::default()
    })
}

fn origins() -> impl Strategy<Value = Origin> {
    let outcomes = select(vec![
        Outcome::Stopped,
        Outcome::Expired,
        Outcome::Hibernated,
        Outcome::Disconnected,
        Outcome::Failed,
    ]);
    prop_oneof![
        6 => Just(Origin::Created),
        2 => (1..4u64, 0..3u64).prop_map(|(run, more)| Origin::Recorded { run, last_run: run + more }),
        2 => (outcomes, 1..4u64).prop_map(|(outcome, run)| Origin::Ended { outcome, run }),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let commands = select(vec![
        Command::Stop,
        Command::StopFor(Cause::CredentialExpired),
        Command::Kill,
        Command::Restart,
        Command::Restore,
        Command::Wake,
        Command::Hibernate,
        Command::Shutdown,
    ]);
    prop_oneof![
        12 => any::<u8>().prop_map(Move::GoOn),
        4 => commands.prop_map(Move::Ask),
        4 => Just(Move::Ask(Command::Replace)),
        1 => (-4..80i32).prop_map(Move::Extend),
        4 => exits().prop_map(Move::Exit),
        4 => Just(Move::Turn),
        1 => Just(Move::Answer),
        4 => Just(Move::Miss),
        4 => (any::<bool>(), any::<bool>(), option::of(any::<bool>()))
            .prop_map(|(memory, cpu, tasks)| Move::Sample { memory, cpu, tasks }),
        2 => (0..16u32).prop_map(Move::Wait),
        4 => any::<u8>().prop_map(Move::Fire),
        1 => Just(Move::EarlyLease),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(kind, run)| Move::Stale { kind, run }),
        1 => any::<u8>().prop_map(Move::Again),
    ]
}

fn exits() -> impl Strategy<Value = Exit> {
    select(vec![
        Exit::Code(0),
        Exit::Code(1),
        Exit::Signal(9),
        Exit::Signal(11),
        Exit::OomKilled,
        Exit::Unknown,
        Exit::Unspawned,
        Exit::Unspawned,
        Exit::Unstartable,
        Exit::ActorDied,
    ])
}
