//! How many of each a user may have.

use minimcp::store::{Desired, Limit, Quota, Store, StoreError, Usage, UserChange};
use minimcp_actors::state::{Run, Status};

use super::journal::entry;
use super::scratch::{joe_and_github, new_credential, new_instance};

pub(crate) async fn instances_beyond_the_limit_are_refused(store: &Store) {
    let joe = joe_and_github(store).await;
    let quota = Quota { max_instances: Some(2), ..Quota::default() };
    let first = store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();
    store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();
    let refused = store.create_instance(&new_instance(joe.id), quota, None).await.unwrap_err();
    let limit = StoreError::LimitReached { what: Limit::Instances, limit: 2 };
    assert_eq!(refused.to_string(), limit.to_string());

    // What is stopped still counts, what is being deleted no longer does.
    store.set_desired(first.id, Desired::Stopped, quota).await.unwrap();
    assert!(store.create_instance(&new_instance(joe.id), quota, None).await.is_err());
    store.set_desired(first.id, Desired::Deleted, quota).await.unwrap();
    store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();

    let own = UserChange { max_instances: Some(Some(3)), ..UserChange::default() };
    store.update_user(joe.id, own).await.unwrap();
    store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();
    assert!(store.create_instance(&new_instance(joe.id), quota, None).await.is_err());
}

pub(crate) async fn running_instances_beyond_the_limit_are_refused(store: &Store) {
    let joe = joe_and_github(store).await;
    let quota = Quota { max_running: Some(1), ..Quota::default() };
    let first = store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();
    let refused = store.create_instance(&new_instance(joe.id), quota, None).await.unwrap_err();
    assert!(matches!(refused, StoreError::LimitReached { what: Limit::Running, limit: 1 }), "{refused:?}");
    store.set_desired(first.id, Desired::Running, quota).await.expect("it is the one that runs");

    // One that lost its process spends none, until it is wanted back.
    store.apply(&[entry(&first, 1, Status::Disconnected, Run(1))]).await.unwrap();
    let second = store.create_instance(&new_instance(joe.id), quota, None).await.unwrap();
    let refused = store.set_desired(first.id, Desired::Running, quota).await.unwrap_err();
    assert!(matches!(refused, StoreError::LimitReached { what: Limit::Running, limit: 1 }), "{refused:?}");
    store.set_desired(second.id, Desired::Stopped, quota).await.unwrap();
    store.set_desired(first.id, Desired::Running, quota).await.unwrap();
}

pub(crate) async fn limits_hold_against_many_at_once(store: &Store) {
    let joe = joe_and_github(store).await;
    let quota = Quota { max_instances: Some(3), ..Quota::default() };
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let (store, new) = (store.clone(), new_instance(joe.id));
            tokio::spawn(async move { store.create_instance(&new, quota, None).await })
        })
        .collect();
    let mut created = 0;
    for result in tries {
        match result.await.unwrap() {
            Ok(_) => created += 1,
            Err(StoreError::LimitReached { what: Limit::Instances, limit: 3 }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(created, 3);
}

pub(crate) async fn credential_sets_beyond_the_limit_are_refused(store: &Store) {
    let joe = joe_and_github(store).await;
    let quota = Quota { max_credentials: Some(1), ..Quota::default() };
    store.create_credential(new_credential(joe.id, "github", "one"), quota).await.unwrap();
    let refused = store.create_credential(new_credential(joe.id, "github", "two"), quota).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::LimitReached { what: Limit::Credentials, limit: 1 }),
        "{refused:?}"
    );
}

pub(crate) async fn usage_counts_what_the_limits_count(store: &Store) {
    let joe = joe_and_github(store).await;
    assert_eq!(store.usage(joe.id).await.unwrap(), Usage::default());
    store.create_credential(new_credential(joe.id, "github", "one"), Quota::default()).await.unwrap();
    let mut rows = Vec::new();
    for _ in 0..3 {
        rows.push(store.create_instance(&new_instance(joe.id), Quota::default(), None).await.unwrap());
    }
    store.apply(&[entry(&rows[0], 1, Status::Hibernated, Run(1))]).await.unwrap();
    store.set_desired(rows[1].id, Desired::Deleted, Quota::default()).await.unwrap();
    assert_eq!(store.usage(joe.id).await.unwrap(), Usage { instances: 2, running: 1, credentials: 1 });
}
