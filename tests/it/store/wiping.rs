//! What is deleted from SQLite, or replaced, is gone from its files.

use std::fs;

use minimcp::expiry::Expiry;
use minimcp::store::{NewCredential, Quota};

use super::scratch::{Scratch, joe_and_github, new_credential, now, sealed};

#[tokio::test]
async fn a_deleted_or_replaced_credential_set_leaves_no_byte_behind() {
    let scratch = Scratch::sqlite().await;
    let store = &scratch.store;
    let joe = joe_and_github(store).await;
    // Longer than a page, so that it reaches into pages of its own.
    let content = vec![0xA5; 10_000];
    for name in ["deleted", "replaced", "of a deleted user"] {
        let fields = sealed(joe.id, &content);
        let canaries: Vec<Vec<u8>> =
            fields.sealed[18..].chunks_exact(64).step_by(16).map(<[u8]>::to_vec).collect();
        let new = NewCredential { fields, ..new_credential(joe.id, "github", name) };
        let credential = store.create_credential(new, Quota::default()).await.unwrap();
        assert!(canaries.iter().all(|canary| holds(&scratch, canary)), "it is there to be found");
        match name {
            "deleted" => store.delete_credential(credential.id).await.unwrap(),
            "replaced" => {
                let fields = sealed(joe.id, b"short");
                store
                    .replace_credential(credential.id, 1, name.into(), fields, Expiry::default(), now())
                    .await
                    .map(drop)
                    .unwrap();
            }
            _ => {
                let key = credential.key_id.clone();
                let wrapped = store.keys(&super::scratch::page(500)).await.unwrap();
                let wrapped = wrapped.items.into_iter().find(|row| row.id == key).unwrap().wrapped;
                assert!(holds(&scratch, &wrapped));
                store.delete_user(joe.id).await.unwrap();
                assert!(!holds(&scratch, &wrapped), "the user's key");
            }
        }
        assert!(!canaries.iter().any(|canary| holds(&scratch, canary)), "{name}");
    }
    scratch.remove().await;
}

fn holds(scratch: &Scratch, bytes: &[u8]) -> bool {
    let files = fs::read_dir(scratch.place.directory.path()).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}
