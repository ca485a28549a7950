//! Webhooks and their queue, on both databases.

use chrono::TimeDelta;
use minimcp::store::{
    MAX_PENDING, NewDelivery, NewWebhook, Quota, Role, RunningLease, Settled, Store, StoreError, UserChange,
    WebhookChange,
};
use minimcp::vault::Scope;
use minimcp::webhooks::{DeliveryState, EventKind, Reach};
use minimcp_entities::webhook;
use uuid::Uuid;

use super::scratch::{Scratch, joe_and_github, new_instance, now, page, user, vault};

async fn hook(store: &Store, user_id: Uuid, reach: Reach) -> webhook::Model {
    let id = Uuid::now_v7();
    let new = NewWebhook {
        id,
        user_id,
        name: "x".into(),
        url: "https://x.example/".into(),
        reach,
        events: vec![EventKind::InstanceFailed, EventKind::AuditFailing],
        sealed: vault().seal(&Scope::webhook(user_id, &id, 1), b"{}").unwrap(),
        created_at: now(),
    };
    store.create_webhook(new, None).await.unwrap()
}

fn event(webhook: &webhook::Model, key: &str) -> NewDelivery {
    NewDelivery {
        webhook_id: webhook.id,
        event: EventKind::InstanceFailed,
        key: key.into(),
        payload: format!("{{\"key\":\"{key}\"}}"),
        at: now(),
    }
}

fn settled(webhook_id: Uuid, id: Uuid, state: DeliveryState) -> Settled {
    let failed = state != DeliveryState::Delivered;
    Settled {
        id,
        webhook_id,
        state,
        next_at: (state == DeliveryState::Pending).then(|| now() + TimeDelta::hours(1)),
        status: failed.then_some(500),
        error: failed.then(|| "it answered 500".into()),
        disable: None,
        at: now(),
    }
}

#[tokio::test]
async fn the_queue_of_webhooks_holds_each_event_once_on_sqlite() {
    let scratch = Scratch::sqlite().await;
    queue(&scratch.store).await;
    scratch.remove().await;
}

#[tokio::test]
async fn the_queue_of_webhooks_holds_each_event_once_on_postgres() {
    let scratch = Scratch::postgres().await;
    queue(&scratch.store).await;
    scratch.remove().await;
}

