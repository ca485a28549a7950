//! Keys are replaced while everything goes on, and whatever moment the daemon dies at.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use minimcp::expiry::Expiry;
use minimcp::store::{CredentialFilter, Location, NewCredential, PageRequest, Quota, SealedFields, Store};
use minimcp::vault::{KeySource, MasterKey, Scope, Vault, unlock};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Daemon, id};

/// Rounds of a test run; a soak sets more.
const ROUNDS: &str = "MINIMCP_TEST_ROUNDS";
/// The seed that a failed run has named.
const SEED: &str = "MINIMCP_TEST_SEED";

/// A type whose servers need a secret.
const KEYED: &str = "name = \"keyed\"\ndisplay_name = \"Keyed\"\nserver_script = \"faulty/index.mjs\"\nargs = [\"ok\"]\n\
     [credential_fields]\nrequired = [\"api_key\"]\n\
     [health_check]\nkind = \"http\"\nendpoint = \"/health\"\ninterval_seconds = 1\n";

/// The store and vault of a daemon that does not run.
pub(super) async fn opened(data: &Path) -> (Store, Vault) {
    let location = Location::Sqlite(data.join("minimcp.db"));
    unlock(&location, &KeySource::file(data.join("master.key"))).await.unwrap()
}

/// Stores credential sets for the administrator, the content of each its name.
pub(super) async fn fill(data: &Path, count: usize) -> Vec<Uuid> {
    let (store, vault) = opened(data).await;
    let admin = store.user_by_name("admin").await.unwrap().unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        let (new, name) = (Uuid::now_v7(), format!("set {n:04}"));
        let content = json!({"api_key": name}).to_string();
        let sealed = vault.seal(&Scope::credential(admin.id, &new, "keyed", 1), content.as_bytes()).unwrap();
        let fields = SealedFields { sealed, hint: None, field_names: vec!["api_key".into()] };
        let credential = NewCredential {
            id: new,
            user_id: admin.id,
            mcp_type: "keyed".into(),
            name,
            fields,
            expiry: Expiry::default(),
            created_at: chrono::Utc::now(),
        };
        ids.push(store.create_credential(credential, Quota::default()).await.unwrap().id);
    }
    store.close().await.unwrap();
    ids
}

/// Every credential set, opened.
pub(super) async fn contents(data: &Path) -> BTreeMap<String, String> {
    let (store, vault) = opened(data).await;
    let (mut contents, mut cursor) = (BTreeMap::new(), None::<String>);
    loop {
        let page = PageRequest::new(Some(500), cursor.as_deref()).unwrap();
        let page = store.credentials(&CredentialFilter::default(), &page).await.unwrap();
        for row in page.items {
            let scope = Scope::credential(row.user_id, &row.id, &row.mcp_type, row.version);
            let opened =
                vault.open(&scope, &row.sealed).unwrap_or_else(|error| panic!("{}: {error}", row.name));
            contents.insert(row.name, String::from_utf8(opened.to_vec()).unwrap());
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(store.altered_rows().await.unwrap(), []);
    store.close().await.unwrap();
    contents
}

/// What the API says of the keys once no rotation is under way.
async fn rotated(daemon: &Daemon) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        let keys = daemon.get("/v1/keys").await.json();
        if keys["rotation"].is_null() {
            return keys;
        }
        ticks.tick().await;
    }
}

fn file_id(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("master.key")).unwrap();
    MasterKey::parse(&text).unwrap().id().to_string()
}

#[tokio::test]
async fn a_rotation_that_is_killed_at_any_moment_loses_nothing_and_ends_after_the_next_start() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let rounds = number(ROUNDS).unwrap_or(10);
    let seed = number(SEED).unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut daemon = Daemon::with(&[], &[]).await;
    daemon.add_type(KEYED).await;
    daemon.kill();
    fill(&daemon.data(), 300).await;
    let expected = contents(&daemon.data()).await;
    assert_eq!(expected.len(), 300);

    for round in 1..=rounds {
        let when = format!("round {round} of seed {seed}");
        daemon.serve().await;
        let before = daemon.get("/v1/keys").await.json();
        let caller = daemon.caller();
        // The rotation is about to begin, under way or done when the daemon is killed.
        let moment = Duration::from_millis(random.u64(0..400));
        let asked = async {
            let answer = caller.send("POST", "/v1/keys/rotate", None).await;
            assert!(answer.is_ok_and(|answer| answer.status == 202), "{when}");
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(moment, asked).await;
        daemon.kill();
        assert!(contents(&daemon.data()).await == expected, "{when}");

        daemon.serve().await;
        let keys = rotated(&daemon).await;
        assert_eq!(keys["records"], before["records"], "{when}");
        assert_eq!(keys["master_key_id"], file_id(&daemon.data()), "{when}");
        let of_users: Vec<&Value> =
            keys["items"].as_array().unwrap().iter().filter(|key| key["purpose"] == "user").collect();
        assert_eq!(of_users.len(), 1, "{when}: no old key is left: {keys:#}");
        assert_eq!(of_users[0]["records"], 300, "{when}");
        let left = std::fs::read_dir(daemon.data())
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left: Vec<String> = left.filter(|name| name.contains("previous")).collect();
        assert!(left.is_empty(), "{when}: {left:?}");
        daemon.kill();
        assert!(contents(&daemon.data()).await == expected, "{when}");
    }
}

