//! The ranges of the rules, each end from both sides: what holds can be built, what does not is refused by
//! name.

use std::time::Duration;

use minimcp_actors::policy::{Backoff, Budget, Policy};

const DAY: Duration = Duration::from_secs(86_400);
const NANO: Duration = Duration::from_nanos(1);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The field that is refused in a policy with this change, if one is.
fn refused(change: impl FnOnce(&mut Policy)) -> Option<&'static str> {
    let mut policy = Policy::default();
    change(&mut policy);
    policy.checked().err().map(|invalid| invalid.field)
}

#[test]
fn a_budget_holds_up_to_1000_restarts_in_a_second_to_a_day() {
    let field = |intensity, period| Budget::new(intensity, period).err().map(|invalid| invalid.field);
    assert_eq!(field(0, millis(1_000)), None);
    assert_eq!(field(1_000, DAY), None);
    assert_eq!(field(1_001, DAY), Some("budget.intensity"));
    assert_eq!(field(1, millis(1_000) - NANO), Some("budget.period"));
    assert_eq!(field(1, DAY + NANO), Some("budget.period"));
    let budget = Budget::new(7, millis(9_000)).unwrap();
    assert_eq!((budget.intensity(), budget.period()), (7, millis(9_000)));
}

#[test]
fn a_back_off_lasts_from_a_millisecond_to_a_day_and_its_maximum_no_less_than_its_beginning() {
    let field = |initial, max| Backoff::new(initial, max).err().map(|invalid| invalid.field);
    assert_eq!(field(millis(1), millis(1)), None);
    assert_eq!(field(DAY, DAY), None);
    assert_eq!(field(millis(1) - NANO, DAY), Some("backoff.initial"));
    assert_eq!(field(millis(2), millis(2) - NANO), Some("backoff.max"));
    assert_eq!(field(millis(1), DAY + NANO), Some("backoff.max"));
}

#[test]
fn a_back_off_doubles_from_the_second_restart_and_stays_at_its_maximum() {
    let backoff = Backoff::new(millis(3), millis(20)).unwrap();
    let delays: Vec<_> = [0, 1, 2, 3, 4, 5, 6, 33, 34, 35, u32::MAX].map(|nth| backoff.delay(nth)).into();
    assert_eq!(delays, [0, 0, 3, 6, 12, 20, 20, 20, 20, 20, 20].map(millis));
}

#[test]
fn every_time_out_and_interval_lasts_from_ten_milliseconds_to_a_day() {
    type Field = fn(&mut Policy) -> &mut Duration;
    let fields: [(&str, Field); 3] = [
        ("timing.start_timeout", |policy| &mut policy.timing.start_timeout),
        ("timing.probe_interval", |policy| &mut policy.timing.probe_interval),
        ("timing.probe_timeout", |policy| &mut policy.timing.probe_timeout),
    ];
    for (name, field) in fields {
        let with = |value| refused(|policy| *field(policy) = value);
        assert_eq!(with(millis(10)), None);
        assert_eq!(with(DAY), None);
        assert_eq!(with(millis(10) - NANO), Some(name));
        assert_eq!(with(DAY + NANO), Some(name));
    }
}

#[test]
fn grace_strikes_and_limits_are_checked_at_their_ends() {
    assert_eq!(refused(|policy| policy.timing.grace = Duration::ZERO), None);
    assert_eq!(refused(|policy| policy.timing.grace = millis(600_000)), None);
    assert_eq!(refused(|policy| policy.timing.grace = millis(600_000) + NANO), Some("timing.grace"));
    assert_eq!(refused(|policy| policy.strikes = 1), None);
    assert_eq!(refused(|policy| policy.strikes = 0), Some("strikes"));
    assert_eq!(refused(|policy| policy.limits.memory_bytes = Some(1)), None);
    assert_eq!(refused(|policy| policy.limits.memory_bytes = Some(0)), Some("limits.memory_bytes"));
    assert_eq!(refused(|policy| policy.limits.cpu_percent = Some(1)), None);
    assert_eq!(refused(|policy| policy.limits.cpu_percent = Some(0)), Some("limits.cpu_percent"));
}
