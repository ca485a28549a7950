//! A row that somebody else changed gives nobody a right, and harms no other.

use minimcp::store::{Location, NewInstance, NewToken, Noun, Quota, StoreError};
use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

use super::scratch::{Scratch, joe_and_github, new_credential, new_instance, now, page, user};

/// Changes the database as somebody would who has the file, or the server.
async fn forge(scratch: &Scratch, statement: &str) {
    let url = match &scratch.place.location {
        Location::Sqlite(path) => format!("sqlite:{}", path.display()),
        Location::Postgres(url) => url.clone(),
    };
    let database = Database::connect(url).await.unwrap();
    let done = database.execute_unprepared(statement).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
    database.close().await.unwrap();
}

fn token(user_id: Uuid, n: u8) -> NewToken {
    NewToken {
        id: Uuid::now_v7(),
        user_id,
        name: n.to_string(),
        token_hash: [n; 32],
        hint: "wxyz".into(),
        created_at: now(),
        expires_at: None,
    }
}

fn is_altered<T>(result: Result<T, StoreError>, noun: Noun) -> bool {
    matches!(result, Err(StoreError::Altered { what, .. }) if what == noun)
}

#[tokio::test]
async fn forged_rows_are_refused_on_sqlite() {
    let scratch = Scratch::sqlite().await;
    forged_rows_are_refused(&scratch).await;
    scratch.abandon().await;
}

#[tokio::test]
async fn forged_rows_are_refused_on_postgres() {
    let scratch = Scratch::postgres().await;
    forged_rows_are_refused(&scratch).await;
    scratch.abandon().await;
}

async fn forged_rows_are_refused(scratch: &Scratch) {
    let store = &scratch.store;
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    for (n, owner) in [(1, joe.id), (2, ann.id), (3, ann.id), (4, ann.id)] {
        store.create_token(token(owner, n)).await.unwrap();
    }
    let revoked = store.authenticate(&[3; 32], now()).await.unwrap().unwrap().0;
    store.revoke_token(revoked.id, now()).await.unwrap();
    let sets = [
        store.create_credential(new_credential(joe.id, "github", "one"), Quota::default()).await.unwrap(),
        store.create_credential(new_credential(ann.id, "github", "two"), Quota::default()).await.unwrap(),
    ];
    let mut instances = Vec::new();
    for owner in [joe.id, ann.id] {
        instances.push(store.create_instance(&new_instance(owner), Quota::default(), None).await.unwrap());
    }
    assert_eq!(store.altered_rows().await.unwrap(), []);

    // A user becomes an administrator: no token of theirs works, and those of others do.
    forge(scratch, "UPDATE users SET role = 'admin' WHERE name = 'joe'").await;
    assert!(is_altered(store.authenticate(&[1; 32], now()).await, Noun::User));
    assert!(store.authenticate(&[2; 32], now()).await.unwrap().is_some());
    assert!(is_altered(store.user(joe.id).await, Noun::User));
    let change = minimcp::store::UserChange { max_running: Some(Some(1)), ..Default::default() };
    assert!(is_altered(store.update_user(joe.id, change).await, Noun::User), "a change proves no forgery");

    // A revoked token is let in again, or one is handed to somebody else.
    forge(scratch, "UPDATE api_tokens SET revoked_at = NULL WHERE name = '3'").await;
    assert!(is_altered(store.authenticate(&[3; 32], now()).await, Noun::Token));
    forge(
        scratch,
        "UPDATE api_tokens SET user_id = (SELECT id FROM users WHERE name = 'joe') WHERE name = '4'",
    )
    .await;
    assert!(is_altered(store.authenticate(&[4; 32], now()).await, Noun::Token));

    // The credential set and the instance of one become those of the other.
    forge(scratch, "UPDATE mcp_credentials SET user_id = (SELECT id FROM users WHERE name = 'ann')").await;
    assert!(is_altered(store.credential(sets[0].id, Some(ann.id)).await, Noun::Credential));
    assert!(store.credential(sets[1].id, Some(ann.id)).await.is_ok());
    let with = |owner, set| NewInstance { credential_id: Some(set), ..new_instance(owner) };
    let stolen = store.create_instance(&with(ann.id, sets[0].id), Quota::default(), None).await;
    assert!(is_altered(stolen, Noun::Credential));
    forge(scratch, "UPDATE mcp_instances SET user_id = (SELECT id FROM users WHERE name = 'ann')").await;
    assert!(is_altered(store.instance(instances[0].id, Some(ann.id)).await, Noun::Instance));
    assert!(store.instance(instances[1].id, Some(ann.id)).await.is_ok());
    assert!(is_altered(store.replace_token(instances[0].id, [9; 32], None).await, Noun::Instance));

    // All of them are found, the others are not, and each can still be deleted.
    let mut altered = store.altered_rows().await.unwrap();
    altered.sort_by_key(|(noun, id)| (noun.to_string(), *id));
    assert_eq!(altered.len(), 5, "{altered:?}");
    assert_eq!(store.credentials(&Default::default(), &page(10)).await.unwrap().items.len(), 2);
    store.delete_credential(sets[0].id).await.unwrap();
    store.delete_instance(instances[0].id).await.unwrap();
    store.delete_user(joe.id).await.unwrap();
    assert_eq!(store.altered_rows().await.unwrap().len(), 1);
}