async fn queue(store: &Store) {
    let joe = joe_and_github(store).await;
    let (one, two) = (hook(store, joe.id, Reach::Own).await, hook(store, joe.id, Reach::Own).await);
    assert_eq!(store.webhooks_place().await.unwrap(), None);
    let first = vec![event(&one, "a"), event(&two, "a"), event(&one, "b"), event(&one, "a")];
    assert_eq!(store.queue_deliveries(first.clone(), Some("1.2.3")).await.unwrap(), 3);
    assert_eq!(store.queue_deliveries(first, None).await.unwrap(), 0, "each is there");
    assert_eq!(store.webhooks_place().await.unwrap().as_deref(), Some("1.2.3"));

    let due = store.due_deliveries(now(), &[], 10).await.unwrap();
    let keys: Vec<(Uuid, &str)> = due.iter().map(|row| (row.webhook_id, row.event_key.as_str())).collect();
    assert_eq!(keys.len(), 2, "one of each");
    assert!(keys.contains(&(one.id, "a")) && keys.contains(&(two.id, "a")), "{keys:?}");
    assert_eq!(store.due_deliveries(now(), &[], 1).await.unwrap().len(), 1);
    let due = store.due_deliveries(now(), &[two.id], 10).await.unwrap();
    assert_eq!((due.len(), due[0].webhook_id), (1, one.id));
    assert!(store.due_deliveries(now() - TimeDelta::hours(1), &[], 10).await.unwrap().is_empty());

    // It failed, so it waits, and the one behind it is next.
    store.settle_delivery(&settled(one.id, due[0].id, DeliveryState::Pending)).await.unwrap();
    let next = store.due_deliveries(now(), &[two.id], 10).await.unwrap().remove(0);
    assert_eq!(next.event_key, "b");
    let failing = store.webhook(one.id, None).await.unwrap();
    let since = failing.failing_since.expect("nothing was delivered");
    store.settle_delivery(&settled(one.id, next.id, DeliveryState::Failed)).await.unwrap();
    assert_eq!(store.webhook(one.id, None).await.unwrap().failing_since, Some(since));
    let later = store.next_delivery_at(&[two.id]).await.unwrap().unwrap();
    assert!(later > now() + TimeDelta::minutes(50));
    let again = store.due_deliveries(later, &[two.id], 10).await.unwrap().remove(0);
    assert_eq!((again.event_key.as_str(), again.attempts, again.last_status), ("a", 1, Some(500)));
    store.settle_delivery(&settled(one.id, again.id, DeliveryState::Delivered)).await.unwrap();
    assert_eq!(store.webhook(one.id, None).await.unwrap().failing_since, None);
    assert_eq!(store.next_delivery_at(&[two.id]).await.unwrap(), None);

    // Whoever is disabled gives up what waits.
    let gone = Settled {
        disable: Some("gone".into()),
        ..settled(two.id, store.delivery(two.id, "a").await.unwrap().id, DeliveryState::Failed)
    };
    store.queue_deliveries(vec![event(&two, "b")], None).await.unwrap();
    store.settle_delivery(&gone).await.unwrap();
    let disabled = store.webhook(two.id, None).await.unwrap();
    assert_eq!((disabled.enabled, disabled.disabled_reason.as_deref()), (false, Some("gone")));
    assert_eq!(store.pending_deliveries(two.id).await.unwrap(), 0);
    assert_eq!(
        store.queue_deliveries(vec![event(&two, "c")], None).await.unwrap(),
        0,
        "nothing is queued for it"
    );
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    let enabled = store.change_webhook(two.id, 1, change.clone(), now()).await.unwrap();
    assert_eq!((enabled.enabled, enabled.disabled_reason, enabled.failing_since), (true, None, None));
    assert!(store.change_webhook(two.id, 9, change, now()).await.is_err(), "it is at another version");

    let all = store.deliveries(one.id, &page(10)).await.unwrap();
    assert_eq!(all.items.len(), 2);
    store.forget_deliveries_before(now() + TimeDelta::seconds(1)).await.unwrap();
    assert!(store.deliveries(one.id, &page(10)).await.unwrap().items.is_empty());
    store.delete_webhook(one.id).await.unwrap();
    assert!(matches!(store.webhook(one.id, None).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn the_queue_of_one_webhook_is_bounded_and_says_what_it_left_out() {
    let scratch = Scratch::sqlite().await;
    let store = &scratch.store;
    let joe = joe_and_github(store).await;
    let (one, two) = (hook(store, joe.id, Reach::Own).await, hook(store, joe.id, Reach::Own).await);
    let many: Vec<NewDelivery> = (0..MAX_PENDING + 7)
        .map(|number| event(&one, &number.to_string()))
        .chain([event(&two, "x")])
        .collect();
    assert_eq!(store.queue_deliveries(many, None).await.unwrap(), MAX_PENDING + 1);
    assert_eq!(store.webhook(one.id, None).await.unwrap().dropped, 7);
    assert_eq!(store.webhook(two.id, None).await.unwrap().dropped, 0);

    // Of what is done with, the newest 500 stay.
    for _ in 0..510 {
        let due = store.due_deliveries(now(), &[two.id], 1).await.unwrap().remove(0);
        store.settle_delivery(&settled(one.id, due.id, DeliveryState::Delivered)).await.unwrap();
    }
    store.forget_deliveries_before(now() - TimeDelta::days(1)).await.unwrap();
    assert_eq!(store.pending_deliveries(one.id).await.unwrap(), MAX_PENDING - 510);
    let first = store.deliveries(one.id, &page(500)).await.unwrap();
    let second = store.deliveries(one.id, &super::scratch::next(500, first.next_cursor)).await.unwrap();
    let delivered = first.items.iter().chain(&second.items).filter(|row| row.state == "delivered").count();
    assert_eq!(delivered, 500);
    scratch.remove().await;
}

#[tokio::test]
async fn only_an_administrators_webhook_hears_of_everybody_and_a_forged_one_of_nobody() {
    let scratch = Scratch::sqlite().await;
    let store = &scratch.store;
    let joe = joe_and_github(store).await;
    let ada = user(store, "ada").await;
    let eve = user(store, "eve").await;
    let as_admin = UserChange { role: Some(Role::Admin), ..UserChange::default() };
    store.update_user(ada.id, as_admin.clone()).await.unwrap();
    store.update_user(joe.id, as_admin).await.unwrap();
    let (own, all) = (hook(store, joe.id, Reach::Own).await, hook(store, ada.id, Reach::All).await);
    let not_hers = hook(store, eve.id, Reach::Own).await;
    let of = async |users: &[Uuid]| {
        store.receivers(users).await.unwrap().into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(of(&[joe.id]).await, [own.id, all.id]);
    assert_eq!(of(&[]).await, [all.id]);
    store.update_user(ada.id, UserChange { role: Some(Role::User), ..UserChange::default() }).await.unwrap();
    assert_eq!(of(&[joe.id]).await, [own.id], "she administers no more");

    let url = match &scratch.place.location {
        minimcp::store::Location::Sqlite(path) => format!("sqlite:{}", path.display()),
        minimcp::store::Location::Postgres(url) => url.clone(),
    };
    let database = sea_orm::Database::connect(url).await.unwrap();
    for forged in ["UPDATE webhooks SET scope = 'all'", "UPDATE webhooks SET url = 'https://eve.example/'"] {
        sea_orm::ConnectionTrait::execute_unprepared(&database, forged).await.unwrap();
    }
    database.close().await.unwrap();
    assert_eq!(of(&[joe.id, eve.id]).await, [] as [Uuid; 0]);
    assert!(matches!(store.webhook(not_hers.id, None).await, Err(StoreError::Altered { .. })));
    assert_eq!(store.altered_rows().await.unwrap().len(), 3);
    scratch.abandon().await;
}

#[tokio::test]
async fn reminders_of_leases_are_kept_once_on_sqlite() {
    let scratch = Scratch::sqlite().await;
    leases(&scratch.store).await;
    scratch.remove().await;
}

#[tokio::test]
async fn reminders_of_leases_are_kept_once_on_postgres() {
    let scratch = Scratch::postgres().await;
    leases(&scratch.store).await;
    scratch.remove().await;
}

async fn leases(store: &Store) {
    let joe = joe_and_github(store).await;
    let soon = new_instance(joe.id);
    let mut late = new_instance(joe.id);
    late.expires_at = now() + TimeDelta::days(9);
    for new in [&soon, &late] {
        store.create_instance(new, Quota::default(), None).await.unwrap();
    }
    let ending = store.leases_ending(now(), TimeDelta::days(1)).await.unwrap();
    let ids: Vec<Uuid> = ending.iter().map(|lease| lease.instance_id).collect();
    assert_eq!(ids, [soon.id]);
    let lease: RunningLease = ending[0];
    assert_eq!((lease.user_id, lease.expires_at), (joe.id, soon.expires_at));
    let hour = TimeDelta::hours(1);
    assert!(store.remember_lease_reminder(lease, hour, now()).await.unwrap());
    assert!(!store.remember_lease_reminder(lease, hour, now()).await.unwrap());
    assert!(store.remember_lease_reminder(lease, TimeDelta::minutes(1), now()).await.unwrap());
    let mut given = store.lease_reminders_of(&ending).await.unwrap();
    given.sort_unstable();
    assert_eq!(given, [(soon.id, soon.expires_at, 60), (soon.id, soon.expires_at, 3_600)]);
    let all = store.lease_reminders_after(0, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(store.lease_reminders_after(all[0].id, 10).await.unwrap(), all[1..]);
    assert_eq!(store.newest_lease_reminder().await.unwrap(), all[1].id);
    store.delete_instance(soon.id).await.unwrap();
    assert_eq!(store.newest_lease_reminder().await.unwrap(), 0);
    let gone = store.remember_lease_reminder(lease, hour, now()).await;
    assert!(matches!(gone, Err(StoreError::Rejected(_))), "{gone:?}");
}
