//! What follows from an attempt, decided without a clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{DeliveryState, EventKind};

/// A receiver to which nothing could be delivered for this long is disabled once one more event is given up.
const DISABLED_AFTER: TimeDelta = TimeDelta::days(3);
/// How much of each pause is left to chance, so that what failed together does not come back together.
const JITTER: f64 = 0.2;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The HTTP status, if there was an answer.
    pub(super) status: Option<u16>,
    /// Why it failed; `None` if it did not.
    pub(super) error: Option<String>,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) state: DeliveryState,
    /// When to try again.
    pub(super) next_at: Option<DateTime<Utc>>,
    /// Why to send nothing to this receiver any more.
    pub(super) disable: Option<String>,
}

/// What follows from the attempt that ends now and is the `nth`, 1 for the first. `failing_since` is when the receiver
/// began to fail, `chance` a random number from -1 to 1.
pub(super) fn judge(
    outcome: &Outcome,
    event: EventKind,
    nth: u32,
    retry: &[Duration],
    failing_since: Option<DateTime<Utc>>,
    chance: f64,
    now: DateTime<Utc>,
) -> Verdict {
    let Outcome { status, error } = outcome;
    if error.is_none() {
        return Verdict { state: DeliveryState::Delivered, next_at: None, disable: None };
    }
    let given_up = |disable| Verdict { state: DeliveryState::Failed, next_at: None, disable };
    if event == EventKind::Test {
        return given_up(None);
    }
    if *status == Some(410) {
        return given_up(Some("the receiver answered 410: it is gone for good".into()));
    }
    let pause = usize::try_from(nth).ok().and_then(|nth| retry.get(nth.saturating_sub(1)));
    if let Some(pause) = pause {
        let pause = pause.mul_f64(1.0 + JITTER * chance.clamp(-1.0, 1.0));
        let next = TimeDelta::from_std(pause).ok().and_then(|pause| now.checked_add_signed(pause));
        return Verdict { state: DeliveryState::Pending, next_at: Some(next.unwrap_or(now)), disable: None };
    }
    let long = failing_since.filter(|since| now - *since >= DISABLED_AFTER);
    given_up(
        long.map(|since| format!("nothing could be delivered since {}", since.format("%Y-%m-%d %H:%M UTC"))),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(status: Option<u16>) -> Outcome {
        Outcome { status, error: Some("no".into()) }
    }

    fn usual() -> Vec<Duration> {
        crate::config::tests::settings("").webhooks.retry
    }

    #[test]
    fn what_fails_is_tried_for_about_a_day_with_growing_pauses_and_then_given_up() {
        let retry = usual();
        assert!(retry.is_sorted());
        for chance in [-1.0, 0.0, 1.0] {
            let start = DateTime::UNIX_EPOCH;
            let (mut now, mut nth) = (start, 1);
            let last = loop {
                let verdict = judge(
                    &failed(Some(500)),
                    EventKind::InstanceExpired,
                    nth,
                    &retry,
                    Some(start),
                    chance,
                    now,
                );
                assert_eq!(verdict.disable, None, "a day is not long");
                let Some(next) = verdict.next_at else { break verdict };
                assert!(next > now);
                (now, nth) = (next, nth + 1);
            };
            assert_eq!(last.state, DeliveryState::Failed);
            assert_eq!(nth as usize, retry.len() + 1);
            let hours = (now - start).num_hours();
            assert!((18..=29).contains(&hours), "{hours} h");
        }
    }

    #[test]
    fn a_receiver_is_disabled_when_it_is_gone_or_has_failed_for_three_days() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let judge = |outcome: Outcome, event, nth, since: i64| {
            judge(&outcome, event, nth, &usual(), Some(now - TimeDelta::hours(since)), 0.0, now)
        };
        let event = EventKind::InstanceKilled;
        assert!(judge(failed(Some(410)), event, 1, 0).disable.is_some());
        assert!(judge(failed(None), event, 99, 71).disable.is_none());
        let long = judge(failed(None), event, 99, 72);
        assert_eq!(long.state, DeliveryState::Failed);
        assert!(long.disable.unwrap().contains("1970-04-08"));
        assert!(
            judge(failed(Some(500)), event, 1, 999).disable.is_none(),
            "not before the event is given up"
        );
        let test = judge(failed(Some(410)), EventKind::Test, 1, 999);
        assert_eq!((test.state, test.next_at, test.disable), (DeliveryState::Failed, None, None));
    }

    proptest! {
        #[test]
        fn whatever_comes_there_is_a_next_time_exactly_while_it_waits(
            status in proptest::option::of(100u16..600),
            accepted: bool,
            nth in 0u32..200,
            pauses in proptest::collection::vec(0u64..100_000, 0..12),
            since in proptest::option::of(0i64..10_000_000),
            chance in -2.0..2.0f64,
        ) {
            let now = DateTime::UNIX_EPOCH + TimeDelta::days(200);
            let outcome = if accepted { Outcome { status, error: None } } else { failed(status) };
            let retry: Vec<Duration> = pauses.into_iter().map(Duration::from_secs).collect();
            let since = since.map(|seconds| now - TimeDelta::seconds(seconds));
            let verdict = judge(&outcome, EventKind::InstanceFailed, nth, &retry, since, chance, now);
            prop_assert_eq!(verdict.next_at.is_some(), verdict.state == DeliveryState::Pending);
            prop_assert!(verdict.next_at.is_none_or(|next| next >= now));
            prop_assert_eq!(verdict.state == DeliveryState::Delivered, accepted);
            prop_assert!(verdict.disable.is_none() || verdict.state == DeliveryState::Failed);
        }
    }
}
