//! The task that reminds of leases that end soon: at most once for each lease and lead, whatever the clock does.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use slog::{error, info};
use uuid::Uuid;

use super::Webhooks;
use crate::store::{RunningLease, StoreError};

/// Leases are made and extended meanwhile, and the clock of the machine may be set.
const LONGEST_NAP: Duration = Duration::from_secs(30);
const SHORTEST_NAP: Duration = Duration::from_millis(100);
/// After a look that failed.
const RETRY: Duration = Duration::from_secs(10);

impl Webhooks {
    /// Gives reminders for as long as it is polled.
    pub(super) async fn remind(&self) {
        let longest = longest_nap(&self.0.settings.lease_leads);
        loop {
            let nap = match self.look_at_leases(Utc::now()).await {
                Ok(next) => next.map_or(longest, |next| {
                    (next - Utc::now()).to_std().unwrap_or_default().clamp(SHORTEST_NAP, longest)
                }),
                Err(error) => {
                    error!(self.0.log, "leases that end soon could not be looked at"; "error" => %error);
                    RETRY
                }
            };
            tokio::time::sleep(nap).await;
        }
    }

    /// Gives what is due. Answers when the next will be.
    async fn look_at_leases(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        let inner = &*self.0;
        let leads: Vec<TimeDelta> =
            inner.settings.lease_leads.iter().filter_map(|lead| TimeDelta::from_std(*lead).ok()).collect();
        let Some(longest) = leads.iter().max() else { return Ok(None) };
        let leases = inner.store.leases_ending(now, *longest).await?;
        let mut given: HashMap<(Uuid, DateTime<Utc>), Vec<i64>> = HashMap::new();
        for (id, end, lead) in inner.store.lease_reminders_of(&leases).await? {
            given.entry((id, end)).or_default().push(lead);
        }
        let mut next = None;
        for lease in leases {
            let given = given.remove(&(lease.instance_id, lease.expires_at)).unwrap_or_default();
            if let Some(lead) = due(now, &lease, &leads, &given) {
                match inner.store.remember_lease_reminder(lease, lead, now).await {
                    Ok(true) => {
                        info!(inner.log, "a lease ends soon"; "instance" => %lease.instance_id,
                            "expires_at" => %lease.expires_at);
                        inner.news.notify_one();
                    }
                    // It was deleted in between.
                    Ok(false) | Err(StoreError::Rejected(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            next = [next, next_due(now, &lease, &leads)].into_iter().flatten().min();
        }
        Ok(next)
    }
}

/// How long not to look, so that a lease that is made meanwhile is reminded of before half of the shortest lead is over.
fn longest_nap(leads: &[Duration]) -> Duration {
    let shortest = leads.iter().min().copied().unwrap_or(LONGEST_NAP);
    (shortest / 2).clamp(SHORTEST_NAP, LONGEST_NAP)
}

/// The reminder that is due now: the closest to the end, unless it or one still closer was given. A lease that was never
/// longer than the lead is not reminded of by it.
fn due(now: DateTime<Utc>, lease: &RunningLease, leads: &[TimeDelta], given: &[i64]) -> Option<TimeDelta> {
    let lead =
        of(lease, leads).filter(|lead| lease.expires_at - *lead <= now && now < lease.expires_at).min()?;
    given.iter().all(|given| *given > lead.num_seconds()).then_some(lead)
}

/// When the next reminder of this lease is due.
fn next_due(now: DateTime<Utc>, lease: &RunningLease, leads: &[TimeDelta]) -> Option<DateTime<Utc>> {
    of(lease, leads).map(|lead| lease.expires_at - lead).filter(|at| *at > now).min()
}

fn of(lease: &RunningLease, leads: &[TimeDelta]) -> impl Iterator<Item = TimeDelta> {
    let whole = lease.expires_at - lease.created_at;
    leads.iter().copied().filter(move |lead| *lead < whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lease(minutes: i64) -> RunningLease {
        let created_at = DateTime::UNIX_EPOCH;
        RunningLease {
            instance_id: Uuid::nil(),
            user_id: Uuid::nil(),
            created_at,
            expires_at: created_at + TimeDelta::minutes(minutes),
        }
    }

    const LEADS: [TimeDelta; 3] = [TimeDelta::minutes(1_440), TimeDelta::minutes(60), TimeDelta::minutes(10)];

    proptest! {
        #[test]
        fn each_reminder_is_given_at_most_once_never_early_and_never_for_a_shorter_lease(
            length in 1i64..3_000,
            looks in proptest::collection::vec(-100i64..4_000, 1..60),
        ) {
            let lease = lease(length);
            let mut given: Vec<i64> = Vec::new();
            for minute in looks {
                let now = lease.created_at + TimeDelta::minutes(minute);
                let Some(lead) = due(now, &lease, &LEADS, &given) else { continue };
                prop_assert!(!given.contains(&lead.num_seconds()));
                prop_assert!(given.iter().all(|earlier| *earlier > lead.num_seconds()), "closer ones come later");
                prop_assert!(lease.expires_at - now <= lead && now < lease.expires_at);
                prop_assert!(lead < TimeDelta::minutes(length));
                given.push(lead.num_seconds());
            }
        }

        #[test]
        fn who_looks_whenever_told_to_gives_all_of_them(length in 1i64..3_000) {
            let lease = lease(length);
            let (mut now, mut given) = (lease.created_at, Vec::new());
            loop {
                given.extend(due(now, &lease, &LEADS, &given).map(|lead| lead.num_seconds()));
                match next_due(now, &lease, &LEADS) {
                    Some(next) => now = next,
                    None => break,
                }
            }
            let expected: Vec<i64> = of(&lease, &LEADS).map(|lead| lead.num_seconds()).collect();
            prop_assert_eq!(given, expected);
        }
    }
}
