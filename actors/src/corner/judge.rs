//! Who has to be in the corner, by what was seen of each run.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::state::Run;

/// How long a run stays that takes no more than it may.
const STAY: Duration = Duration::from_secs(10);
/// Looks in a row at which a run took too much. One alone may have been a single call.
const LOOKS: u8 = 2;

/// A run of an instance.
pub(super) type Key = (Uuid, Run);

/// What has to change for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has to go into the corner.
    Confine,
    /// It is there and has to stay: what it has begun meanwhile goes there too.
    Keep,
    /// It may leave.
    Release,
}

/// What is known of the runs that took too much lately.
#[derive(Debug, Default)]
pub(super) struct Judge(HashMap<Key, Standing>);

#[derive(Debug, Clone, Copy)]
enum Standing {
    /// It took too much at so many looks.
    Suspected(u8),
    /// It is in the corner, until it has been good for long enough.
    Confined { until: Instant },
}

impl Judge {
    /// Whether any run is in the corner.
    pub(super) fn has_confined(&self) -> bool {
        self.0.values().any(|standing| matches!(standing, Standing::Confined { .. }))
    }

    /// Judges every run there is by whether it takes too much at `now`. A run that is not among them is forgotten.
    pub(super) fn look(&mut self, seen: &[(Key, bool)], now: Instant) -> Vec<(Key, Verdict)> {
        let mut standings = HashMap::new();
        let mut verdicts = Vec::new();
        for (key, over) in seen {
            let (standing, verdict) = next(self.0.get(key).copied(), *over, now);
            standings.extend(standing.map(|standing| (*key, standing)));
            verdicts.extend(verdict.map(|verdict| (*key, verdict)));
        }
        self.0 = standings;
        verdicts
    }
}

fn next(standing: Option<Standing>, over: bool, now: Instant) -> (Option<Standing>, Option<Verdict>) {
    let confined = Standing::Confined { until: now + STAY };
    match (standing, over) {
        (None, false) | (Some(Standing::Suspected(_)), false) => (None, None),
        (None, true) => (Some(Standing::Suspected(1)), None),
        (Some(Standing::Suspected(looks)), true) if looks + 1 < LOOKS => {
            (Some(Standing::Suspected(looks + 1)), None)
        }
        (Some(Standing::Suspected(_)), true) => (Some(confined), Some(Verdict::Confine)),
        (Some(Standing::Confined { .. }), true) => (Some(confined), Some(Verdict::Keep)),
        (Some(Standing::Confined { until }), false) if now < until => (standing, None),
        (Some(Standing::Confined { .. }), false) => (None, Some(Verdict::Release)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Key = (Uuid::nil(), Run(1));

    #[test]
    fn one_look_is_no_proof_and_a_calm_one_begins_anew() {
        let (mut judge, now) = (Judge::default(), Instant::now());
        for over in [true, false, true] {
            assert_eq!(judge.look(&[(RUN, over)], now), []);
        }
        assert!(!judge.has_confined());
        assert_eq!(judge.look(&[(RUN, true)], now), [(RUN, Verdict::Confine)]);
        assert!(judge.has_confined());
    }

    #[test]
    fn who_is_confined_stays_until_it_was_good_for_long_enough() {
        let (mut judge, begun) = (Judge::default(), Instant::now());
        judge.look(&[(RUN, true)], begun);
        judge.look(&[(RUN, true)], begun);
        let later = begun + STAY / 2;
        assert_eq!(judge.look(&[(RUN, true)], later), [(RUN, Verdict::Keep)]);
        assert_eq!(judge.look(&[(RUN, false)], later + STAY / 2), []);
        assert_eq!(judge.look(&[(RUN, false)], later + STAY), [(RUN, Verdict::Release)]);
        assert_eq!(judge.look(&[(RUN, false)], later + STAY), [], "once");
    }

    #[test]
    fn a_run_that_is_gone_is_forgotten_and_its_successor_is_another() {
        let (mut judge, now) = (Judge::default(), Instant::now());
        judge.look(&[(RUN, true)], now);
        judge.look(&[(RUN, true)], now);
        assert_eq!(judge.look(&[((RUN.0, Run(2)), true)], now), []);
        assert!(!judge.has_confined());
    }
}
