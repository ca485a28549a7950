//! The pure core: what one event costs, and one whole life.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use minimcp_actors::lifecycle::{Life, Step, admit, next};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Command, Event, Exit, Fact, Run, Timer, Usage};

const LEASE: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An instance that runs since second 1.
fn running(policy: &Policy) -> Life {
    let mut life = Life::create(Some(LEASE), at(0)).life;
    for fact in [Fact::Granted(Run(1)), Fact::Ready(Run(1))] {
        life = next(policy, life, Event::Fact(fact), at(1)).life;
    }
    life
}

fn events(c: &mut Criterion) {
    let policy = Policy::default();
    let life = running(&policy);
    let usage = Usage { memory_bytes: 64 << 20, cpu_percent: 3.0, processes: 1, ..Usage::default() };
    let mut group = c.benchmark_group("next");
    for (name, event) in [
        ("a probe answered", Event::Fact(Fact::Answered(Run(1)))),
        ("a probe missed", Event::Fact(Fact::Missed(Run(1)))),
        ("a sample", Event::Fact(Fact::Sampled(Run(1), usage))),
        ("a crash", Event::Fact(Fact::Exited(Run(1), Exit::Signal(9)))),
        ("a timer of an earlier run", Event::Fact(Fact::Fired(Timer::Start(Run(0))))),
        ("the order to stop", Event::Command(Command::Stop)),
    ] {
        group.bench_function(name, |bench| {
            let fresh = || life.clone();
            bench.iter_batched(
                fresh,
                |life| next(&policy, life, black_box(event), at(60)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    c.bench_function("admit the order to stop", |bench| {
        bench.iter(|| admit(&life, black_box(Command::Stop), at(60)));
    });
}

/// Created, started, crashed and restarted within its budget, stopped.
fn whole_life(policy: &Policy) -> usize {
    let Step { mut life, effects } = Life::create(Some(LEASE), at(0));
    let mut done = effects.len();
    let mut now = 0;
    let mut happens = |life: &mut Life, event| {
        now += 1;
        let step = next(policy, life.clone(), event, at(now));
        *life = step.life;
        done += step.effects.len();
    };
    for run in 1..=3 {
        let run = Run(run);
        happens(&mut life, Event::Fact(Fact::Fired(Timer::Backoff(run))));
        happens(&mut life, Event::Fact(Fact::Granted(run)));
        happens(&mut life, Event::Fact(Fact::Ready(run)));
        happens(&mut life, Event::Fact(Fact::Answered(run)));
        if run.0 < 3 {
            happens(&mut life, Event::Fact(Fact::Exited(run, Exit::Signal(11))));
        }
    }
    happens(&mut life, Event::Command(Command::Stop));
    happens(&mut life, Event::Fact(Fact::Exited(Run(3), Exit::Code(0))));
    assert!(life.state().status().is_ended(), "{life:?}");
    done
}

fn lives(c: &mut Criterion) {
    let policy = Policy::default();
    c.bench_function("a whole life", |bench| bench.iter(|| whole_life(black_box(&policy))));
}

criterion_group!(benches, events, lives);
criterion_main!(benches);
