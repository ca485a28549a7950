//! What one event said about a replacement, for those who are to hear of it.

use super::entry::exit_words;
use crate::lifecycle::Life;
use crate::snapshot::LastExit;
use crate::state::{Beside, Cause, Event, Fact, Run, State};

/// Whether this run serves in this state.
pub(super) fn serves(state: State, run: Run) -> bool {
    matches!(state, State::Running { run: live } | State::Unhealthy { run: live, .. } if live == run)
}

/// Whether the event was the end of a successor that did not get ready.
pub(super) fn gave_up(before: &Life, event: Event, after: &Life) -> bool {
    matches!(event, Event::Fact(_))
        && matches!(before.beside(), Some(Beside::Starting { .. }))
        && before.beside() != after.beside()
        && after.cause() == Cause::ReplacementFailed
}

/// Why it was given up, in words.
pub(super) fn why_given_up(event: Event, last: Option<&LastExit>) -> String {
    match (event, last) {
        (Event::Fact(Fact::Exited(..)), Some(last)) => exit_words(last),
        (Event::Fact(Fact::Sampled(..)), _) => "it used more than its limits allow".to_owned(),
        _ => "it was not ready in time".to_owned(),
    }
}
