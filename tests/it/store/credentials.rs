//! Credential sets.

use chrono::TimeDelta;
use minimcp::expiry::{Expiry, OnExpiry};
use minimcp::store::{
    Conflict, CredentialFilter, Expiring, NewCredential, NewInstance, NewReminder, Noun, Quota, Store,
    StoreError,
};

use super::scratch::{joe_and_github, mcp_type, new_credential, new_instance, now, page, sealed, user};

pub(crate) async fn a_credential_set_is_replaced_only_at_the_version_that_was_read(store: &Store) {
    let joe = joe_and_github(store).await;
    let created = new_credential(joe.id, "github", "main");
    let created = store.create_credential(created, Quota::default()).await.unwrap();
    assert_eq!(created.version, 1);

    let later = now() + TimeDelta::minutes(1);
    let replace = |expected| {
        let expiry = Expiry { at: Some(later), then: OnExpiry::Stop };
        store.replace_credential(created.id, expected, "other".into(), sealed(b"new"), expiry, later)
    };
    let replaced = replace(1).await.unwrap();
    assert_eq!(
        (replaced.version, replaced.sealed.as_slice(), replaced.name.as_str()),
        (2, &b"new"[..], "other")
    );
    assert_eq!((replaced.expires_at, replaced.updated_at), (Some(later), later));
    assert_eq!((created.on_expiry.as_str(), replaced.on_expiry.as_str()), ("warn", "stop"));
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

pub(crate) async fn sets_that_expire_are_read_in_order_until_their_expiry_was_told(store: &Store) {
    let joe = joe_and_github(store).await;
    let now = now();
    let mut made = Vec::new();
    for (name, days) in [("never", None), ("far", Some(31)), ("soon", Some(5)), ("over", Some(-2))] {
        let at = days.map(|days| now + TimeDelta::days(days));
        let expiry = Expiry { at, then: OnExpiry::Warn };
        let new = NewCredential { expiry, ..new_credential(joe.id, "github", name) };
        made.push(store.create_credential(new, Quota::default()).await.unwrap());
    }
    let names =
        |sets: &[Expiring]| -> Vec<String> { sets.iter().map(|set| set.credential.name.clone()).collect() };
    let sets = store.expiring(now, None).await.unwrap();
    assert_eq!(names(&sets), ["over", "soon"]);
    let behind = store.expiring(now, Some((sets[0].expires_at, sets[0].credential.id))).await.unwrap();
    assert_eq!(names(&behind), ["soon"]);
    assert_eq!(store.next_expiry_beyond_reminders(now).await.unwrap(), Some(now + TimeDelta::days(1)));

    let reminder = |set: &Expiring, threshold_days| NewReminder {
        credential_id: set.credential.id,
        user_id: joe.id,
        expires_at: set.expires_at,
        threshold_days,
        at: now,
    };
    let (over, soon) = (reminder(&sets[0], 0), reminder(&sets[1], 7));
    assert_eq!(store.newest_reminder().await.unwrap(), 0);
    assert!(store.remember_reminder(over).await.unwrap());
    assert!(!store.remember_reminder(over).await.unwrap(), "not twice");
    assert!(store.remember_reminder(soon).await.unwrap());
    let left = store.expiring(now, None).await.unwrap();
    assert_eq!(names(&left), ["soon"], "the expiry of the other was told");
    assert_eq!(left[0].sent, [7]);

    let told = store.reminders_after(0, Some(joe.id), 10).await.unwrap();
    assert_eq!(told.iter().map(|one| one.given.threshold_days).collect::<Vec<_>>(), [0, 7]);
    assert_eq!(told[0].credential.name, "over");
    let newest = store.newest_reminder().await.unwrap();
    assert_eq!(newest, told[1].given.id);
    assert!(store.reminders_after(newest, None, 10).await.unwrap().is_empty());
    let ann = user(store, "ann").await;
    assert!(store.reminders_after(0, Some(ann.id), 10).await.unwrap().is_empty());

    // Renewed, a set is reminded of anew; deleted, it takes its reminders along.
    let later = Expiry { at: Some(now + TimeDelta::days(6)), then: OnExpiry::Warn };
    let over = &made[3];
    store.replace_credential(over.id, 1, "over".into(), sealed(b"new"), later, now).await.unwrap();
    let renewed = store.expiring(now, None).await.unwrap();
    assert_eq!(names(&renewed), ["soon", "over"]);
    assert!(renewed[1].sent.is_empty());
    store.delete_credential(over.id).await.unwrap();
    assert_eq!(store.reminders_after(0, None, 10).await.unwrap().len(), 1);
}
