//! What is deleted from SQLite is gone from its files.

use std::fs;

use minimcp::store::{NewCredential, Quota};

use super::scratch::{Scratch, joe_and_github, new_credential, sealed};

#[tokio::test]
async fn a_deleted_credential_set_leaves_no_byte_behind() {
    let scratch = Scratch::sqlite().await;
    let store = &scratch.store;
    let joe = joe_and_github(store).await;
    let canary: Vec<u8> = (0..64).map(|n| n ^ 0xA5).collect();
    for name in ["one", "two"] {
        let new = NewCredential { fields: sealed(&canary), ..new_credential(joe.id, "github", name) };
        let credential = store.create_credential(new, Quota::default()).await.unwrap();
        assert!(holds(&scratch, &canary), "it is there to be found");
        match name {
            "one" => store.delete_credential(credential.id).await.unwrap(),
            _ => store.delete_user(joe.id).await.unwrap(),
        }
        assert!(!holds(&scratch, &canary), "{name}");
    }
    scratch.remove().await;
}

fn holds(scratch: &Scratch, bytes: &[u8]) -> bool {
    let files = fs::read_dir(scratch.place.directory.path()).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}
