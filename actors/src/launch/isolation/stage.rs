//! The layers in the order in which they can be put on, in the stage behind the gate: one thread, nothing of a user
//! has run yet.

use std::collections::BTreeMap;
use std::io;

use super::confinement::{Answer, Confinement};
use super::report::{Layer, Level, Report};
use super::ruleset::said;
use super::{bounds, filter, mounts, privileges, ruleset, signals};

/// Higher than any server sets for itself, lower than "first of all".
const OOM_SCORE: &str = "500";

/// Has the kernel end this process before the daemon when memory runs out. To be called while the process still
/// owns what `/proc` shows of it.
pub(in crate::launch) fn end_me_first() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", OOM_SCORE)
}

/// What became of each layer so far.
struct Layers {
    missing: BTreeMap<Layer, String>,
}

impl Layers {
    /// Puts a layer on unless nobody asked for it.
    fn put<E: std::error::Error + 'static>(
        &mut self,
        layer: Layer,
        on: impl FnOnce() -> Result<(), E>,
    ) -> bool {
        if self.missing.contains_key(&layer) {
            return false;
        }
        match on() {
            Ok(()) => true,
            Err(error) => {
                self.missing.insert(layer, said(&error));
                false
            }
        }
    }

    fn has(&self, layer: Layer) -> bool {
        !self.missing.contains_key(&layer)
    }

    fn lack(&mut self, layer: Layer, why: impl Into<String>) {
        self.missing.entry(layer).or_insert_with(|| why.into());
    }
}

/// Puts on all that is asked for, as far as the kernel gives it, and says what it gave. `scored` is what became of
/// [`end_me_first`].
pub(in crate::launch) fn put_on(wanted: &Confinement, scored: io::Result<()>) -> Answer {
    let mut layers = Layers { missing: wanted.unasked.iter().cloned().collect() };
    layers.put(Layer::OomScore, || scored);
    layers.put(Layer::PrivateMounts, || mounts::part(&wanted.mounts));
    layers.put(Layer::Bounds, || bounds::set(wanted.max_tasks));

    // What is to be opened for the rules is opened while it can be.
    let own_mounts = layers.has(Layer::PrivateMounts);
    let temporary: &[&str] = if own_mounts { &mounts::TEMPORARY } else { &[] };
    let mut prepared = None;
    layers.put(Layer::Files, || {
        ruleset::prepare(wanted, own_mounts, temporary).map(|done| prepared = Some(done))
    });

    if rustix::process::geteuid().is_root() {
        layers.put(Layer::NoCapabilities, privileges::empty_bounding_set);
    }
    layers.put(Layer::NoGroups, privileges::no_groups);
    if let Some(user) = wanted.user
        && let Err(error) = privileges::become_user(user)
    {
        // One user for all is no layer, but whoever asked for it relies on it.
        if !layers.has(Layer::OwnUser) {
            let refused = Some(format!("user {}: {error}", user.uid));
            return Answer { report: report(wanted, &layers), refused };
        }
        layers.lack(Layer::OwnUser, error.to_string());
    }
    layers.put(Layer::NoCapabilities, privileges::no_capabilities);
    layers.put(Layer::NoNewPrivileges, || rustix::thread::set_no_new_privs(true).map_err(io::Error::from));
    rules(&mut layers, prepared);
    layers.put(Layer::Syscalls, filter::set);
    layers.put(Layer::LeaseAlarm, || -> io::Result<()> {
        if let Some(seconds) = wanted.alarm {
            signals::alarm(seconds);
        }
        Ok(())
    });
    answer(wanted, &layers)
}

/// Files, ports and scopes are one ruleset.
fn rules(layers: &mut Layers, prepared: Option<ruleset::Prepared>) {
    let Some(prepared) = prepared else {
        let why = layers.missing.get(&Layer::Files).cloned().unwrap_or_default();
        for layer in [Layer::Ports, Layer::Scopes] {
            layers.lack(layer, why.clone());
        }
        return;
    };
    for (layer, why) in &prepared.lacks {
        layers.lack(*layer, why.clone());
    }
    if let Err(why) = prepared.put_on() {
        for layer in [Layer::Files, Layer::Ports, Layer::Scopes] {
            layers.lack(layer, why.clone());
        }
    }
}

fn answer(wanted: &Confinement, layers: &Layers) -> Answer {
    let lost = wanted.required.iter().find_map(|layer| Some((layer, layers.missing.get(layer)?)));
    let refused = lost.map(|(layer, why)| format!("{}: {why}", layer.as_str()));
    Answer { report: report(wanted, layers), refused }
}

fn report(wanted: &Confinement, layers: &Layers) -> Report {
    let report = Report::new(|layer| layers.missing.get(&layer).cloned());
    // Files of one are files of all, and what Landlock leaves open is open to all.
    if wanted.shared { Report { level: Level::Weak, ..report } } else { report }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_executed_without_a_layer_that_was_there_when_the_daemon_started() {
        let layers = Layers { missing: [(Layer::Files, "no Landlock".to_owned())].into() };
        let answer_to = |required: &[Layer]| {
            answer(&Confinement { required: required.to_vec(), ..Confinement::default() }, &layers)
        };
        let refused = answer_to(&[Layer::Syscalls, Layer::Files]);
        assert_eq!(refused.refused.as_deref(), Some("files: no Landlock"));
        let accepted = answer_to(&[Layer::Syscalls]);
        assert_eq!((accepted.refused, accepted.report.level), (None, Level::Weak));
        assert_eq!(accepted.report.gaps(), ["files: no Landlock"]);
    }

    #[test]
    fn one_user_for_all_is_weak_whatever_else_there_is() {
        let layers = Layers { missing: BTreeMap::new() };
        for (shared, level) in [(false, Level::Strong), (true, Level::Weak)] {
            assert_eq!(
                answer(&Confinement { shared, ..Confinement::default() }, &layers).report.level,
                level
            );
        }
    }

    #[test]
    fn what_nobody_asked_for_is_not_put_on_and_what_fails_is_told() {
        let mut layers = Layers { missing: [(Layer::Bounds, "off".to_owned())].into() };
        assert!(!layers.put(Layer::Bounds, || -> io::Result<()> { unreachable!("not asked for") }));
        assert!(!layers.put(Layer::Files, || Err(io::Error::other("broken"))));
        assert!(layers.put(Layer::Syscalls, || -> io::Result<()> { Ok(()) }));
        assert_eq!(layers.missing.into_values().collect::<Vec<_>>(), ["broken", "off"]);
    }
}
