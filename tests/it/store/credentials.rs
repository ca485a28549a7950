//! Credential sets.

use chrono::TimeDelta;
use minimcp::store::{Conflict, CredentialFilter, NewInstance, Noun, Quota, Store, StoreError};

use super::scratch::{joe_and_github, mcp_type, new_credential, new_instance, now, page, sealed, user};

pub(crate) async fn a_credential_set_is_replaced_only_at_the_version_that_was_read(store: &Store) {
    let joe = joe_and_github(store).await;
    let created = new_credential(joe.id, "github", "main");
    let created = store.create_credential(created, Quota::default()).await.unwrap();
    assert_eq!(created.version, 1);

    let later = now() + TimeDelta::minutes(1);
    let new = sealed(joe.id, b"new");
    let replace = |expected| {
        store.replace_credential(created.id, expected, "other".into(), new.clone(), Some(later), later)
    };
    let replaced = replace(1).await.unwrap();
    assert_eq!(
        (replaced.version, replaced.sealed.as_slice(), replaced.name.as_str()),
        (2, new.sealed.as_slice(), "other")
    );
    assert_eq!((replaced.expires_at, replaced.updated_at), (Some(later), later));
    assert_eq!(replaced.created_at, created.created_at);
    let refused = replace(1).await.unwrap_err();
    let stale = Conflict::Version { expected: 1, found: 2 };
    assert!(matches!(refused, StoreError::Conflict { what } if what == stale), "{refused:?}");
    assert_eq!(store.credential(created.id, None).await.unwrap(), replaced);
}

pub(crate) async fn names_of_credential_sets_are_unique_for_a_user_and_type(store: &Store) {
    let joe = joe_and_github(store).await;
    mcp_type(store, "gmail").await;
    let ann = user(store, "ann").await;
    for (owner, mcp_type, name) in [
        (joe.id, "github", "main"),
        (joe.id, "gmail", "main"),
        (ann.id, "github", "main"),
        (joe.id, "github", "spare"),
    ] {
        store.create_credential(new_credential(owner, mcp_type, name), Quota::default()).await.unwrap();
    }
    let refused = store.create_credential(new_credential(joe.id, "github", "main"), Quota::default()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::CredentialName })), "{refused:?}");
    let unknown = store.create_credential(new_credential(joe.id, "slack", "main"), Quota::default()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(Noun::Type))), "{unknown:?}");

    let filter = CredentialFilter { user_id: Some(joe.id), mcp_type: Some("github".into()) };
    let found = store.credentials(&filter, &page(10)).await.unwrap();
    assert_eq!(found.items.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["spare", "main"]);
    assert_eq!(store.credentials(&CredentialFilter::default(), &page(10)).await.unwrap().items.len(), 4);
}

pub(crate) async fn a_credential_set_in_use_cannot_be_deleted(store: &Store) {
    let joe = joe_and_github(store).await;
    let credential = new_credential(joe.id, "github", "main");
    let credential = store.create_credential(credential, Quota::default()).await.unwrap();
    let new = NewInstance { credential_id: Some(credential.id), ..new_instance(joe.id) };
    let instance = store.create_instance(&new, Quota::default(), None).await.unwrap();
    assert_eq!(store.count_instances_with_credential(credential.id).await.unwrap(), 1);
    let refused = store.delete_credential(credential.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::CredentialInUse { instances: 1 } }));

    store.delete_instance(instance.id).await.unwrap();
    store.delete_credential(credential.id).await.unwrap();
    let gone = store.delete_credential(credential.id).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound(Noun::Credential)));
}

pub(crate) async fn credential_sets_of_others_are_not_found(store: &Store) {
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    let credential = new_credential(joe.id, "github", "main");
    let credential = store.create_credential(credential, Quota::default()).await.unwrap();
    assert_eq!(store.credential(credential.id, Some(joe.id)).await.unwrap(), credential);
    let hidden = store.credential(credential.id, Some(ann.id)).await.unwrap_err();
    assert!(matches!(hidden, StoreError::NotFound(Noun::Credential)));
}
