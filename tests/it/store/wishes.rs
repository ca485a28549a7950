//! What owners want of their instances.

use chrono::TimeDelta;
use minimcp::store::{Conflict, Desired, Noun, Store, StoreError};
use minimcp_entities::mcp_instance::Model;
use uuid::Uuid;

use super::instances::{FREE, ids};
use super::scratch::{joe_and_github, new_instance, now};

pub(crate) async fn what_the_owner_wants_is_written_down(store: &Store) {
    let joe = joe_and_github(store).await;
    let row = store.create_instance(&new_instance(joe.id), FREE, None).await.unwrap();
    assert_eq!(Desired::of(&row).unwrap(), Desired::Running);
    let row = store.set_desired(row.id, Desired::Stopped, FREE).await.unwrap();
    assert_eq!(Desired::of(&row).unwrap(), Desired::Stopped);

    let (end, asked) = (now() + TimeDelta::days(2), now() + TimeDelta::seconds(3));
    let row = store.extend(row.id, end).await.unwrap();
    let row = Model { desired: "stopped".into(), expires_at: end, ..row };
    let asked_for = store.request_restart(row.id, asked).await.unwrap();
    assert_eq!(asked_for, Model { restart_requested_at: Some(asked), ..row });
    let nothing = store.extend(Uuid::now_v7(), end).await.unwrap_err();
    assert!(matches!(nothing, StoreError::NotFound(Noun::Instance)));
}

pub(crate) async fn a_deletion_cannot_be_taken_back(store: &Store) {
    let joe = joe_and_github(store).await;
    let kept = store.create_instance(&new_instance(joe.id), FREE, None).await.unwrap();
    let row = store.create_instance(&new_instance(joe.id), FREE, None).await.unwrap();
    for _ in 0..2 {
        store.set_desired(row.id, Desired::Deleted, FREE).await.unwrap();
    }
    for refused in [
        store.set_desired(row.id, Desired::Running, FREE).await,
        store.set_desired(row.id, Desired::Stopped, FREE).await,
        store.extend(row.id, now()).await,
        store.request_restart(row.id, now()).await,
        store.replace_token(row.id, [1; 32], None).await,
    ] {
        assert!(matches!(refused, Err(StoreError::Conflict { what: Conflict::BeingDeleted })), "{refused:?}");
    }
    assert_eq!(ids(&store.instances_to_restore().await.unwrap()), [kept.id]);
    assert_eq!(ids(&store.instances_to_delete().await.unwrap()), [row.id]);
    for _ in 0..2 {
        store.delete_instance(row.id).await.unwrap();
    }
    assert!(matches!(store.instance(row.id, None).await, Err(StoreError::NotFound(Noun::Instance))));
}

pub(crate) async fn the_old_access_token_is_kept_only_for_an_overlap(store: &Store) {
    let joe = joe_and_github(store).await;
    let row = store.create_instance(&new_instance(joe.id), FREE, None).await.unwrap();
    let until = now() + TimeDelta::minutes(5);
    let second = store.replace_token(row.id, [2; 32], Some(until)).await.unwrap();
    assert_eq!(second.token_hash, [2; 32]);
    assert_eq!(
        (second.previous_token_hash, second.previous_token_until),
        (Some(row.token_hash), Some(until))
    );
    let third = store.replace_token(row.id, [3; 32], None).await.unwrap();
    assert_eq!(third.token_hash, [3; 32]);
    assert_eq!((third.previous_token_hash, third.previous_token_until), (None, None));
}
