//! Servers that take too much are kept to some of the processors, so that others need not wait behind them.

use std::path::Path;

use minimcp_actors::launch::record::RunDir;
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::message::{Fate, Past};
use minimcp_actors::state::{Run, Status};
use rustix::process::Pid;
use rustix::thread::sched_getaffinity;

use crate::ground::{Ground, eventually, node};
use crate::process::Daemon;

/// The processors that each thread of a process may use.
fn processors(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let ids = threads.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap());
    ids.filter_map(|id: i32| Some(sched_getaffinity(Pid::from_raw(id)).ok()?.count())).collect()
}

fn is_confined(pid: u32) -> bool {
    let few = all() / 2;
    let present = processors(pid);
    !present.is_empty() && present.iter().all(|count| *count == few)
}

fn is_free(pid: u32) -> bool {
    let present = processors(pid);
    !present.is_empty() && present.iter().all(|count| *count == all())
}

fn all() -> u32 {
    let all = sched_getaffinity(None).unwrap().count();
    assert!(all > 1, "on a machine with one processor there is no corner");
    all
}

/// A server that computes on all processors as long as the file is there. Where nothing holds it, it alone keeps the
/// machine busy.
fn hog(ground: &Ground, file: &Path) -> Spec {
    std::fs::write(file, "").unwrap();
    let program = "const { Worker } = require('worker_threads');\n\
                   const file = process.argv[1];\n\
                   const spin = `const { existsSync } = require('fs'); while (existsSync('${file}')); \
                   setInterval(() => {}, 1000);`;\n\
                   for (const _ of require('os').cpus()) new Worker(spin, { eval: true });";
    let args = ["-e", program, file.to_str().unwrap()].map(str::to_owned);
    let mut spec = ground.spec(node(), args.into(), Probe::Process);
    spec.policy.limits.cpu_percent = Some(20);
    // It is to live for as long as it is looked at.
    spec.policy.samples_over = 10_000;
    spec
}

#[tokio::test]
async fn a_server_over_its_cpu_limit_is_kept_from_half_of_the_processors_until_it_is_good_again() {
    let ground = Ground::without_cgroups().await;
    let neighbour = ground.running(ground.faulty(&["ok"])).await.pid.unwrap();
    let file = ground.path("greedy");
    let spec = hog(&ground, &file);
    let hog = ground.running(spec).await.pid.unwrap();
    eventually("it is kept aside, with all of its threads", || is_confined(hog)).await;
    assert!(is_free(neighbour));
    std::fs::remove_file(file).unwrap();
    eventually("it is let go", || is_free(hog)).await;
    ground.leave(false).await;
}

#[tokio::test]
async fn a_server_without_limit_may_use_all_processors_and_so_may_any_where_the_corner_is_switched_off() {
    let free = Ground::with(|config| config.corner = false).await;
    let ground = Ground::without_cgroups().await;
    let mut unlimited = hog(&ground, &ground.path("greedy"));
    unlimited.policy.limits.cpu_percent = None;
    let beside = hog(&ground, &ground.path("greedy"));
    let unlimited = ground.running(unlimited).await.pid.unwrap();
    let free_hog = free.running(hog(&free, &free.path("greedy"))).await.pid.unwrap();
    // By the time that this one is kept aside the others were looked at as often.
    let beside = ground.running(beside).await.pid.unwrap();
    eventually("this one is kept aside", || is_confined(beside)).await;
    assert!(is_free(unlimited));
    assert!(is_free(free_hog));
    free.leave(false).await;
    ground.leave(false).await;
}

#[tokio::test]
async fn a_server_that_writes_more_than_is_kept_is_kept_aside_too() {
    let ground = Ground::without_cgroups().await;
    // Looks are taken at a machine that is busy.
    ground.running(hog(&ground, &ground.path("greedy"))).await;
    let flood = ground.spec("/usr/bin/yes".into(), vec!["x".repeat(1_000)], Probe::Process);
    let flood = ground.running(flood).await.pid.unwrap();
    eventually("it is kept aside", || is_confined(flood)).await;
    ground.leave(false).await;
}

#[tokio::test]
async fn who_was_kept_aside_by_an_earlier_daemon_is_let_go_by_the_next() {
    let first = Ground::without_cgroups().await;
    let file = first.path("greedy");
    let spec = hog(&first, &file);
    let hog = first.running(spec.clone()).await.pid.unwrap();
    eventually("it is kept aside", || is_confined(hog)).await;
    let dir = first.leave(true).await;
    std::fs::remove_file(file).unwrap();
    assert!(is_confined(hog));

    let second = Ground::in_dir(dir, |_| {}).await;
    let record = RunDir::open(second.path("run")).unwrap().records().unwrap().0.pop().unwrap();
    let fate = Fate::Adopt { record: Box::new(record), restore: true };
    let past = Past { last_run: Run(1), restarts: 0, rests_since: None };
    second.actors.recover(spec.clone(), past, fate).await.unwrap();
    second.status(spec.id, Status::Running).await;
    assert!(is_free(hog));
    second.leave(false).await;
}

#[tokio::test]
async fn a_daemon_that_may_not_keep_servers_aside_says_what_it_lacks() {
    let mut daemon = Daemon::unstarted(&["cgroups=off"], &[]);
    daemon.around(&["setpriv", "--bounding-set=-sys_nice"]);
    daemon.serve().await;
    let spin = "const { Worker } = require('worker_threads');\n\
                for (const _ of require('os').cpus()) new Worker('for (;;);', { eval: true });\n\
                require('http').createServer((_, answer) => answer.end()).listen(process.env.PORT, '127.0.0.1');";
    daemon
        .add_type(&format!(
            "name = 'hog'\ndisplay_name = 'Hog'\ncommand = 'node'\nargs = ['-e', \"\"\"{spin}\"\"\"]\n\
             [resource_limits]\nmax_cpu_percent = 50\n[health_check]\nkind = 'tcp'\n"
        ))
        .await;
    daemon.running("hog", "hog").await;
    daemon.logged("cannot be kept to some of the processors; the daemon needs CAP_SYS_NICE").await;
}