#[tokio::test]
async fn reads_and_servers_go_on_while_the_keys_are_rotated() {
    let mut daemon = Daemon::with(&[], &[]).await;
    daemon.add_type(KEYED).await;
    daemon.kill();
    let ids = fill(&daemon.data(), 200).await;
    daemon.serve().await;
    let set = ids[0].to_string();
    let made = daemon
        .cli(&["create", "keyed", "--credential", &set, "--name", "one", "--wait", "--json"])
        .await
        .json();
    let old = file_id(&daemon.data());

    let caller = daemon.caller();
    let rotating = daemon.cli(&["keys", "rotate"]);
    let reading = async {
        let mut reads = 0;
        while reads < 50 {
            for path in [format!("/v1/credentials/{set}"), "/v1/instances".into()] {
                let answer = caller.send("GET", &path, None).await.unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            reads += 1;
        }
    };
    let (said, ()) = tokio::join!(rotating, reading);
    let new = file_id(&daemon.data());
    assert_ne!(old, new);
    assert!(said.err.contains(&old) && said.err.contains("minimcp backup"), "{said:?}");
    assert!(said.done().contains(&new));

    // What the instance holds in memory is from before the rotation and still opens.
    daemon.cli(&["restart", "one", "--wait"]).await.done();
    assert_eq!(daemon.status(&id(&made), "running").await["status"], "running");
    let listed = daemon.cli(&["keys"]).await.done();
    assert!(listed.contains(&new) && !listed.contains("replaced"), "{listed}");
}

#[tokio::test]
async fn a_master_key_from_outside_is_replaced_by_way_of_the_keys_before() {
    let (first, second) = ("1a".repeat(32), "2b".repeat(32));
    let key_id = |text: &str| MasterKey::parse(text).unwrap().id().to_string();
    let mut daemon = Daemon::with(&[], &[("MINIMCP_MASTER_KEY", &first)]).await;
    let token = daemon.caller().token;
    assert!(!daemon.data().join("master.key").exists());
    assert!(daemon.terminate().await.success());

    daemon.environment("MINIMCP_MASTER_KEY", Some(&second));
    daemon.environment("MINIMCP_MASTER_KEYS_PREVIOUS", Some(&format!("{first};{}", "3c".repeat(32))));
    daemon.serve().await;
    let keys = daemon.get("/v1/keys").await.json();
    assert_eq!(keys["master_key_id"], key_id(&first), "until it is asked for, nothing moves");
    assert_eq!(keys["next_master_key_id"], key_id(&second));
    daemon.cli(&["keys", "rotate"]).await.done();
    let keys = rotated(&daemon).await;
    assert_eq!(
        (&keys["master_key_id"], &keys["next_master_key_id"]),
        (&json!(key_id(&second)), &Value::Null)
    );
    assert!(keys["items"].as_array().unwrap().iter().all(|key| key["master_key_id"] == key_id(&second)));
    assert!(daemon.terminate().await.success());

    // The old key opens nothing any more, the new one everything, tokens included.
    daemon.environment("MINIMCP_MASTER_KEYS_PREVIOUS", None);
    daemon.environment("MINIMCP_MASTER_KEY", Some(&first));
    let output = tokio::process::Command::from(daemon.serve_command()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    daemon.environment("MINIMCP_MASTER_KEY", Some(&second));
    daemon.serve().await;
    assert_eq!(daemon.caller().token, token);
    assert_eq!(daemon.get("/v1/me").await.status, 200);
}
