//! A database whose disk is full, fails now and then, or whose file is locked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use tokio::time::Instant;

use super::{Daemon, id, pid};
use crate::ground::{PATIENCE, eventually, is_alive};

/// The first names of the row, so that each test writes others.
fn name(test: &str, n: usize) -> String {
    format!("{test}-{n}")
}

/// Refusals in a row that show that the disk is full: what is left of a page takes some writes more.
const FULL: usize = 10;

/// Writes until nothing can be written any more. Answers what was acknowledged before.
async fn until_full(daemon: &Daemon) -> Vec<String> {
    let (mut acknowledged, mut in_a_row) = (Vec::new(), 0);
    for n in 0..10_000 {
        let name = name("filling", n);
        let answer = daemon.write(&name).await;
        match answer.status {
            507 => {
                let code = &answer.json()["code"];
                assert_eq!((answer.retry_after, code), (Some(30), &"storage_full".into()), "{answer:?}");
                in_a_row += 1;
            }
            _ => {
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.push(name);
                in_a_row = 0;
            }
        }
        if in_a_row == FULL {
            return acknowledged;
        }
    }
    panic!("the disk was never full");
}

/// Takes all space of a file system; gives it back when asked to.
fn fill(dir: &Path) -> PathBuf {
    let ballast = dir.join("ballast");
    let mut size = 1 << 20;
    let mut content = Vec::new();
    while size >= 1 {
        let more = vec![0_u8; size];
        content.extend_from_slice(&more);
        if fs::write(&ballast, &content).is_err() {
            content.truncate(content.len() - size);
            size /= 2;
        }
    }
    // What the last try left may be short.
    let _ = fs::write(&ballast, &content);
    ballast
}

