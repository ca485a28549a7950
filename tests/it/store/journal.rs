//! What was seen of instances.

use chrono::{DateTime, TimeDelta, Utc};
use minimcp::store::{Applied, Desired, Entry, NewInstance, Quota, RuntimeState, Seen, Store};
use minimcp_actors::state::{Cause, Run, Status};
use minimcp_entities::mcp_instance::Model;
use serde_json::json;

use super::scratch::{joe_and_github, new_instance, next, now, page, user};

/// An entry about an instance that came to `status` with its run `run`.
pub(crate) fn entry(row: &Model, seq: i64, status: Status, run: Run) -> Entry {
    Entry {
        instance_id: row.id,
        user_id: row.user_id,
        seq,
        from: (seq > 1).then_some(Status::Starting),
        at: now(),
        state: RuntimeState {
            status,
            cause: Some(Cause::Commanded),
            reason: "Asked for".into(),
            run,
            process_id: Some(u32::from(u16::MAX)),
            assigned_port: Some(u16::MAX),
            started_at: Some(now()),
            stopped_at: None,
            restored_at: None,
            restarts_total: run.0 - 1,
            last_exit: Some(json!({"code": 1})),
        },
    }
}

async fn instance(store: &Store) -> Model {
    let joe = joe_and_github(store).await;
    store.create_instance(&new_instance(joe.id), Quota::default(), None).await.unwrap()
}

pub(crate) async fn a_batch_may_be_written_twice(store: &Store) {
    let row = instance(store).await;
    let batch = [entry(&row, 1, Status::Starting, Run(1)), entry(&row, 2, Status::Running, Run(1))];
    let written = Applied { written: 2, ..Applied::default() };
    assert_eq!(store.apply(&batch).await.unwrap(), written);
    let once = store.instance(row.id, None).await.unwrap();
    assert_eq!(
        (once.status.as_str(), once.process_id, once.assigned_port),
        ("running", Some(65_535), Some(65_535))
    );
    assert_eq!((once.generation, once.cause.as_deref()), (1, Some("commanded")));
    assert_eq!(once.last_exit, Some(json!({"code": 1})));
    let repeated = Applied { repeated: 2, ..Applied::default() };
    assert_eq!(store.apply(&batch).await.unwrap(), repeated);
    assert_eq!(store.instance(row.id, None).await.unwrap(), once);
    assert_eq!(store.transitions(row.id, &page(10)).await.unwrap().items.len(), 2);
    assert_eq!(store.apply(&[]).await.unwrap(), Applied::default());
}

pub(crate) async fn an_older_entry_never_overwrites_a_newer(store: &Store) {
    let row = instance(store).await;
    store.apply(&[entry(&row, 5, Status::Running, Run(2))]).await.unwrap();
    let late = [entry(&row, 4, Status::Starting, Run(2))];
    assert_eq!(store.apply(&late).await.unwrap().written, 1, "it belongs to the history");
    let seen = store.instance(row.id, None).await.unwrap();
    assert_eq!((seen.status.as_str(), seen.generation), ("running", 2));
    assert_eq!(store.last_seqs().await.unwrap(), [(row.id, 5)].into());
}

pub(crate) async fn entries_of_deleted_instances_are_skipped(store: &Store) {
    let row = instance(store).await;
    let gone = store.create_instance(&new_instance(row.user_id), Quota::default(), None).await.unwrap();
    store.apply(&[entry(&gone, 1, Status::Running, Run(1))]).await.unwrap();
    store.delete_instance(gone.id).await.unwrap();
    let batch = [entry(&gone, 2, Status::Stopped, Run(1)), entry(&row, 1, Status::Running, Run(1))];
    let applied = store.apply(&batch).await.unwrap();
    assert_eq!(applied, Applied { written: 1, orphaned: 1, repeated: 0 });
    assert!(store.transitions(gone.id, &page(10)).await.unwrap().items.is_empty(), "history goes along");
}

