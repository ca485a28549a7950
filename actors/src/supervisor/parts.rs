//! Processes that are a part of an instance: supervised like one, and gone with it.

use std::collections::HashMap;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::Supervisor;
use crate::launch::Spec;
use crate::state::{Command, Event, Run, Usage};

impl Supervisor {
    /// Whether the instance has a process, so that there may be parts of it.
    pub(super) fn lives(&self, id: Uuid) -> bool {
        let entry = self.entries.get(&id).filter(|entry| entry.removal.is_empty());
        entry.is_some_and(|entry| entry.life.live_runs().next().is_some())
    }

    /// Ends every part of an instance that has no process of its own any more, or is to go.
    pub(super) fn end_parts(&mut self, whole: Uuid) {
        for part in self.parts.get(&whole).into_iter().flatten() {
            self.follow_ups.push_back((*part, Event::Command(Command::Stop), None));
        }
    }

    /// An instance is removed once its last part is.
    pub(super) fn removed(&mut self, id: Uuid, waiters: Vec<oneshot::Sender<()>>) {
        if self.parts.contains_key(&id) {
            self.leaving.entry(id).or_default().extend(waiters);
            return;
        }
        for waiter in waiters {
            // A caller that went away does not need the answer.
            let _ = waiter.send(());
        }
    }

    /// One that is over is a part of nothing any more.
    pub(super) fn forget_part(&mut self, spec: &Spec) {
        let Some(whole) = spec.part_of else { return };
        if let Some(parts) = self.parts.get_mut(&whole) {
            parts.retain(|part| *part != spec.id);
            if parts.is_empty() {
                self.parts.remove(&whole);
                let waiters = self.leaving.remove(&whole).unwrap_or_default();
                self.removed(whole, waiters);
            }
        }
        if let Some(entry) = self.entries.get_mut(&whole)
            && !self.parts.contains_key(&whole)
        {
            entry.parts = Usage::default();
        }
    }

    /// Notes with each instance what its parts use.
    pub(super) fn add_up_parts(&mut self, trees: &[(Uuid, Run, Usage)]) {
        if self.parts.is_empty() {
            return;
        }
        let mut sums: HashMap<Uuid, Usage> = HashMap::new();
        for (id, _, usage) in trees {
            if let Some(whole) = self.entries.get(id).and_then(|entry| entry.spec.part_of) {
                let sum = sums.entry(whole).or_default();
                sum.memory_bytes += usage.memory_bytes;
                sum.cpu_percent += usage.cpu_percent;
                sum.processes += usage.processes;
                sum.tasks += usage.tasks;
                sum.refused_forks += usage.refused_forks;
            }
        }
        for (whole, sum) in sums {
            if let Some(entry) = self.entries.get_mut(&whole) {
                entry.parts = sum;
            }
        }
    }
}
