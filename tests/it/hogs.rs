//! Servers that take more than their share: memory inside and outside of the heap, processes, CPU, disk. Each ends
//! with a cause that names it, and its neighbours go on answering.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use minimcp_actors::launch::cgroup::{Enforcer, Use};
use minimcp_actors::launch::{Probe, Spec, logs};
use minimcp_actors::policy::{Limits, RestartPolicy};
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Cause, Exit, Status};
use tokio::time::Instant;

use crate::ground::{Ground, eventually, get, node};
use crate::tree::{escape, processes_of};

const MIB: u64 = 1 << 20;

fn script(ground: &Ground, args: &[&str]) -> Spec {
    let args = args.iter().map(ToString::to_string).collect();
    let mut spec = ground.spec(node(), args, Probe::Process);
    spec.policy.restart = RestartPolicy::Temporary;
    spec
}

async fn end_of(ground: &Ground, spec: Spec) -> Arc<Snapshot> {
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let ended = ground.until(id, |now| now.status.is_ended()).await;
    assert_eq!(processes_of(id), [0; 0]);
    ended
}

/// What a memory hog has to end as: by the kernel where it keeps the limit, else by measuring.
fn assert_ended_for_memory(ended: &Snapshot, by: Enforcer) {
    let last = ended.last_exit.as_ref().unwrap();
    if by == Enforcer::Sampling {
        assert_eq!(last.cause, Cause::HighMemory, "{ended:#?}");
    } else {
        assert_eq!((last.cause, last.exit), (Cause::OomKilled, Exit::OomKilled), "{ended:#?}");
    }
    assert!(ended.reason.starts_with("High memory usage"), "{}", ended.reason);
}

/// Two hogs of memory: V8's heap, and buffers, which no option of Node bounds.
async fn memory_hogs_end(groups: Use) {
    let ground = Ground::grouped(groups, Arc::new(tempfile::tempdir().unwrap()), |_| {}).await;
    let by = ground.launcher.cgroups().enforced().memory;
    let limits = Limits { memory_bytes: Some(150 * MIB), ..Limits::default() };
    let heap = "const a = []; setInterval(() => a.push(new Array(1e6).fill(a.length)), 20)";
    let buffers = "const a = []; setInterval(() => a.push(Buffer.alloc(8 << 20, 1)), 20)";
    for args in [["--max-old-space-size=4096", "-e", heap], ["--max-old-space-size=64", "-e", buffers]] {
        let mut spec = script(&ground, &args);
        spec.policy.limits = limits;
        let ended = end_of(&ground, spec).await;
        assert_ended_for_memory(&ended, by);
    }
    ground.leave(false).await;
}

#[tokio::test]
async fn hogs_of_heap_and_of_buffers_end_with_that_cause_where_the_kernel_keeps_the_limit() {
    memory_hogs_end(Use::Auto).await;
}

#[tokio::test]
async fn hogs_of_heap_and_of_buffers_end_with_that_cause_where_only_measuring_does() {
    memory_hogs_end(Use::Off).await;
}

