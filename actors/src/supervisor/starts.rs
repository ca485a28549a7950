//! Who may start now: a bounded number at once, in the order of asking.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::state::Run;

/// The queue of starts and the slots in use.
///
/// A slot is held until the run is ready, has ended, or has had it for long enough: a server that never gets
/// ready must not keep others from starting.
#[derive(Debug)]
pub(super) struct Starts {
    slots: usize,
    waiting: VecDeque<(Uuid, Run)>,
    holding: HashMap<Uuid, Run>,
}

impl Starts {
    pub(super) fn new(slots: usize) -> Self {
        Self { slots: slots.max(1), waiting: VecDeque::new(), holding: HashMap::new() }
    }

    pub(super) fn ask(&mut self, id: Uuid, run: Run) {
        self.waiting.push_back((id, run));
    }

    /// The next to start, if a slot is free. It holds the slot from now on.
    pub(super) fn grant(&mut self) -> Option<(Uuid, Run)> {
        if self.holding.len() >= self.slots {
            return None;
        }
        let (id, run) = self.waiting.pop_front()?;
        self.holding.insert(id, run);
        Some((id, run))
    }

    pub(super) fn release(&mut self, id: Uuid, run: Run) {
        if self.holding.get(&id) == Some(&run) {
            self.holding.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_bounded_in_order_and_a_slot_is_given_back_only_by_its_run() {
        let mut starts = Starts::new(1);
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        starts.ask(a, Run(1));
        starts.ask(b, Run(1));
        assert_eq!(starts.grant(), Some((a, Run(1))));
        assert_eq!(starts.grant(), None);
        starts.release(a, Run(2));
        assert_eq!(starts.grant(), None);
        starts.release(a, Run(1));
        assert_eq!(starts.grant(), Some((b, Run(1))));
    }
}
