//! Users and their API tokens.

use chrono::TimeDelta;
use minimcp::store::{Conflict, NewToken, Noun, Quota, Role, Store, StoreError, UserChange};
use uuid::Uuid;

use super::scratch::{joe_and_github, new_instance, new_user, next, now, page, user};

pub(crate) async fn names_of_users_are_unique(store: &Store) {
    let joe = user(store, "joe").await;
    let refused = store.create_user(new_user("joe")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::UserName }), "{refused:?}");
    assert_eq!(store.user_by_name("joe").await.unwrap(), Some(joe.clone()));
    assert_eq!(store.user_by_name("Joe").await.unwrap(), None);
    assert_eq!(store.count_users().await.unwrap(), 1);

    let ann = user(store, "ann").await;
    let rename = UserChange { name: Some("joe".into()), ..UserChange::default() };
    let refused = store.update_user(ann.id, rename).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::UserName }), "{refused:?}");
    assert_eq!(store.user(ann.id).await.unwrap(), ann);
}

pub(crate) async fn a_user_changes_only_as_asked(store: &Store) {
    let joe = user(store, "joe").await;
    let change = UserChange {
        role: Some(Role::Operator),
        max_running: Some(Some(3)),
        max_instances: Some(Some(u32::MAX)),
        ..UserChange::default()
    };
    let changed = store.update_user(joe.id, change).await.unwrap();
    assert_eq!((changed.name.as_str(), Role::of(&changed).unwrap()), ("joe", Role::Operator));
    let defaults = Quota { max_running: Some(9), max_credentials: Some(8), ..Quota::default() };
    let quota = Quota::of(&changed, defaults);
    assert_eq!(quota.max_instances, Some(u32::MAX));
    assert_eq!((quota.max_running, quota.max_credentials), (Some(3), Some(8)));

    let back = UserChange { max_running: Some(None), ..UserChange::default() };
    let changed = store.update_user(joe.id, back).await.unwrap();
    assert_eq!(Quota::of(&changed, defaults).max_running, Some(9));
    let nobody = store.update_user(Uuid::now_v7(), UserChange::default()).await.unwrap_err();
    assert!(matches!(nobody, StoreError::NotFound(Noun::User)));
}

pub(crate) async fn a_user_with_instances_cannot_be_deleted(store: &Store) {
    let joe = joe_and_github(store).await;
    let instance = store.create_instance(&new_instance(joe.id), Quota::default(), None).await.unwrap();
    let refused = store.delete_user(joe.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { what: Conflict::UserInUse { instances: 1 } }));

    let token = store.create_token(token(joe.id, 1)).await.unwrap();
    store.delete_instance(instance.id).await.unwrap();
    store.delete_user(joe.id).await.unwrap();
    assert!(matches!(store.user(joe.id).await, Err(StoreError::NotFound(Noun::User))));
    assert!(matches!(store.token(token.id, None).await, Err(StoreError::NotFound(Noun::Token))));
    assert!(matches!(store.delete_user(joe.id).await, Err(StoreError::NotFound(Noun::User))));
}

pub(crate) async fn a_token_lets_in_until_it_expires_or_is_revoked(store: &Store) {
    let joe = user(store, "joe").await;
    let kept = store.create_token(token(joe.id, 1)).await.unwrap();
    let end = now() + TimeDelta::hours(1);
    store.create_token(NewToken { expires_at: Some(end), ..token(joe.id, 2) }).await.unwrap();

    let (found, owner) = store.authenticate(&[1; 32], now()).await.unwrap().unwrap();
    assert_eq!((found, owner), (kept.clone(), joe.clone()));
    assert!(store.authenticate(&[2; 32], end - TimeDelta::microseconds(1)).await.unwrap().is_some());
    assert!(store.authenticate(&[2; 32], end).await.unwrap().is_none());
    assert!(store.authenticate(&[3; 32], now()).await.unwrap().is_none());

    let (used, revoked) = (now() + TimeDelta::seconds(5), now() + TimeDelta::seconds(9));
    store.touch_tokens(&[(kept.id, used), (Uuid::now_v7(), used)]).await.unwrap();
    assert_eq!(store.token(kept.id, Some(joe.id)).await.unwrap().last_used_at, Some(used));
    let first = store.revoke_token(kept.id, revoked).await.unwrap();
    assert_eq!(first.revoked_at, Some(revoked));
    assert_eq!(store.revoke_token(kept.id, now() + TimeDelta::days(1)).await.unwrap(), first);
    assert!(store.authenticate(&[1; 32], now()).await.unwrap().is_none());

    let ann = user(store, "ann").await;
    assert!(matches!(store.token(kept.id, Some(ann.id)).await, Err(StoreError::NotFound(Noun::Token))));
    let nobody = store.create_token(token(Uuid::now_v7(), 4)).await.unwrap_err();
    assert!(matches!(nobody, StoreError::NotFound(Noun::User)));
}

pub(crate) async fn users_and_tokens_are_listed_page_by_page_newest_first(store: &Store) {
    for name in ["a", "b", "c", "d", "e"] {
        user(store, name).await;
    }
    let first = store.users(&page(2)).await.unwrap();
    let names = |users: &[minimcp_entities::user::Model]| {
        users.iter().map(|user| user.name.clone()).collect::<String>()
    };
    assert_eq!(names(&first.items), "ed");
    // One that comes meanwhile belongs before the pages read already and moves none of the later ones.
    let late = user(store, "f").await;
    let second = store.users(&next(2, first.next_cursor)).await.unwrap();
    assert_eq!(names(&second.items), "cb");
    let third = store.users(&next(2, second.next_cursor)).await.unwrap();
    assert_eq!((names(&third.items), third.next_cursor), ("a".into(), None));

    for n in 0..3 {
        store.create_token(token(late.id, n)).await.unwrap();
    }
    let first = store.tokens(late.id, &page(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["2", "1"]);
    let second = store.tokens(late.id, &next(2, first.next_cursor)).await.unwrap();
    assert_eq!(second.items.len(), 1);
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
