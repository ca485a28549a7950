//! The audit trail of a daemon that is killed, cut off from its disk, or finds its files touched.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Daemon;
use crate::ground::PATIENCE;

/// All records with an action that begins so, the newest first, of a trail that has to be as it was written.
async fn records(daemon: &Daemon, action: &str) -> Vec<Value> {
    let mut records = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("/v1/audit?limit=500&action={action}{cursor}")).await.json();
        assert_eq!(page["chain"]["verified"], true, "{page:#}");
        records.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return records };
        cursor = format!("&cursor={next}");
    }
}

fn a_type(name: &str) -> Value {
    json!({"name": name, "display_name": "Plain", "server_script": "faulty/index.mjs"})
}

async fn add(daemon: &Daemon, name: &str) -> super::Answer {
    daemon.send("POST", "/v1/types", Some(a_type(name))).await
}

#[tokio::test]
async fn whatever_was_done_is_in_the_trail_after_kills_of_the_daemon_at_any_moment() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut daemon = Daemon::start().await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..8 {
        let caller = daemon.caller();
        let names: Vec<String> = (0..12).map(|n| format!("type-{round}-{n}")).collect();
        let mut done = Vec::new();
        let answered = random.usize(1..names.len() / 2);
        let left = Duration::from_millis(random.u64(0..40));
        for (turn, pair) in names.chunks(2).take(answered + 1).enumerate() {
            let sent = pair.iter().map(|name| caller.send("POST", "/v1/types", Some(a_type(name))));
            let sent = futures::future::join_all(sent);
            // The last requests are still under way, or not, when the daemon is killed.
            let wait = if turn < answered { PATIENCE } else { left };
            let Ok(answers) = tokio::time::timeout(wait, sent).await else { break };
            for (name, answer) in pair.iter().zip(answers) {
                assert_eq!(answer.unwrap().status, 201);
                done.push(name.clone());
            }
        }
        daemon.kill();
        acknowledged.extend(done);
        daemon.serve().await;

        let records = records(&daemon, "type.").await;
        let recorded: BTreeSet<String> = records
            .iter()
            .filter(|record| record["result"] == "done")
            .filter_map(|record| Some(record["object"]["id"].as_str()?.to_owned()))
            .collect();
        let lost: Vec<&String> = acknowledged.difference(&recorded).collect();
        assert!(lost.is_empty(), "{lost:?} are not on record; seed {seed}");
        let begun = records.iter().filter(|record| record["result"] == "begun").count();
        let types = daemon.get("/v1/types?limit=500").await.json();
        let there = types["items"].as_array().unwrap().iter();
        let there = there.filter(|one| one["name"].as_str().unwrap().starts_with("type-")).count();
        assert!(there <= begun, "{there} types and {begun} records of a beginning; seed {seed}");
    }
    assert!(acknowledged.len() >= 16, "two at least in each round; seed {seed}");
    let starts = records(&daemon, "daemon.start").await;
    assert_eq!(starts.len(), 9);
}

#[tokio::test]
async fn the_daemon_tells_of_records_that_were_cut_off_while_it_was_down_and_goes_on() {
    let mut daemon = Daemon::start().await;
    for name in ["one", "two", "three"] {
        assert_eq!(add(&daemon, name).await.status, 201);
    }
    assert!(daemon.cli(&["audit", "verify"]).await.done().starts_with("All 9 records"));
    assert!(daemon.terminate().await.success());
    let file = daemon.data().join("audit/audit.jsonl");
    assert!(daemon.cli(&["audit", "verify", "--offline"]).await.done().starts_with("All 10 records"));
    let lines: Vec<String> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 10, "a start, the first administrator, three types and an end: {lines:#?}");
    fs::write(&file, lines[..7].join("\n") + "\n").unwrap();

    let offline = daemon.cli(&["audit", "verify", "--offline"]).await;
    assert_eq!(offline.code, Some(1), "{offline:?}");
    assert_eq!(offline.out, "the end is cut off: records 8 to 10 are missing (audit.jsonl)\n");

    daemon.serve().await;
    let said = daemon.cli(&["audit", "verify"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.out, "records 8 to 10 are missing (audit.jsonl, before line 8)\n");
    let gap = daemon.get("/v1/audit?action=audit.gap").await.json();
    assert_eq!(gap["chain"]["verified"], false);
    assert_eq!(gap["items"][0]["seq"], 11, "a number is not given twice");
    assert_eq!(
        gap["items"][0]["detail"],
        json!({
            "found_seq": 7, "known_seq": 10,
            "problems": ["the end is cut off: records 8 to 10 are missing (audit.jsonl)"]
        })
    );
    daemon.logged("the audit trail is not as it was left").await;
    assert_eq!(add(&daemon, "four").await.status, 201);
    assert!(daemon.terminate().await.success());
}

/// Takes all the space there is, and gives it back.
fn fill(directory: &Path) -> impl FnOnce() {
    let path = directory.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [4_096, 512, 64, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    move || fs::remove_file(path).unwrap()
}

#[tokio::test]
async fn on_a_full_disk_operations_are_refused_until_there_is_space_again() {
    let mut daemon = Daemon::unstarted(&[], &[]);
    let audit = daemon.data().join("audit");
    let script = "umask 077 && mkdir -p \"$0\" && mount -t tmpfs -o size=64k tmpfs \"$0\" && exec \"$@\"";
    let place = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, audit.to_str().unwrap()];
    daemon.around(&place);
    daemon.serve().await;
    let inside = Path::new("/proc").join(daemon.pid().to_string()).join("root");
    let inside = inside.join(audit.strip_prefix("/").unwrap());
    assert_eq!(add(&daemon, "before").await.status, 201);

    let free = fill(&inside);
    let mut refused = 0;
    // What is left of the last page takes some records more.
    for n in 0..40 {
        let name = format!("full-{n}");
        let answer = add(&daemon, &name).await;
        let there = daemon.get(&format!("/v1/types/{name}")).await.status;
        match answer.status {
            201 => assert!(refused == 0 && there == 200, "{answer:?}"),
            _ => {
                let document = answer.json();
                assert_eq!((answer.status, &document["code"]), (507, &"storage_full".into()), "{answer:?}");
                assert!(document["detail"].as_str().unwrap().contains("No space left"), "{document}");
                assert_eq!(there, 404, "{name} was made nevertheless");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused}");
    free();
    assert_eq!(add(&daemon, "after").await.status, 201);
    let types = records(&daemon, "type.").await;
    assert_eq!(types[0]["object"]["id"], "after");
    assert!(daemon.cli(&["audit", "verify"]).await.done().starts_with("All "));
    assert!(daemon.terminate().await.success());
}