#[tokio::test]
async fn on_a_full_disk_changes_are_refused_servers_go_on_and_all_is_well_once_there_is_space() {
    let mut daemon = Daemon::unstarted(&["grace=500ms"], &[]);
    let disk = daemon.dir.path().join("disk");
    let url = format!("sqlite:{}", disk.join("minimcp.db").display());
    daemon.environment("MINIMCP_DATABASE_URL", Some(&url));
    let script = "umask 077 && mkdir -p \"$0\" && mount -t tmpfs -o size=3m tmpfs \"$0\" && exec \"$@\"";
    daemon.around(&["unshare", "--map-root-user", "--mount", "sh", "-c", script, disk.to_str().unwrap()]);
    daemon.serve().await;
    daemon.faulty("plain", &["ok"]).await;
    let (kept, short) = (daemon.running("plain", "kept").await, daemon.running("plain", "short").await);
    let token = kept["access_token"].as_str().unwrap().to_owned();
    let served = super::Caller { base: daemon.caller().base, token };
    let call = format!("/i/{}/mcp", id(&kept));
    assert_eq!(served.send("POST", &call, None).await.unwrap().status, 200);
    daemon.cli(&["extend", "short", "--ttl", "3s"]).await.done();

    let inside = Path::new("/proc").join(daemon.pid().to_string()).join("root");
    let ballast = fill(&inside.join(disk.strip_prefix("/").unwrap()));
    let mut acknowledged = until_full(&daemon).await;
    let refusals = futures::future::join_all(["a", "b", "c", "d", "e"].map(|name| daemon.write(name))).await;
    let statuses: Vec<u16> = refusals.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [507; 5], "{refusals:?}");
    assert_eq!(daemon.lost(&acknowledged).await, [""; 0]);
    assert_eq!(served.send("POST", &call, None).await.unwrap().status, 200, "the gateway goes on");
    // A lease ends though nobody can write that down.
    let ended = pid(&short);
    eventually("the lease ends", || !is_alive(ended)).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let told = async {
        while !daemon.unready().await.contains(&"journal".to_owned()) {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("/readyz says that the store takes nothing");

    fs::remove_file(ballast).unwrap();
    daemon.until_ready().await;
    let answer = daemon.write("after").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    acknowledged.push("after".into());
    assert_eq!(daemon.lost(&acknowledged).await, [""; 0]);
    assert_eq!(daemon.status(&id(&short), "expired").await["process_id"], serde_json::Value::Null);
    assert_eq!(daemon.status(&id(&kept), "running").await["process_id"], kept["process_id"]);
    assert!(daemon.terminate().await.success());
}

#[tokio::test]
async fn while_the_database_is_locked_writes_answer_in_time_and_reads_and_servers_go_on() {
    let daemon = Daemon::start().await;
    daemon.faulty("plain", &["ok"]).await;
    let made = daemon.running("plain", "one").await;
    let url = format!("sqlite://{}", daemon.data().join("minimcp.db").display());
    let locker = Database::connect(ConnectOptions::new(url).max_connections(1).to_owned()).await.unwrap();
    locker.execute_unprepared("BEGIN EXCLUSIVE").await.unwrap();
    let begun = Instant::now();
    let mut refused = 0;
    // As long as the lock is held, for ten seconds.
    while begun.elapsed() < Duration::from_secs(10) {
        let names: Vec<String> =
            (0..4).map(|n| format!("locked-{}-{n}", begun.elapsed().as_millis())).collect();
        let sent = Instant::now();
        let answers = futures::future::join_all(names.iter().map(|name| daemon.write(name))).await;
        // Each waits its turn for the one connection that writes, and no longer than for the lock.
        assert!(sent.elapsed() < Duration::from_secs(12), "{:?}", sent.elapsed());
        for answer in answers {
            assert_eq!((answer.status, answer.retry_after), (503, Some(5)), "{answer:?}");
            refused += 1;
        }
        assert_eq!(daemon.get("/v1/types").await.status, 200, "reads go on");
        assert_eq!(daemon.get("/healthz").await.status, 200);
    }
    locker.execute_unprepared("COMMIT").await.unwrap();
    locker.close().await.unwrap();
    assert!(refused >= 4);
    daemon.until_ready().await;
    let types = daemon.get("/v1/types?limit=500").await.json().to_string();
    assert!(!types.contains("locked-"), "what was refused is not there: {types}");
    assert_eq!(daemon.write("after").await.status, 201);
    assert_eq!(daemon.get("/v1/types/after").await.status, 200);
    assert_eq!(daemon.status(&id(&made), "running").await["process_id"], made["process_id"]);
}

/// Has the disk under the daemon fail, or not any more.
fn fail(prefix: &Path, daemon: u32, command: &str) {
    let mut ctrl = Command::new("fiu-ctrl");
    ctrl.arg("-f").arg(prefix).args(["-c", command]).arg(daemon.to_string());
    let said = ctrl.output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[tokio::test]
async fn on_a_disk_that_fails_at_random_what_was_acknowledged_is_there_and_no_restart_is_needed() {
    let failing = ["posix/io/rw/pwrite", "posix/io/sync/fsync", "posix/io/sync/fdatasync"];
    let mut daemon = Daemon::unstarted(&[], &[]);
    let prefix = daemon.dir.path().join("fiu");
    let words = Command::new("fiu-run").arg("-h").output();
    assert!(words.is_ok(), "fiu-run is not there; install the package fiu-utils");
    daemon.around(&["fiu-run", "-x", "-f", prefix.to_str().unwrap()]);
    daemon.serve().await;
    let process = daemon.pid();
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    for name in failing {
        fail(&prefix, process, &format!("enable_random name={name},probability=0.15"));
    }
    for n in 0..60 {
        let name = name("shaky", n);
        let answer = daemon.write(&name).await;
        match answer.status {
            201 => acknowledged.push(name),
            503 | 507 => {
                assert!(answer.retry_after.is_some(), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    for name in failing {
        fail(&prefix, process, &format!("disable name={name}"));
    }
    assert!(refused > 5 && acknowledged.len() > 5, "{refused} refused, {} done", acknowledged.len());
    daemon.until_ready().await;
    assert_eq!(daemon.write("after").await.status, 201);
    acknowledged.push("after".into());
    assert_eq!(daemon.lost(&acknowledged).await, [""; 0]);
    assert_eq!(daemon.pid(), process);
    daemon.kill();
    daemon.around(&[]);
    daemon.serve().await;
    assert_eq!(daemon.lost(&acknowledged).await, [""; 0]);
    assert!(daemon.cli(&["audit", "verify"]).await.done().starts_with("All "));
}
