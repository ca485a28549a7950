//! When a lease ends, from what a caller asked for.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

use crate::problem::{Code, Problem};

/// What a caller asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    /// In minutes from now.
    pub(super) minutes: Option<u32>,
    /// As a time.
    pub(super) at: Option<DateTime<Utc>>,
}

/// The end of the lease. `default` is for a wish that says nothing; without it, saying nothing is refused.
///
/// # Errors
/// `lease_ambiguous`, `lease_missing`, `lease_in_past` or `lease_too_long`.
pub(super) fn end(
    wish: Wish,
    default: Option<Duration>,
    max: Duration,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Problem> {
    let (end, pointer) = match (wish.minutes, wish.at) {
        (Some(_), Some(_)) => {
            let detail = "give either expiration_minutes or expires_at, not both";
            return Err(Problem::at(Code::LeaseAmbiguous, "/expires_at", detail));
        }
        (Some(minutes), None) => (now + Duration::from_secs(u64::from(minutes) * 60), "/expiration_minutes"),
        (None, Some(at)) => (at, "/expires_at"),
        (None, None) => match default {
            Some(default) => (now + default, ""),
            None => {
                let detail = "give expiration_minutes or expires_at";
                return Err(Problem::at(Code::LeaseMissing, "", detail));
            }
        },
    };
    if end <= now {
        let detail = "the lease would end in the past; give a time that is still to come";
        return Err(Problem::at(Code::LeaseInPast, pointer, detail));
    }
    if end > now + max {
        let longest = humantime::format_duration(Duration::from_secs(max.as_secs()));
        let detail = format!("a lease lasts at most {longest} from now; extend it later instead");
        return Err(Problem::at(Code::LeaseTooLong, pointer, detail));
    }
    // What both databases keep, so that the answer is what a later one will be.
    Ok(end.trunc_subsecs(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wish_or_the_default_and_neither_past_nor_too_long() {
        let now = Utc::now().trunc_subsecs(6);
        let hour = Duration::from_secs(3_600);
        let check = |minutes, at, default| end(Wish { minutes, at }, default, 2 * hour, now);
        let code = |minutes, at, default| check(minutes, at, default).unwrap_err().code();
        assert_eq!(check(Some(30), None, None), Ok(now + hour / 2));
        assert_eq!(check(None, Some(now + hour), None), Ok(now + hour));
        assert_eq!(check(None, None, Some(hour)), Ok(now + hour));
        assert_eq!(check(Some(120), None, None), Ok(now + 2 * hour), "just long enough");
        assert_eq!(code(Some(1), Some(now + hour), None), Code::LeaseAmbiguous);
        assert_eq!(code(None, None, None), Code::LeaseMissing);
        assert_eq!(code(None, Some(now), None), Code::LeaseInPast);
        assert_eq!(code(None, Some(now - hour), None), Code::LeaseInPast);
        assert_eq!(code(Some(0), None, None), Code::LeaseInPast);
        assert_eq!(code(Some(121), None, None), Code::LeaseTooLong);
        assert_eq!(code(Some(u32::MAX), None, None), Code::LeaseTooLong);
        assert_eq!(code(None, Some(DateTime::<Utc>::MAX_UTC), None), Code::LeaseTooLong);
    }
}
