//! The way of an order: from a caller on another thread to the supervisor and back, beside the bare send to an
//! actor that does nothing; and the same with ten thousand leases armed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler, Message};
use chrono::Utc;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::join_all;
use minimcp_actors::fake::{FakeLauncher, Script};
use minimcp_actors::launch::{NoPlan, Plan, Planner, Probe, Spec};
use minimcp_actors::policy::Policy;
use minimcp_actors::state::{Command, Status};
use minimcp_actors::{ActorThread, Config, Supervision};
use tokio::sync::oneshot;
use uuid::Uuid;

const MANY: usize = 10_000;
/// Callers at once where it says so.
const CALLERS: usize = 64;

/// Does nothing.
struct Bare;

impl Actor for Bare {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Ask(u64);

impl Handler<Ask> for Bare {
    type Result = u64;

    fn handle(&mut self, Ask(number): Ask, _: &mut Self::Context) -> u64 {
        number
    }
}

/// The fake launcher executes nothing, so there is nothing to plan.
#[derive(Debug)]
struct Nothing;

impl Planner for Nothing {
    fn plan(&self, _: &minimcp_actors::launch::Launch) -> Result<Plan, NoPlan> {
        Err(NoPlan::Never("nothing is executed".into()))
    }
}

/// Actors with this many instances that run; answers one of them.
async fn supervision(count: usize) -> (Supervision, ActorThread, Uuid) {
    let launcher = FakeLauncher::new(|_| Script { ready_after: Some(Duration::ZERO), ..Script::default() });
    let config = Config {
        concurrent_starts: 256,
        sample_interval: Duration::from_secs(3_600),
        corner: false,
        ..Config::default()
    };
    let (supervision, thread) = ActorThread::spawn(config, Arc::new(launcher)).await.expect("a thread");
    let mut last = Uuid::nil();
    for _ in 0..count {
        let mut spec = Spec::new("fake", Policy::default(), Probe::Process, Arc::new(Nothing));
        spec.lease_ends_at = Some(Utc::now() + Duration::from_secs(86_400));
        last = spec.id;
        supervision.create(spec).await.expect("taken on");
    }
    let patience = Duration::from_secs(60);
    let running = |snapshot: &minimcp_actors::snapshot::Snapshot| snapshot.status == Status::Running;
    for snapshot in supervision.registry().all() {
        let (_, reached) = supervision.wait_until(snapshot.id, patience, running).await.expect("known");
        assert!(reached, "every instance runs");
    }
    (supervision, thread, last)
}

fn orders(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (few, few_thread, one) = runtime.block_on(supervision(1));
    let (many, many_thread, of_many) = runtime.block_on(supervision(MANY));
    let (tell, told) = oneshot::channel();
    few_thread.arbiter().spawn_fn(move || {
        // The receiver waits right below.
        let _ = tell.send(Bare.start());
    });
    let bare = runtime.block_on(told).expect("the bare actor");

    let mut group = c.benchmark_group("one caller");
    group.bench_function("bare send", |bench| {
        bench.iter(|| runtime.block_on(bare.send(black_box(Ask(7)))).expect("an answer"));
    });
    // Waking what is awake is admitted and changes nothing: the mailbox is what it costs.
    group.bench_function("order", |bench| {
        bench.iter(|| runtime.block_on(few.order(one, Command::Wake)).expect("admitted"));
    });
    let lease = || Utc::now() + Duration::from_secs(86_400);
    group.bench_function("extend a lease", |bench| {
        bench.iter(|| runtime.block_on(few.extend(one, lease())).expect("admitted"));
    });
    group.bench_function("extend a lease of 10,000", |bench| {
        bench.iter(|| runtime.block_on(many.extend(of_many, lease())).expect("admitted"));
    });
    group.finish();

    let mut group = c.benchmark_group("64 callers at once");
    group.throughput(criterion::Throughput::Elements(CALLERS as u64));
    group.bench_function("bare send", |bench| {
        bench.iter(|| runtime.block_on(join_all((0..64).map(|n| bare.send(Ask(n))))));
    });
    group.bench_function("order", |bench| {
        bench.iter(|| runtime.block_on(join_all((0..CALLERS).map(|_| few.order(one, Command::Wake)))));
    });
    group.finish();

    runtime.block_on(async {
        for (supervision, thread) in [(few, few_thread), (many, many_thread)] {
            supervision.shutdown(false).await;
            thread.stop().await.expect("the actors end");
        }
    });
}

criterion_group!(benches, orders);
criterion_main!(benches);
