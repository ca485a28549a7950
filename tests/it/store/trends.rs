//! What instances used over time, on both databases, in times that nobody waits for.

use chrono::{DateTime, TimeDelta, Utc};
use minimcp::store::{Quota, Store};
use minimcp::trends::series::{Latency, Point, Step};
use uuid::Uuid;

use super::scratch::{Scratch, joe_and_github, new_instance};

fn minute(at: DateTime<Utc>, cpu: f32) -> Point {
    Point {
        at: at.timestamp(),
        samples: 12,
        cpu_percent: cpu,
        cpu_percent_max: cpu * 2.0,
        memory_kib: 70_000,
        memory_kib_max: 80_000,
        processes: 3,
        health: Some(Latency { samples: 2, mean_us: 1_500, max_us: 2_000 }),
    }
}

async fn instance(store: &Store) -> Uuid {
    let joe = joe_and_github(store).await;
    let new = new_instance(joe.id);
    store.create_instance(&new, Quota::default(), None).await.unwrap();
    new.id
}

#[tokio::test]
async fn trends_of_forty_days_take_some_dozens_of_rows_on_sqlite() {
    let scratch = Scratch::sqlite().await;
    forty_days(&scratch.store).await;
    scratch.remove().await;
}

#[tokio::test]
async fn trends_of_forty_days_take_some_dozens_of_rows_on_postgres() {
    let scratch = Scratch::postgres().await;
    forty_days(&scratch.store).await;
    scratch.remove().await;
}

async fn forty_days(store: &Store) {
    let id = instance(store).await;
    let start: DateTime<Utc> = "2030-01-01T00:07:00Z".parse().unwrap();
    let days = 40;
    let mut most = 0;
    // A minute out of ten keeps the test short; rows and their bounds do not depend on how full they are.
    for step in 0..days * 24 * 6 {
        let now = start + TimeDelta::minutes(step * 10);
        store.add_trend_minutes(&[(id, minute(now, 10.0))]).await.unwrap();
        if step % 36 == 0 {
            store.forget_trends(now).await.unwrap();
            most = most.max(store.trend_rows(id).await.unwrap());
        }
    }
    // A day of hours and 30 days, with those at both ends that are not whole.
    assert!((50..=25 + 31).contains(&most), "{most} rows");
    let end = start + TimeDelta::days(days);
    store.forget_trends(end).await.unwrap();
    let minutes = store.trend(id, Step::Minute, end - TimeDelta::days(40)).await.unwrap();
    let oldest = DateTime::from_timestamp(minutes[0].at, 0).unwrap();
    assert!((24..=25).contains(&(end - oldest).num_hours()), "{oldest}");
    let quarters = store.trend(id, Step::Quarter, end - TimeDelta::days(40)).await.unwrap();
    let oldest = DateTime::from_timestamp(quarters[0].at, 0).unwrap();
    assert!((30..=31).contains(&(end - oldest).num_days()), "{oldest}");
    assert!(quarters.iter().all(|point| point.cpu_percent.round() == 10.0 && point.cpu_percent_max == 20.0));
    assert!(quarters.windows(2).all(|pair| pair[1].at - pair[0].at == 900), "none is missing");
    let last_hour = store.trend(id, Step::Minute, end - TimeDelta::hours(1)).await.unwrap();
    assert_eq!(last_hour.len(), 6);
    store.delete_instance(id).await.unwrap();
    assert_eq!(store.trend_rows(id).await.unwrap(), 0);
}

#[tokio::test]
async fn a_quarter_is_made_of_its_minutes_however_often_they_come_on_sqlite() {
    let scratch = Scratch::sqlite().await;
    quarters(&scratch.store).await;
    scratch.remove().await;
}

#[tokio::test]
async fn a_quarter_is_made_of_its_minutes_however_often_they_come_on_postgres() {
    let scratch = Scratch::postgres().await;
    quarters(&scratch.store).await;
    scratch.remove().await;
}

async fn quarters(store: &Store) {
    let id = instance(store).await;
    let start: DateTime<Utc> = "2030-01-01T10:00:00Z".parse().unwrap();
    let minutes: Vec<(Uuid, Point)> =
        (0u8..20).map(|n| (id, minute(start + TimeDelta::minutes(n.into()), n.into()))).collect();
    let gone = (Uuid::now_v7(), minute(start, 1.0));
    store.add_trend_minutes(&[&minutes[..7], &[gone]].concat()).await.unwrap();
    store.add_trend_minutes(&minutes[7..]).await.unwrap();
    assert_eq!(store.trend(id, Step::Minute, start).await.unwrap().len(), 20);
    let quarters = store.trend(id, Step::Quarter, start).await.unwrap();
    let shown: Vec<(f32, f32, u32)> = quarters
        .iter()
        .map(|point| (point.cpu_percent.round(), point.cpu_percent_max, point.samples))
        .collect();
    assert_eq!(shown, [(7.0, 28.0, 15 * 12), (17.0, 38.0, 5 * 12)]);
    assert_eq!(quarters[0].health, Some(Latency { samples: 30, mean_us: 1_500, max_us: 2_000 }));

    // Half a minute before a restart of the daemon and half after it are one.
    store.add_trend_minutes(&[(id, minute(start, 2.0))]).await.unwrap();
    let first = store.trend(id, Step::Minute, start).await.unwrap()[0];
    assert_eq!((first.samples, first.cpu_percent.round(), first.cpu_percent_max), (24, 1.0, 4.0));
    assert_eq!(store.trend(id, Step::Quarter, start).await.unwrap()[0].samples, 16 * 12);
    assert!(store.trend(gone.0, Step::Minute, start).await.unwrap().is_empty());
}
