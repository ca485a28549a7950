//! Users and their API tokens.

use chrono::TimeDelta;
use minimcp::store::{
    Conflict, NewIdentity, NewToken, NewUser, Noun, Quota, Role, Store, StoreError, UserChange,
};
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

pub(crate) async fn somebody_can_always_administer(store: &Store) {
    let admin = |name| NewUser { role: Role::Admin, ..new_user(name) };
    let (ann, bob) =
        (store.create_user(admin("ann")).await.unwrap(), store.create_user(admin("bob")).await.unwrap());
    let last = |error| matches!(error, StoreError::Conflict { what: Conflict::LastAdministrator });
    let demote = |id| {
        let change = UserChange { role: Some(Role::User), ..UserChange::default() };
        let store = store.clone();
        async move { store.update_user(id, change).await }
    };
    // Both at the same time: one of them stays.
    let (one, two) = tokio::join!(demote(ann.id), demote(bob.id));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let left = if one.is_ok() { bob.id } else { ann.id };
    assert!(last(demote(left).await.unwrap_err()));
    assert!(last(store.check_deletable(left).await.unwrap_err()));
    assert!(last(store.delete_user(left).await.unwrap_err()));

    let first = store.create_token(token(left, 1)).await.unwrap();
    let expired = NewToken { expires_at: Some(now()), ..token(left, 2) };
    store.create_token(expired).await.unwrap();
    let refused = store.revoke_token(first.id, now()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Conflict { what: Conflict::LastAdministratorToken }),
        "{refused:?}"
    );
    store.create_token(token(left, 3)).await.unwrap();
    assert!(store.revoke_token(first.id, now()).await.unwrap().revoked_at.is_some());

    let joe = user(store, "joe").await;
    let own = store.create_token(token(joe.id, 4)).await.unwrap();
    store.revoke_tokens_of(joe.id, now()).await.unwrap();
    assert!(store.token(own.id, None).await.unwrap().revoked_at.is_some(), "users may be without any");
    assert!(store.authenticate(&[3; 32], now()).await.unwrap().is_some(), "and others keep theirs");
}

pub(crate) async fn ended_tokens_are_forgotten_in_time(store: &Store) {
    let joe = user(store, "joe").await;
    let soon = now() + TimeDelta::minutes(1);
    let lasting = store.create_token(token(joe.id, 1)).await.unwrap();
    store.create_token(NewToken { expires_at: Some(soon), ..token(joe.id, 2) }).await.unwrap();
    let revoked = store.create_token(token(joe.id, 3)).await.unwrap();
    store.revoke_token(revoked.id, soon).await.unwrap();
    assert_eq!(store.forget_tokens_before(soon).await.unwrap(), 0);
    assert_eq!(store.forget_tokens_before(soon + TimeDelta::seconds(1)).await.unwrap(), 2);
    assert_eq!(store.tokens(joe.id, &page(9)).await.unwrap().items, [lasting]);
}

pub(crate) async fn a_subject_of_an_issuer_is_one_user(store: &Store) {
    let identity = |issuer: &str, name: &str| NewIdentity {
        issuer: issuer.into(),
        subject: "s-1".into(),
        user: new_user(name),
    };
    assert_eq!(store.user_of_identity("https://a", "s-1").await.unwrap(), None);
    let one = store.create_identity(identity("https://a", "joe")).await.unwrap();
    assert_eq!(store.user_of_identity("https://a", "s-1").await.unwrap(), Some(one.clone()));
    let again = store.create_identity(identity("https://a", "other")).await.unwrap_err();
    assert!(matches!(again, StoreError::Conflict { what: Conflict::Identity }), "{again:?}");
    let taken = store.create_identity(identity("https://b", "joe")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict { what: Conflict::UserName }), "{taken:?}");
    assert_eq!(store.count_users().await.unwrap(), 1, "what was refused left nothing");
    store.create_identity(identity("https://b", "jim")).await.unwrap();
    store.delete_user(one.id).await.unwrap();
    assert_eq!(store.user_of_identity("https://a", "s-1").await.unwrap(), None);
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
