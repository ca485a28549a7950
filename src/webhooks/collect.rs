//! From the histories to the queue: each entry once for each webhook that wants it, over any crash of the daemon.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use chrono::Utc;
use minimcp_entities::mcp_instance;
use serde_json::json;
use slog::{error, info};
use tokio::time::Instant;
use uuid::Uuid;

use super::event::{self, Happened};
use super::{EventKind, Sources, Webhooks, new_delivery};
use crate::store::{NewDelivery, StoreError};

/// Entries of each history that are read at once.
const BATCH: u64 = 200;
/// Between two looks where nobody tells of news.
const EVERY: Duration = Duration::from_secs(30);
/// After a look that failed.
const RETRY: Duration = Duration::from_secs(5);
/// Between two notes of how far was read, where nothing came of it. After a crash that much is read again.
const NOTE: Duration = Duration::from_secs(10);
/// Between two looks at the audit trail.
const TRAIL: Duration = Duration::from_secs(1);

/// How far the three histories were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    transition: i64,
    reminder: i64,
    lease: i64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let place = Self { transition: parts.next()??, reminder: parts.next()??, lease: parts.next()?? };
        parts.next().is_none().then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.transition, self.reminder, self.lease)
    }
}

impl Webhooks {
    /// Turns what is added to the histories into deliveries, for as long as it is polled.
    pub(super) async fn collect(&self, sources: &Sources) {
        // Asked for before the first look, so that nothing falls in between.
        let (mut transitions, mut reminders) = (sources.journal.news(), sources.bell().news());
        let mut place = None;
        let mut noted = Instant::now();
        loop {
            transitions.borrow_and_update();
            reminders.borrow_and_update();
            let pause = match self.look(&mut place, &mut noted).await {
                Ok(true) => continue,
                Ok(false) => EVERY,
                Err(error) => {
                    error!(self.0.log, "events could not be queued for webhooks; they are read again"; "error" => %error);
                    RETRY
                }
            };
            // Whatever comes first is a reason to look again; a sender that is gone means that the daemon ends.
            tokio::select! {
                news = transitions.changed() => if news.is_err() { return },
                news = reminders.changed() => if news.is_err() { return },
                () = self.0.news.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads on in each history. Answers whether there is more.
    async fn look(&self, place: &mut Option<Place>, noted: &mut Instant) -> Result<bool, StoreError> {
        let store = &self.0.store;
        let from = match *place {
            Some(place) => place,
            None => *place.insert(self.first_place().await?),
        };
        let transitions = store.transitions_after(from.transition, None, BATCH).await?;
        let reminders = store.reminders_after(from.reminder, None, BATCH).await?;
        let leases = store.lease_reminders_after(from.lease, BATCH).await?;
        let ids: BTreeSet<Uuid> = transitions
            .iter()
            .map(|row| row.instance_id)
            .chain(leases.iter().map(|row| row.instance_id))
            .collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let rows = if ids.is_empty() { Vec::new() } else { store.instances_with_ids(&ids).await? };
        let instances: HashMap<Uuid, mcp_instance::Model> =
            rows.into_iter().map(|row| (row.id, row)).collect();

        // Whoever deleted an instance in between knows of its end.
        let of_transitions = transitions.iter().filter_map(|row| {
            instances.get(&row.instance_id).map(|instance| event::of_transition(row, instance))
        });
        let of_leases = leases
            .iter()
            .filter_map(|row| instances.get(&row.instance_id).map(|instance| event::of_lease(row, instance)));
        let happened: Vec<Happened> = of_transitions
            .flatten()
            .chain(of_leases)
            .chain(reminders.iter().map(event::of_reminder))
            .collect();
        let last = Place {
            transition: transitions.last().map_or(from.transition, |row| row.id),
            reminder: reminders.last().map_or(from.reminder, |reminder| reminder.given.id),
            lease: leases.last().map_or(from.lease, |row| row.id),
        };
        let deliveries = self.addressed(&happened).await?;
        if !deliveries.is_empty() || last != from && noted.elapsed() >= NOTE {
            let queued = store.queue_deliveries(deliveries, Some(&last.to_string())).await?;
            *noted = Instant::now();
            if queued > 0 {
                self.0.queued.notify_one();
            }
        }
        *place = Some(last);
        let full = |length: usize| length as u64 == BATCH;
        Ok(full(transitions.len()) || full(reminders.len()) || full(leases.len()))
    }

    /// Where to begin: where the last daemon got, or, the first time ever, at what happens from now on.
    async fn first_place(&self) -> Result<Place, StoreError> {
        let store = &self.0.store;
        if let Some(place) = store.webhooks_place().await?.as_deref().and_then(Place::parse) {
            return Ok(place);
        }
        let place = Place {
            transition: store.newest_transition().await?,
            reminder: store.newest_reminder().await?,
            lease: store.newest_lease_reminder().await?,
        };
        store.queue_deliveries(Vec::new(), Some(&place.to_string())).await?;
        Ok(place)
    }

    /// These events for each webhook that wants them.
    async fn addressed(&self, happened: &[Happened]) -> Result<Vec<NewDelivery>, StoreError> {
        if happened.is_empty() {
            return Ok(Vec::new());
        }
        let users: BTreeSet<Uuid> = happened.iter().filter_map(|one| one.user_id).collect();
        let users: Vec<Uuid> = users.into_iter().collect();
        let webhooks = self.0.store.receivers(&users).await?;
        let now = Utc::now();
        let pairs = happened.iter().flat_map(|one| {
            webhooks
                .iter()
                .filter(|webhook| one.is_for(webhook))
                .map(move |webhook| new_delivery(webhook, one, now))
        });
        Ok(pairs.collect())
    }

    /// Queues one event that is in no history.
    pub(super) async fn tell(&self, happened: Happened) -> Result<(), StoreError> {
        let deliveries = self.addressed(&[happened]).await?;
        if !deliveries.is_empty() && self.0.store.queue_deliveries(deliveries, None).await? > 0 {
            self.0.queued.notify_one();
        }
        Ok(())
    }

    /// Tells when the audit trail begins to fail, for as long as it is polled.
    pub(super) async fn watch_trail(&self, sources: &Sources) {
        let mut looks = tokio::time::interval(TRAIL);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            looks.tick().await;
            let failing = sources.trail.standing().failing;
            if failing == told {
                continue;
            }
            if !failing {
                info!(self.0.log, "the audit trail can be written again");
                told = false;
                continue;
            }
            let reason =
                "the audit trail cannot be written, so nothing can be changed; free space or mend data/audit";
            let happened = Happened {
                kind: EventKind::AuditFailing,
                key: format!("audit-{}", Uuid::now_v7()),
                user_id: None,
                at: Utc::now(),
                data: json!({"reason": reason}),
            };
            match self.tell(happened).await {
                Ok(()) => told = true,
                // The same disk may be full for both.
                Err(error) => {
                    error!(self.0.log, "that the audit trail fails could not be queued for webhooks"; "error" => %error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_round_trips_and_anything_else_is_none() {
        let place = Place { transition: 12, reminder: 3, lease: 0 };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for text in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2."] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