/// The slowest but one in twenty of a neighbour's answers, while this goes on.
async fn p95_of(neighbour: &Snapshot, rounds: u32) -> Duration {
    let mut took = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..rounds {
        ticks.tick().await;
        let begin = Instant::now();
        get(neighbour.port.unwrap(), "/health").await;
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    took[took.len() * 95 / 100]
}

async fn a_bomb_ends(groups: Use) {
    let ground = Ground::grouped(groups, Arc::new(tempfile::tempdir().unwrap()), |_| {}).await;
    let by = ground.launcher.cgroups().enforced().tasks;
    let neighbour = ground.running(ground.faulty(&["ok"])).await;
    let mut spec = escape(&ground, &["bomb"]);
    spec.policy.limits.tasks = Some(64);
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let mut most = 0;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let ended = loop {
        ticks.tick().await;
        most = most.max(processes_of(id).len());
        // The neighbour answers all the while.
        get(neighbour.port.unwrap(), "/health").await;
        let now = ground.actors.registry().get(id).unwrap();
        if now.status.is_ended() {
            break now;
        }
    };
    assert_eq!(ended.cause, Cause::TooManyProcesses, "{ended:#?}");
    assert_eq!(processes_of(id), [0; 0]);
    assert!(most > 8, "it was a bomb: {most}");
    if by != Enforcer::Sampling {
        assert!(most <= 64, "the kernel kept the limit: {most}");
    }
    assert_eq!(ground.actors.registry().get(neighbour.id).unwrap().run, neighbour.run);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_fork_bomb_stays_below_its_limit_and_is_ended_with_that_cause() {
    a_bomb_ends(Use::Auto).await;
}

#[tokio::test]
async fn a_hog_of_cpu_is_held_by_the_kernel_until_it_is_ended_and_neighbours_go_on() {
    let ground = Ground::new().await;
    let by = ground.launcher.cgroups().enforced().cpu;
    let neighbour = ground.running(ground.faulty(&["ok"])).await;
    let spin = "const { Worker } = require('worker_threads'); const f = 'for (;;);';\n\
                for (let i = 0; i < 4; i++) new Worker(f, { eval: true }); for (;;);";
    let mut spec = script(&ground, &["-e", spin]);
    spec.policy.limits.cpu_percent = Some(20);
    // Long enough to be measured while it is held.
    spec.policy.samples_over = 10;
    let id = spec.id;
    ground.actors.create(spec).await.unwrap();
    let p95 = p95_of(&neighbour, 100).await;
    let ended = ground.until(id, |now| now.status.is_ended()).await;
    assert_eq!(ended.cause, Cause::HighCpu, "{ended:#?}");
    let measured = ground.actors.registry().trend(id, None);
    let mean = measured.iter().map(|sample| sample.usage.cpu_percent).sum::<f32>() / measured.len() as f32;
    if by != Enforcer::Sampling {
        // 70 % of a core is the ceiling of a limit of 20 %; five threads would take all there are.
        assert!(mean < 100.0, "held: {mean} % of {measured:?}");
    }
    assert!(p95 < Duration::from_millis(500), "the neighbour answered: {p95:?}");
    assert_eq!(ground.actors.registry().get(neighbour.id).unwrap().run, neighbour.run);
    ground.leave(false).await;
}

#[tokio::test]
async fn a_flood_of_output_is_bounded_on_the_disk_and_what_was_dropped_is_told() {
    let ground = Ground::new().await;
    let neighbour = ground.running(ground.faulty(&["ok"])).await;
    let spec = ground.spec("/usr/bin/yes".into(), vec!["x".repeat(1_000)], Probe::Process);
    let id = spec.id;
    ground.running(spec).await;
    let log = ground.path("logs").join("stdout.log");
    let dropped = || {
        let parts = logs::parts(&log);
        parts
            .iter()
            .filter_map(|part| std::fs::read_to_string(part).ok())
            .any(|text| text.contains("were dropped here"))
    };
    let written = || std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    eventually("more was written than is kept", || written() > 400 * MIB).await;
    let p95 = p95_of(&neighbour, 50).await;
    assert!(p95 < Duration::from_millis(500), "the neighbour answered: {p95:?}");
    ground.actors.order(id, minimcp_actors::state::Command::Stop).await.unwrap();
    ground.status(id, Status::Stopped).await;
    let blocks = |path| std::fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
    let on_disk: u64 = logs::parts(&log).into_iter().map(blocks).sum();
    // The last look is a quarter of a second before the end at most, at the speed of a fast disk.
    assert!(on_disk <= 160 * MIB, "five files of 10 MiB and what came since the last look: {on_disk}");
    assert!(dropped(), "what was dropped is told");
    ground.leave(false).await;
}
