//! Which reminders are due, whatever the clock does.

use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

const DAY: i64 = 24 * 60;
const EXPIRES: i64 = 1_000 * DAY;

#[test]
fn the_nearest_reminder_is_due_from_its_moment_on_and_once() {
    for (days_left, sent, expected) in [
        (31, &[][..], None),
        (30, &[], Some(30)),
        (8, &[], Some(30)),
        (8, &[30], None),
        (7, &[30], Some(7)),
        (5, &[], Some(7)),
        (1, &[30, 7], Some(1)),
        (0, &[30, 7, 1], Some(0)),
        (-400, &[], Some(0)),
        (-400, &[0], None),
        (5, &[0], None),
    ] {
        let now = at(EXPIRES - days_left * DAY);
        assert_eq!(due(now, at(EXPIRES), sent), expected, "{days_left} days left, {sent:?} given");
    }
    assert_eq!(due(at(EXPIRES - 7 * DAY - 1), at(EXPIRES), &[30]), None, "a minute early");
}

#[test]
fn the_names_of_what_happens_round_trip_and_agree_with_serde() {
    for one in OnExpiry::ALL {
        assert_eq!(OnExpiry::from_name(one.as_str()), Some(one));
        assert_eq!(serde_json::json!(one), one.as_str());
    }
}

proptest! {
    #[test]
    fn each_reminder_is_given_at_most_once_and_never_early_under_clock_jumps_of_400_days(
        start in -40..100i64,
        jumps in vec(-400 * DAY..400 * DAY, 0..40),
    ) {
        let mut now = at(EXPIRES - start * DAY);
        let mut sent = Vec::new();
        for jump in jumps {
            if let Some(days) = due(now, at(EXPIRES), &sent) {
                prop_assert!(now >= moment(at(EXPIRES), days));
                prop_assert!(sent.iter().all(|given| days < *given), "{days} after {sent:?}");
                sent.push(days);
            }
            prop_assert_eq!(due(now, at(EXPIRES), &sent), None, "not twice");
            now += TimeDelta::minutes(jump);
        }
        prop_assert!(sent.len() <= THRESHOLDS.len());
    }

    #[test]
    fn sleeping_until_the_next_look_misses_no_reminder_and_ends_with_the_expiry(start in 0..100 * DAY) {
        let mut now = at(EXPIRES - start);
        let mut sent = Vec::new();
        loop {
            sent.extend(due(now, at(EXPIRES), &sent));
            let Some(next) = next_look(now, at(EXPIRES), &sent) else { break };
            prop_assert!(next > now);
            prop_assert_eq!(due(next - TimeDelta::microseconds(1), at(EXPIRES), &sent), None);
            prop_assert!(due(next, at(EXPIRES), &sent).is_some());
            now = next;
        }
        prop_assert_eq!(sent.last(), Some(&0));
        let all_that_were_left: Vec<i32> =
            THRESHOLDS.into_iter().filter(|days| i64::from(*days) * DAY < start).collect();
        prop_assert!(sent.ends_with(&all_that_were_left), "{sent:?} without {all_that_were_left:?}");
    }
}
