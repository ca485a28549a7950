//! More at once than there is room for: callers, connections, descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{Daemon, id, pid, rounds};

/// How many instances the user of these tests may have.
const ROOM: usize = 12;
/// Connections of the test at once: more than the daemon takes, fewer than the test may open.
const AT_ONCE: usize = 5_000;
/// What a daemon may take with all the connections that it takes, in MiB. What is compiled without optimization keeps
/// more for each request.
const MOST_MIB: u64 = if cfg!(debug_assertions) { 400 } else { 300 };

fn descriptors(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

/// CPU time so far, in hundredths of a second.
fn cpu(daemon: &Daemon) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_who_create_at_once_each_key_makes_one_instance_or_none_and_memory_stays_bounded() {
    let requests = usize::try_from(rounds(1)).unwrap().min(5) * 2_000;
    let set = [format!("quota.max-instances={ROOM}"), format!("quota.max-running={ROOM}")];
    let daemon = Daemon::with(&set.each_ref().map(String::as_str), &[]).await;
    daemon.light().await;
    let caller = daemon.caller();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..requests {
        let (caller, places) = (caller.clone(), Arc::clone(&places));
        asked.spawn(async move {
            let _place = places.acquire().await.unwrap();
            // Each key is used twice.
            let key = format!("key-{}", n / 2);
            let body = json!({"mcp_type": "light", "expiration_minutes": 60});
            let sent =
                caller.send_with(&[("idempotency-key", &key)], "POST", "/v1/instances", Some(body)).await;
            (key, sent.map_err(|error| error.to_string()))
        });
    }
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut most, mut unanswered) = (0, 0);
    while let Some(done) = asked.join_next().await {
        let (key, answer) = done.unwrap();
        // A client that gets to send nothing for seconds is let go; nobody knows then what was made.
        let Ok(answer) = answer else {
            unanswered += 1;
            continue;
        };
        *statuses.entry(answer.status).or_default() += 1;
        if answer.status == 201 {
            made.entry(key).or_default().insert(id(&answer.json()));
        }
        if statuses.values().sum::<usize>().is_multiple_of(100) {
            most = most.max(descriptors(&daemon));
        }
    }
    // 409: a request with the same key is still under way.
    let expected = BTreeSet::from([201, 409, 429, 503]);
    let strange: Vec<_> = statuses.keys().filter(|status| !expected.contains(status)).collect();
    assert!(strange.is_empty(), "{statuses:?}");
    assert!(made.values().all(|ids| ids.len() == 1), "{made:?}");
    assert!(unanswered < requests / 2, "{unanswered} of {requests} had no answer");
    let listed = daemon.get("/v1/instances?limit=500").await.json();
    let listed: BTreeSet<String> = listed["items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(listed.len(), ROOM, "{statuses:?}");
    let ids: BTreeSet<&String> = made.values().flatten().collect();
    assert_eq!(ids.len(), made.len(), "no two keys share one");
    assert!(ids.iter().all(|id| listed.contains(*id)), "{ids:?} of {listed:?}");
    for id in &listed {
        daemon.status(id, "running").await;
    }
    assert_eq!(daemon.servers().len(), ROOM, "one process for each");
    let peak = daemon.memory("VmHWM") / 1_024;
    assert!(peak < MOST_MIB, "{peak} MiB");
    assert!(most < 4_096 + 300, "{most} descriptors");
    super::show(&format!(
        "{requests} creations at once: {statuses:?}, {unanswered} without an answer, at most {peak} MiB and {most} descriptors"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_the_daemon_neither_spins_nor_ends_and_takes_callers_again_afterwards() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    daemon.around(&["prlimit", "--nofile=160:160"]);
    daemon.serve().await;
    daemon.light().await;
    let made = daemon.running("light", "one").await;
    let before = cpu(&daemon);
    let begun = tokio::time::Instant::now();
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(TcpStream::connect(daemon.listen).await.unwrap());
    }
    // The daemon lets go of who says nothing; by then it has been without descriptors for seconds.
    let mut closed = 0;
    for mut stream in idle {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(super::PATIENCE, stream.read_to_end(&mut rest)).await;
        closed += usize::from(read.is_ok());
    }
    assert_eq!(closed, 400, "each was served in the end, or let go");
    let (spent, took) = (cpu(&daemon) - before, begun.elapsed());
    assert!(took > Duration::from_secs(4), "there were none for a while: {took:?}");
    assert!((spent as f64) < took.as_secs_f64() * 30.0, "{spent} hundredths of a second in {took:?}");
    assert_eq!(daemon.get("/readyz").await.status, 200);
    assert_eq!(daemon.write("after").await.status, 201);
    assert_eq!(pid(&daemon.status(&id(&made), "running").await), pid(&made));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_an_answer_slowly_is_let_go_and_costs_little() {
    let daemon = Daemon::start().await;
    let before = daemon.memory("VmRSS");
    let token = daemon.caller().token;
    let request = format!(
        "GET /openapi.json HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
        daemon.listen
    );
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(daemon.listen).await.unwrap();
        // Many answers are ordered and none is read.
        for _ in 0..40 {
            if stream.write_all(request.as_bytes()).await.is_err() {
                break;
            }
        }
        slow.push(stream);
    }
    assert_eq!(daemon.get("/healthz").await.status, 200);
    let grown = daemon.memory("VmHWM").saturating_sub(before) / 1_024;
    assert!(grown < 150, "{grown} MiB for 50 readers that do not read");
}
