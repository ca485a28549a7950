//! Credentials that expire while the daemon runs, and daemons that die while credentials are replaced.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::cell::Cell;

use crate::ground::{ended, eventually, is_alive};

use super::{Daemon, id, pid};

/// Registers a type whose servers behave in this way with the key `first`. With another they behave well, and wait
/// before they serve until somebody writes into the FIFO `hold`, if there is one.
async fn add_keyed(daemon: &Daemon, first: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/mcp-servers/faulty/index.mjs");
    // Named as an argument, it may be read by the server as soon as it is there.
    let hold = daemon.dir.path().join("hold");
    let line = format!(
        "test \"$API_KEY\" != first || exec node {script} {first}; test ! -e $0 || read line < $0; \
         exec node {script} ok"
    );
    daemon
        .add_type(&format!(
            "name = \"keyed\"\ndisplay_name = \"Keyed\"\ncommand = \"/bin/sh\"\nargs = [\"-c\", {line:?}, {hold:?}]\n\
             env_map = {{ api_key = \"API_KEY\" }}\n[credential_fields]\nrequired = [\"api_key\"]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\n"
        ))
        .await;
}

async fn credential(daemon: &Daemon, name: &str, on_expiry: &str) -> String {
    let body = json!({
        "mcp_type": "keyed", "name": name, "fields": {"api_key": "first"}, "on_expiry": on_expiry
    });
    let made = daemon.send("POST", "/v1/credentials", Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    id(&made.json())
}

async fn create(daemon: &Daemon, credential: &str) -> super::Answer {
    let body = json!({"mcp_type": "keyed", "credential_id": credential});
    daemon.send("POST", "/v1/instances?wait=running", Some(body)).await
}

impl Daemon {
    /// Waits until the history tells of this cause.
    async fn until_told(&self, cause: &str) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        let waiting = async {
            while !self.cli(&["events", "--json"]).await.done().contains(&format!("\"{cause}\"")) {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(crate::ground::PATIENCE, waiting).await.expect("it is told");
    }
}

/// What the event stream tells of credential sets.
async fn reminders(daemon: &Daemon) -> Vec<Value> {
    let said = daemon.cli(&["events", "--json"]).await.done();
    let events = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["reminder_id"].is_i64()).collect()
}

async fn until_reminded(daemon: &Daemon, count: usize) -> Vec<Value> {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let waiting = async {
        loop {
            let told = reminders(daemon).await;
            if told.len() >= count {
                return told;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(crate::ground::PATIENCE, waiting).await.expect("the reminders come")
}

fn soon(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

#[tokio::test]
async fn what_uses_credentials_that_expire_is_warned_blocked_or_stopped_as_its_owner_wants() {
    let mut daemon = Daemon::start().await;
    add_keyed(&daemon, "ok").await;
    let (mut sets, mut made) = (Vec::new(), Vec::new());
    for then in ["warn", "block_new", "stop"] {
        let set = credential(&daemon, then, then).await;
        made.push(create(&daemon, &set).await.json());
        sets.push(set);
    }
    let [warn, block, stop] = [&sets[0], &sets[1], &sets[2]];
    let expire = async |set: &str, at: DateTime<Utc>| {
        let body = json!({"fields": {"api_key": "first"}, "expires_at": at});
        let replaced = daemon.send("PUT", &format!("/v1/credentials/{set}?wait=true"), Some(body)).await;
        assert_eq!(replaced.status, 200, "{replaced:?}");
    };
    let far = credential(&daemon, "far", "warn").await;
    expire(&far, soon(40 * 86_400)).await;
    for set in &sets {
        expire(set, soon(3)).await;
    }

    let told = until_reminded(&daemon, 6).await;
    let of = |set: &str| -> Vec<i64> {
        let own = told.iter().filter(|event| event["credential_id"] == *set);
        own.map(|event| event["threshold_days"].as_i64().unwrap()).collect()
    };
    for set in &sets {
        assert_eq!(of(set), [1, 0], "the nearest, then the expiry");
    }
    assert_eq!(of(&far), [] as [i64; 0]);

    let ended_by_expiry = daemon.status(&id(&made[2]), "stopped").await;
    let reason = ended_by_expiry["status_reason"].as_str().unwrap();
    assert!(reason.contains("credentials have expired"), "{reason}");
    let mut left = Vec::new();
    for instance in &made[..2] {
        left.push(pid(&daemon.status(&id(instance), "running").await));
    }
    left.sort_unstable();
    let servers = || {
        let mut servers = daemon.servers();
        servers.sort_unstable();
        servers
    };
    eventually("only the other two are left", || servers() == left).await;
    assert_eq!(create(&daemon, warn).await.status, 201, "its owner is only warned");
    for set in [block, stop] {
        let refused = create(&daemon, set).await;
        assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("credential_expired")));
    }
    for what in ["restart", "restore"] {
        let refused = daemon.send("POST", &format!("/v1/instances/{}/{what}", id(&made[2])), None).await;
        assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("credential_expired")), "{what}");
    }

    // A daemon that comes later says nothing twice, and keeps stopped what it had stopped.
    daemon.kill();
    daemon.serve().await;
    assert_eq!(until_reminded(&daemon, 6).await, told);
    assert_eq!(daemon.status(&id(&made[2]), "stopped").await["process_id"], Value::Null);
    // New fields without an expiry lift the ban.
    let fields = json!({"fields": {"api_key": "second"}});
    let renewed = daemon.send("PUT", &format!("/v1/credentials/{stop}"), Some(fields)).await.json();
    assert_eq!((&renewed["expires_at"], &renewed["on_expiry"]), (&Value::Null, &json!("stop")));
    let again = daemon.send("POST", &format!("/v1/instances/{}/restart", id(&made[2])), None).await;
    assert_eq!(again.status, 200, "{again:?}");
    daemon.status(&id(&made[2]), "running").await;
}

#[tokio::test]
async fn the_command_line_sets_what_happens_and_shows_the_days_that_are_left() {
    let daemon = Daemon::start().await;
    add_keyed(&daemon, "ok").await;
    let at = soon(5 * 86_400).to_rfc3339();
    let add = ["credentials", "add", "keyed", "--field", "api_key=first", "--expires-at", &at, "--on-expiry"];
    daemon.cli(&[&add[..], &["never"]].concat()).await.refused(2, &["block_new", "stop", "warn"]);
    daemon.cli(&[&add[..], &["stop"]].concat()).await.done();
    let list = daemon.cli(&["credentials"]).await.done();
    assert!(list.contains("5d") || list.contains("4d23h"), "{list}");
    let told = until_reminded(&daemon, 1).await;
    assert_eq!((&told[0]["threshold_days"], &told[0]["name"]), (&json!(7), &json!("default")));
    let said = daemon.cli(&["events"]).await.done();
    assert!(said.contains("the credentials default for keyed expire at"), "{said}");

    let made = daemon.cli(&["create", "keyed", "--credential", "default", "--wait", "--json"]).await.json();
    let update = ["credentials", "update", "default", "--field", "api_key=second", "--wait"];
    let said = daemon.cli(&update).await.done();
    assert!(said.contains("1 of 1 running replaced"), "{said}");
    let now = daemon.status(&id(&made), "running").await;
    assert_eq!(now["generation"], 2);
    let shown = daemon.cli(&["credentials", "--json"]).await.json();
    assert_eq!(shown["items"][0]["on_expiry"], "stop", "unchanged unless given");
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_of_a_replacement_is_followed_by_one_that_finishes_it() {
    let mut daemon = Daemon::start().await;
    add_keyed(&daemon, "ok").await;
    let set = credential(&daemon, "mine", "warn").await;
    let made = create(&daemon, &set).await.json();
    let hold = daemon.dir.path().join("hold");
    assert!(std::process::Command::new("mkfifo").arg(&hold).status().unwrap().success());
    let fields = json!({"fields": {"api_key": "second"}});
    let replacing = daemon.send("PUT", &format!("/v1/credentials/{set}"), Some(fields)).await.json();
    assert_eq!(replacing["replacing"], 1);
    let successor = Cell::new(None);
    eventually("the successor was started", || {
        successor.set(daemon.servers().into_iter().find(|server| *server != pid(&made)));
        successor.get().is_some()
    })
    .await;
    let successor = successor.get().unwrap();
    daemon.kill();
    assert!(is_alive(pid(&made)) && is_alive(successor), "both live on");

    daemon.serve().await;
    ended(successor).await;
    let kept = daemon.status(&id(&made), "running").await;
    assert_eq!(
        (&kept["process_id"], &kept["generation"]),
        (&made["process_id"], &json!(1)),
        "the one that served goes on"
    );
    eventually("another successor was started", || daemon.servers().len() == 2).await;
    let release = tokio::task::spawn_blocking(move || std::fs::write(hold, "go on\n"));
    let finished = daemon.until(&id(&made), |now| now["process_id"] != made["process_id"]).await;
    release.await.unwrap().unwrap();
    assert_eq!((&finished["status"], &finished["generation"]), (&json!("running"), &json!(3)));
    ended(pid(&made)).await;
    assert_eq!(daemon.servers(), [pid(&finished)]);
    let records = || daemon.records().into_iter().filter(|path| path.extension().is_some());
    eventually("one run is recorded", || records().count() == 1).await;
}

#[tokio::test]
async fn a_daemon_that_dies_after_the_new_process_took_over_leaves_that_one_serving() {
    let mut daemon = Daemon::start().await;
    // The old process ignores SIGTERM, so it is still there when the daemon dies.
    add_keyed(&daemon, "stubborn").await;
    let set = credential(&daemon, "mine", "warn").await;
    let made = create(&daemon, &set).await.json();
    let fields = json!({"fields": {"api_key": "second"}});
    daemon.send("PUT", &format!("/v1/credentials/{set}?wait=true"), Some(fields)).await;
    let second = daemon.status(&id(&made), "running").await;
    assert_eq!(second["generation"], 2);
    daemon.until_told("replaced").await;
    daemon.kill();
    assert!(is_alive(pid(&made)));
    daemon.serve().await;
    ended(pid(&made)).await;
    let now = daemon.status(&id(&made), "running").await;
    assert_eq!((&now["process_id"], &now["generation"]), (&second["process_id"], &json!(2)));
    assert_eq!(daemon.servers(), [pid(&second)]);
}