pub(crate) async fn the_journal_and_the_owner_do_not_touch_each_others_columns(store: &Store) {
    let row = instance(store).await;
    let end = now() + TimeDelta::days(1);
    store.extend(row.id, end).await.unwrap();
    store.set_desired(row.id, Desired::Stopped, Quota::default()).await.unwrap();
    store.apply(&[entry(&row, 1, Status::Stopped, Run(1))]).await.unwrap();
    let after = store.instance(row.id, None).await.unwrap();
    assert_eq!(
        (after.expires_at, after.desired.as_str(), after.status.as_str()),
        (end, "stopped", "stopped")
    );
    assert_eq!(
        (after.token_hash, after.config, after.created_at),
        (row.token_hash, row.config, row.created_at)
    );
}

pub(crate) async fn history_is_read_in_both_directions(store: &Store) {
    let row = instance(store).await;
    let ann = user(store, "ann").await;
    let other = store.create_instance(&new_instance(ann.id), Quota::default(), None).await.unwrap();
    let statuses = [Status::Starting, Status::Running, Status::Unhealthy];
    for (seq, status) in (1..).zip(statuses) {
        store.apply(&[entry(&row, seq, status, Run(1)), entry(&other, seq, status, Run(1))]).await.unwrap();
    }
    let first = store.transitions(row.id, &page(2)).await.unwrap();
    assert_eq!(first.items.iter().map(|row| row.seq).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(
        (first.items[1].from_status.as_deref(), first.items[1].to_status.as_str()),
        (Some("starting"), "running")
    );
    let second = store.transitions(row.id, &next(2, first.next_cursor)).await.unwrap();
    assert_eq!(
        (second.items[0].seq, second.items[0].from_status.as_deref(), second.next_cursor),
        (1, None, None)
    );

    let all = store.transitions_after(0, None, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    let rest = store.transitions_after(all[1].id, Some(ann.id), 100).await.unwrap();
    assert_eq!(rest.iter().map(|row| (row.user_id, row.seq)).collect::<Vec<_>>(), [(ann.id, 2), (ann.id, 3)]);
    assert_eq!(store.transitions_after(0, None, 2).await.unwrap(), all[..2]);
}

pub(crate) async fn old_history_is_forgotten_but_for_the_last_of_each_instance(store: &Store) {
    let row = instance(store).await;
    let other = store.create_instance(&new_instance(row.user_id), Quota::default(), None).await.unwrap();
    let begin = now();
    let at = |hours: i64| -> DateTime<Utc> { begin + TimeDelta::hours(hours) };
    let batch = [
        Entry { at: at(0), ..entry(&row, 1, Status::Starting, Run(1)) },
        Entry { at: at(1), ..entry(&row, 2, Status::Running, Run(1)) },
        Entry { at: at(9), ..entry(&row, 3, Status::Stopped, Run(1)) },
        Entry { at: at(0), ..entry(&other, 1, Status::Starting, Run(1)) },
        Entry { at: at(1), ..entry(&other, 2, Status::Running, Run(1)) },
    ];
    store.apply(&batch).await.unwrap();
    assert_eq!(store.forget_transitions_before(at(5)).await.unwrap(), 3);
    assert_eq!(store.last_seqs().await.unwrap(), [(row.id, 3), (other.id, 2)].into());
}

pub(crate) async fn times_are_touched_in_batches(store: &Store) {
    let row = instance(store).await;
    let other: NewInstance = new_instance(row.user_id);
    let (checked, accessed) = (now() + TimeDelta::seconds(1), now() + TimeDelta::seconds(2));
    let seen = |id| Seen { instance_id: id, checked_at: Some(checked), accessed_at: None };
    store.touch_instances(&[seen(row.id), seen(other.id)]).await.unwrap();
    let seen = Seen { instance_id: row.id, checked_at: None, accessed_at: Some(accessed) };
    store.touch_instances(&[seen, Seen { accessed_at: None, ..seen }]).await.unwrap();
    let after = store.instance(row.id, None).await.unwrap();
    assert_eq!(after, Model { last_checked_at: Some(checked), last_accessed_at: Some(accessed), ..row });
}
