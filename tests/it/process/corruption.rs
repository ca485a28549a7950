//! A database file that somebody or something has damaged. SQLite notices few of such changes itself; rights are
//! proven row by row.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::json;

use super::{Caller, Daemon};

/// A daemon with an administrator and a user, and things of theirs; and the token of the user.
async fn peopled() -> (Daemon, String) {
    let daemon = Daemon::start().await;
    let una = daemon.send("POST", "/v1/users", Some(json!({"name": "una"}))).await.json();
    let path = format!("/v1/users/{}/tokens", una["id"].as_str().unwrap());
    let token = daemon.send("POST", &path, Some(json!({"name": "hers"}))).await.json();
    for n in 0..40 {
        assert_eq!(daemon.write(&format!("kept-{n}")).await.status, 201);
    }
    (daemon, token["token"].as_str().unwrap().to_owned())
}

fn database(daemon: &Daemon) -> PathBuf {
    daemon.data().join("minimcp.db")
}

/// Nobody has more rights than were given to them, whatever the file says now.
async fn no_right_was_gained(daemon: &Daemon, user: &str, when: &str) {
    let me = daemon.get("/v1/me").await;
    match me.status {
        200 => assert_eq!(me.json()["role"], "admin", "{when}: {me:?}"),
        _ => assert!(matches!(me.status, 401 | 409 | 503), "{when}: {me:?}"),
    }
    let caller = Caller { base: daemon.caller().base, token: user.to_owned() };
    for path in ["/v1/users", "/metrics", "/v1/keys"] {
        let answer = caller.send("GET", path, None).await.unwrap();
        assert!(matches!(answer.status, 401 | 403 | 409 | 503), "{when}: {path} answers {answer:?}");
    }
    // The library that reads SQLite's file gives up a connection to a schema that is no text.
    let log = daemon.log();
    let mut panics = log.lines().filter(|line| line.contains("panicked"));
    assert!(panics.all(|line| line.contains("sqlx-sqlite-worker")), "{when}: {log}");
}

fn refuses_by_name(log: &str, when: &str) {
    assert!(log.contains("minimcp restore --backup"), "{when}: it says what to do: {log}");
}

fn flip(path: &Path, random: &mut Rng) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let at = random.u64(0..file.metadata().unwrap().len());
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ (1 << random.u32(0..8))]).unwrap();
}

fn zero(path: &Path, page: u64) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(page * 4_096)).unwrap();
    file.write_all(&[0; 4_096]).unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_refused_by_name_or_gives_nobody_a_right() {
    let (mut daemon, user) = peopled().await;
    assert!(daemon.terminate().await.success());
    let sound = fs::read(database(&daemon)).unwrap();
    let pages = sound.len() as u64 / 4_096;
    let seed =
        std::env::var("MINIMCP_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let mut random = Rng::with_seed(seed);
    let mut refused = 0;
    for round in 0..super::rounds(6) {
        let when = format!("round {round} of seed {seed}");
        for left in ["minimcp.db-wal", "minimcp.db-shm"] {
            // A daemon that was killed has left both.
            let _ = fs::remove_file(daemon.data().join(left));
        }
        fs::write(database(&daemon), &sound).unwrap();
        match round {
            0 => zero(&database(&daemon), 0),
            1 => zero(&database(&daemon), random.u64(1..pages)),
            _ => (0..8).for_each(|_| flip(&database(&daemon), &mut random)),
        }
        match daemon.try_serve().await {
            Ok(()) => {
                no_right_was_gained(&daemon, &user, &when).await;
                daemon.kill();
            }
            Err(log) => {
                refused += 1;
                // A row that does not hold any more says so itself.
                if !log.contains("was changed by something else") && !log.contains("key") {
                    refuses_by_name(&log, &when);
                }
            }
        }
        if round == 0 {
            assert_eq!(refused, 1, "without its first page it is no database");
        }
    }
}

#[tokio::test]
async fn a_log_that_was_cut_loses_the_newest_writes_only_and_a_lost_index_of_it_none() {
    let (mut daemon, user) = peopled().await;
    daemon.kill();
    fs::remove_file(daemon.data().join("minimcp.db-shm")).unwrap();
    daemon.serve().await;
    let names: Vec<String> = (0..40).map(|n| format!("kept-{n}")).collect();
    assert_eq!(daemon.lost(&names).await, [""; 0]);

    let more: Vec<String> = (0..20).map(|n| format!("more-{n}")).collect();
    for name in &more {
        assert_eq!(daemon.write(name).await.status, 201);
    }
    daemon.kill();
    let log = File::options().write(true).open(daemon.data().join("minimcp.db-wal")).unwrap();
    let length = log.metadata().unwrap().len();
    log.set_len(length / 2).unwrap();
    match daemon.try_serve().await {
        Ok(()) => {
            let lost = daemon.lost(names.iter().chain(&more)).await;
            let there = names.len() + more.len() - lost.len();
            let oldest: Vec<&String> = names.iter().chain(&more).skip(there).collect();
            assert_eq!(lost, oldest, "only the newest are gone");
            no_right_was_gained(&daemon, &user, "with a log that was cut").await;
        }
        Err(log) => refuses_by_name(&log, "with a log that was cut"),
    }
}
