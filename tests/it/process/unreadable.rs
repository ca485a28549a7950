//! One record that cannot be read, or was forged, harms no other.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use super::rotation::fill;
use super::{Daemon, id};

/// Changes the database as somebody would who has the file.
async fn forge(data: &Path, statement: &str) {
    let database = Database::connect(format!("sqlite:{}", data.join("minimcp.db").display())).await.unwrap();
    let done = database.execute_unprepared(statement).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{statement}");
    database.close().await.unwrap();
}

async fn sets(daemon: &Daemon) -> Vec<Value> {
    let (mut sets, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/v1/credentials?limit=500{cursor}")).await.json();
        sets.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return sets,
        }
    }
}

#[tokio::test]
async fn of_a_thousand_credential_sets_one_with_a_flipped_bit_is_unreadable_and_the_others_work() {
    let mut daemon = Daemon::with(&["quota.max-credentials=2000"], &[]).await;
    daemon
        .add_type(
            "name = \"keyed\"\ndisplay_name = \"Keyed\"\nserver_script = \"faulty/index.mjs\"\nargs = [\"ok\"]\n\
             [credential_fields]\nrequired = [\"api_key\"]\n\
             [health_check]\nkind = \"http\"\nendpoint = \"/health\"\ninterval_seconds = 1\n",
        )
        .await;
    daemon.kill();
    let ids = fill(&daemon.data(), 1_000).await;
    daemon.serve().await;
    let (bad, good) = (ids[500].to_string(), ids[501].to_string());
    let create = |set: &str| json!({"mcp_type": "keyed", "credential_id": set, "expiration_minutes": 60});
    let mut made = Vec::new();
    for set in [&bad, &good] {
        let answer = daemon.send("POST", "/v1/instances?wait=running", Some(create(set))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        made.push(id(&answer.json()));
    }
    assert!(daemon.terminate().await.success());
    let hex = bad.replace('-', "");
    // The last bit of the last byte, which belongs to the tag.
    let flip = format!(
        "UPDATE mcp_credentials SET sealed = substr(sealed, 1, length(sealed) - 1) || \
         CASE WHEN substr(sealed, -1) = x'00' THEN x'01' ELSE x'00' END WHERE id = x'{hex}'"
    );
    forge(&daemon.data(), &flip).await;

    daemon.serve().await;
    let sets = sets(&daemon).await;
    assert_eq!(sets.len(), 1_000);
    let unreadable: Vec<&Value> = sets.iter().filter(|set| !set["unreadable"].is_null()).collect();
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    assert_eq!(unreadable[0]["id"], bad.as_str());
    daemon.status(&made[1], "running").await;
    let failed =
        daemon.until(&made[0], |now| now["status"] == "failed" || now["status"] == "disconnected").await;
    assert!(failed.to_string().contains("credentials cannot be opened"), "{failed:#}");
    let refused = daemon.send("POST", "/v1/instances", Some(create(&bad))).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("row_altered")));
    let path = format!("/v1/credentials/{bad}");
    let refused = daemon.send("PUT", &path, Some(json!({"fields": {"api_key": "x"}}))).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(daemon.get(&path).await.status, 200, "it is still there");
    assert_eq!(daemon.send("DELETE", &format!("/v1/instances/{}", made[0]), None).await.status, 204);
    assert_eq!(daemon.send("DELETE", &path, None).await.status, 204, "its owner may delete it");
}

#[tokio::test]
async fn who_makes_themselves_an_administrator_in_the_file_is_let_in_as_nobody() {
    let mut daemon = Daemon::start().await;
    assert_eq!(daemon.get("/v1/me").await.status, 200);
    forge(&daemon.data(), "UPDATE users SET role = 'operator' WHERE name = 'admin'").await;
    let refused = daemon.get("/v1/me").await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("row_altered")), "{refused:?}");
    daemon.logged("was changed by something else").await;
    forge(&daemon.data(), "UPDATE users SET role = 'admin' WHERE name = 'admin'").await;
    assert_eq!(daemon.get("/v1/me").await.status, 200, "as it was written, it is trusted again");

    daemon.faulty("plain", &["ok"]).await;
    let (kept, forged) = (daemon.running("plain", "kept").await, daemon.running("plain", "forged").await);
    assert!(daemon.terminate().await.success());
    forge(&daemon.data(), "UPDATE mcp_instances SET previous_token_hash = token_hash WHERE name = 'forged'")
        .await;
    daemon.serve().await;
    daemon.status(&id(&kept), "running").await;
    let refused = daemon.get(&format!("/v1/instances/{}", id(&forged))).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("row_altered")));
    assert_eq!(daemon.servers().len(), 1, "it was not started");
    let path = format!("/v1/instances/{}", id(&forged));
    assert_eq!(daemon.send("DELETE", &path, None).await.status, 204);
}
