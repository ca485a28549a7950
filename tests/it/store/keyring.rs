//! The keyring, and what a rotation makes of it.

use minimcp::store::{Conflict, NewCredential, Quota, SealedFields, Store, StoreError};
use minimcp::vault::{KeyRotation, KeySource, Scope, key_of};
use minimcp_entities::{keyring, mcp_credential};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::scratch::{joe_and_github, new_credential, now, page, user, vault};

async fn keys(store: &Store, user_id: Uuid) -> Vec<keyring::Model> {
    let keys = store.keys(&page(500)).await.unwrap().items;
    keys.into_iter().filter(|key| key.user_id == Some(user_id)).collect()
}

/// A credential set that can be opened.
async fn credential(store: &Store, user_id: Uuid, name: &str) -> mcp_credential::Model {
    let new = new_credential(user_id, "github", name);
    let scope = Scope::credential(user_id, &new.id, "github", 1);
    let sealed = vault().seal(&scope, name.as_bytes()).unwrap();
    let new = NewCredential { fields: SealedFields { sealed, ..new.fields.clone() }, ..new };
    store.create_credential(new, Quota::default()).await.unwrap()
}

fn content(row: &mcp_credential::Model) -> Option<Vec<u8>> {
    let scope = Scope::credential(row.user_id, &row.id, &row.mcp_type, row.version);
    vault().open(&scope, &row.sealed).ok().map(|content| content.to_vec())
}

/// Rotates as the daemon does, from begin to end.
async fn rotate(store: &Store) {
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let source = KeySource::variable("11".repeat(32));
    let rotation = KeyRotation::new(store.clone(), vault(), source, log);
    rotation.begin().await.unwrap();
    rotation.go_on(&CancellationToken::new()).await.unwrap();
}

pub(crate) async fn a_user_has_a_key_from_the_start_and_none_at_the_end(store: &Store) {
    let joe = user(store, "joe").await;
    let key = keys(store, joe.id).await;
    assert_eq!(key.len(), 1);
    assert_eq!((key[0].active, key[0].purpose.as_str(), key[0].seals), (true, "user", 0));
    assert_eq!(key[0].kek_id, vault().key_id().to_string());
    assert!(vault().seal(&Scope::answer(joe.id, "k"), b"x").is_ok());
    store.delete_user(joe.id).await.unwrap();
    assert!(keys(store, joe.id).await.is_empty());
    assert!(vault().seal(&Scope::answer(joe.id, "k"), b"x").is_err());
}

pub(crate) async fn a_rotation_moves_every_record_to_new_keys_and_nothing_else_of_them(store: &Store) {
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    let mut before = Vec::new();
    for n in 0..60 {
        before.push(credential(store, joe.id, &format!("joe {n}")).await);
    }
    before.push(credential(store, ann.id, "ann").await);
    let old = [keys(store, joe.id).await, keys(store, ann.id).await].concat();
    assert_eq!(old.iter().map(|key| key.seals).sum::<i64>(), 61, "every stored seal is counted");
    assert_eq!(store.records_under(&[old[0].id.clone()]).await.unwrap()[&old[0].id], 60);

    rotate(store).await;
    for row in before {
        let after = store.credential(row.id, None).await.unwrap();
        assert!(!old.iter().any(|key| key.id == after.key_id), "a new key");
        assert_eq!(key_of(&after.sealed), Some(after.key_id.clone()));
        assert_eq!(content(&after), Some(row.name.clone().into_bytes()));
        let same = mcp_credential::Model {
            sealed: row.sealed.clone(),
            key_id: row.key_id.clone(),
            mac: row.mac.clone(),
            ..after
        };
        assert_eq!(same, row);
    }
    for user in [joe.id, ann.id] {
        let new = keys(store, user).await;
        assert_eq!(new.len(), 1, "what nothing needs is gone: {new:?}");
        assert!(new[0].active);
    }
    assert_eq!(store.rotation().await.unwrap(), None);
}

pub(crate) async fn what_is_sealed_under_a_key_that_is_gone_is_not_stored(store: &Store) {
    let joe = joe_and_github(store).await;
    // Sealed before a rotation, and stored only after it.
    let late = new_credential(joe.id, "github", "late");
    rotate(store).await;
    let refused = store.create_credential(late, Quota::default()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::KeyReplaced })), "{refused:?}");
}

pub(crate) async fn a_record_that_cannot_be_opened_keeps_its_key_and_holds_nobody_up(store: &Store) {
    let joe = joe_and_github(store).await;
    let good = credential(store, joe.id, "good").await;
    // Sealed for another place than the one it is stored at.
    let bad = new_credential(joe.id, "github", "bad");
    let bad = store.create_credential(bad, Quota::default()).await.unwrap();
    rotate(store).await;
    let after = store.credential(bad.id, None).await.unwrap();
    assert_eq!(after, bad);
    assert_eq!(content(&store.credential(good.id, None).await.unwrap()), Some(b"good".to_vec()));
    let keys = keys(store, joe.id).await;
    assert_eq!(keys.iter().filter(|key| !key.active).map(|key| &key.id).collect::<Vec<_>>(), [&bad.key_id]);
    assert_eq!(store.rotation().await.unwrap(), None, "it is done as far as it can be");
    assert!(store.sealed_records(Some(now())).await.unwrap().all >= 2);
}
