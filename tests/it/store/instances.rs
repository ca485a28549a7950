//! Instances, as their owners see them.

use chrono::TimeDelta;
use minimcp::store::{Conflict, InstanceFilter, NewInstance, Noun, Quota, Remembered, Store, StoreError};
use minimcp_actors::state::Status;
use minimcp_entities::mcp_instance::Model;
use uuid::Uuid;

use super::scratch::{joe_and_github, mcp_type, new_credential, new_instance, next, now, page, sealed, user};

pub(crate) const FREE: Quota = Quota { max_instances: None, max_running: None, max_credentials: None };

pub(crate) async fn an_instance_needs_its_user_its_type_and_a_credential_set_of_both(store: &Store) {
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    mcp_type(store, "gmail").await;
    let anns = store.create_credential(new_credential(ann.id, "github", "main"), FREE).await.unwrap();
    let gmail = store.create_credential(new_credential(joe.id, "gmail", "main"), FREE).await.unwrap();
    let new = || new_instance(joe.id);
    let create = async |new: NewInstance| store.create_instance(&new, FREE, None).await;

    let error = create(new_instance(Uuid::now_v7())).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(Noun::User)), "{error:?}");
    let error = create(NewInstance { mcp_type: "slack".into(), ..new() }).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(Noun::Type)), "{error:?}");
    for id in [anns.id, Uuid::now_v7()] {
        let error = create(NewInstance { credential_id: Some(id), ..new() }).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound(Noun::Credential)), "{error:?}");
    }
    let error = create(NewInstance { credential_id: Some(gmail.id), ..new() }).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { what: Conflict::CredentialOfOtherType }), "{error:?}");

    let new = NewInstance { name: Some("mine".into()), debug: true, idle_timeout_seconds: Some(60), ..new() };
    let created = store.create_instance(&new, FREE, None).await.unwrap();
    let known = Model { mac: created.mac.clone(), ..new.row() };
    assert_eq!(created, known, "but for its proof, the row is known before it is stored");
    assert_eq!((created.status.as_str(), created.generation), ("pending", 0));
    assert_eq!(store.instance(created.id, Some(joe.id)).await.unwrap(), created);
    let hidden = store.instance(created.id, Some(ann.id)).await.unwrap_err();
    assert!(matches!(hidden, StoreError::NotFound(Noun::Instance)));
}

pub(crate) async fn an_instance_and_the_answer_for_it_are_stored_together_or_not_at_all(store: &Store) {
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    let first = answer(joe.id);
    let created = store.create_instance(&new_instance(joe.id), FREE, Some(first.clone())).await.unwrap();
    let kept = store.remembered(joe.id, "key").await.unwrap().unwrap();
    assert_eq!((kept.request_hash.as_slice(), kept.status), (&[7; 32][..], 201));
    assert_eq!(kept.sealed_response, first.sealed_response);
    assert_eq!(store.remembered(ann.id, "key").await.unwrap(), None, "keys are each user's own");

    let repeated =
        store.create_instance(&new_instance(joe.id), FREE, Some(answer(joe.id))).await.unwrap_err();
    assert!(matches!(repeated, StoreError::Conflict { what: Conflict::IdempotencyKey }), "{repeated:?}");
    let all = store.instances(&InstanceFilter::default(), &page(10)).await.unwrap().items;
    assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [created.id]);
    store.remember(answer(ann.id)).await.unwrap();
    let repeated = store.remember(answer(ann.id)).await.unwrap_err();
    assert!(matches!(repeated, StoreError::Conflict { what: Conflict::IdempotencyKey }), "{repeated:?}");
}

pub(crate) async fn old_answers_are_forgotten(store: &Store) {
    let joe = user(store, "joe").await;
    let begin = now();
    for (key, hours) in [("old", 0), ("new", 2)] {
        let created_at = begin + TimeDelta::hours(hours);
        store.remember(Remembered { key: key.into(), created_at, ..answer(joe.id) }).await.unwrap();
    }
    assert_eq!(store.forget_answers_before(begin + TimeDelta::hours(1)).await.unwrap(), 1);
    assert!(store.remembered(joe.id, "old").await.unwrap().is_none());
    assert!(store.remembered(joe.id, "new").await.unwrap().is_some());
}

pub(crate) async fn instances_are_filtered_and_paged(store: &Store) {
    let joe = joe_and_github(store).await;
    let ann = user(store, "ann").await;
    mcp_type(store, "gmail").await;
    let create = async |new: NewInstance| store.create_instance(&new, FREE, None).await.unwrap().id;
    let credential =
        store.create_credential(new_credential(joe.id, "github", "main"), FREE).await.unwrap().id;
    let one = create(NewInstance { name: Some("one".into()), ..new_instance(joe.id) }).await;
    let two = create(NewInstance { mcp_type: "gmail".into(), ..new_instance(joe.id) }).await;
    let three = create(NewInstance { credential_id: Some(credential), ..new_instance(joe.id) }).await;
    let anns = create(new_instance(ann.id)).await;

    let all = InstanceFilter::default();
    let of_joe = InstanceFilter { user_id: Some(joe.id), ..all.clone() };
    for (filter, expected) in [
        (all.clone(), vec![anns, three, two, one]),
        (of_joe.clone(), vec![three, two, one]),
        (InstanceFilter { mcp_type: Some("gmail".into()), ..all.clone() }, vec![two]),
        (InstanceFilter { name: Some("one".into()), ..of_joe.clone() }, vec![one]),
        (InstanceFilter { credential_id: Some(credential), ..all.clone() }, vec![three]),
        (InstanceFilter { status: Some(Status::Pending), ..of_joe.clone() }, vec![three, two, one]),
        (InstanceFilter { status: Some(Status::Running), ..all }, vec![]),
    ] {
        let found = store.instances(&filter, &page(10)).await.unwrap();
        assert_eq!(ids(&found.items), expected, "{filter:?}");
        assert_eq!(found.next_cursor, None);
    }
    let first = store.instances(&of_joe, &page(2)).await.unwrap();
    assert_eq!(ids(&first.items), [three, two]);
    let second = store.instances(&of_joe, &next(2, first.next_cursor)).await.unwrap();
    assert_eq!((ids(&second.items), second.next_cursor), (vec![one], None));
}

pub(crate) fn ids(rows: &[Model]) -> Vec<Uuid> {
    rows.iter().map(|row| row.id).collect()
}

fn answer(user_id: Uuid) -> Remembered {
    Remembered {
        user_id,
        key: "key".into(),
        request_hash: [7; 32],
        status: 201,
        sealed_response: sealed(user_id, b"answer").sealed,
        created_at: now(),
    }
}
