//! Types of servers.

use chrono::TimeDelta;
use minimcp::store::{Conflict, Noun, Quota, Store, StoreError};
use minimcp_entities::mcp_type::Model;

use super::scratch::{joe_and_github, mcp_type, new_credential, new_instance, next, now, page, type_row};

pub(crate) async fn a_type_is_registered_once_and_replaced_whole(store: &Store) {
    let row = store.create_type(type_row("github")).await.unwrap();
    let refused = store.create_type(type_row("github")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::TypeName }), "{refused:?}");

    let later = now() + TimeDelta::hours(1);
    let change =
        Model { description: "new".into(), command: Some("tool".into()), server_script: None, ..row.clone() };
    let change = Model { created_at: later, updated_at: later, ..change };
    let replaced = store.replace_type(change.clone()).await.unwrap();
    assert_eq!(replaced, Model { created_at: row.created_at, ..change });
    assert_eq!(store.type_named("github").await.unwrap(), replaced);
    let nothing = store.replace_type(type_row("gmail")).await.unwrap_err();
    assert!(matches!(nothing, StoreError::NotFound(Noun::Type)));
}

pub(crate) async fn a_type_in_use_cannot_be_deleted(store: &Store) {
    let joe = joe_and_github(store).await;
    let instance = store.create_instance(&new_instance(joe.id), Quota::default(), None).await.unwrap();
    let credential = new_credential(joe.id, "github", "main");
    let credential = store.create_credential(credential, Quota::default()).await.unwrap();
    let refused = store.delete_type("github").await.unwrap_err();
    let in_use = Conflict::TypeInUse { instances: 1, credentials: 1 };
    assert!(matches!(refused, StoreError::Conflict { what } if what == in_use), "{refused:?}");
    assert_eq!(store.count_instances_of_type("github").await.unwrap(), 1);

    store.delete_instance(instance.id).await.unwrap();
    store.delete_credential(credential.id).await.unwrap();
    store.delete_type("github").await.unwrap();
    assert!(matches!(store.delete_type("github").await, Err(StoreError::NotFound(Noun::Type))));
}

pub(crate) async fn seeds_follow_the_program_until_an_administrator_replaces_them(store: &Store) {
    let first = Model { builtin: true, ..type_row("github") };
    store.seed_types(vec![first.clone()]).await.unwrap();
    let later = now() + TimeDelta::hours(1);
    let second = Model { description: "newer".into(), created_at: later, updated_at: later, ..first.clone() };
    store.seed_types(vec![second]).await.unwrap();
    let stored = store.type_named("github").await.unwrap();
    assert_eq!((stored.description.as_str(), stored.created_at), ("newer", first.created_at));

    let own = Model { builtin: false, description: "ours".into(), ..stored };
    store.replace_type(own.clone()).await.unwrap();
    store.seed_types(vec![Model { builtin: true, ..type_row("github") }]).await.unwrap();
    assert_eq!(store.type_named("github").await.unwrap(), own);
}

pub(crate) async fn types_are_listed_by_name(store: &Store) {
    for name in ["slack", "figma", "github"] {
        mcp_type(store, name).await;
    }
    let first = store.types(&page(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["figma", "github"]);
    let foreign = store.users(&next(2, first.next_cursor.clone())).await.unwrap_err();
    assert!(matches!(foreign, StoreError::InvalidCursor));
    let second = store.types(&next(2, first.next_cursor)).await.unwrap();
    assert_eq!(second.items.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["slack"]);
}
