//! What keeps an instance to itself, layer by layer, and what it amounts to.

use serde::{Deserialize, Serialize};

/// One thing that keeps an instance to itself.
///
/// ```
/// use minimcp_actors::launch::isolation::Layer;
///
/// assert_eq!(Layer::OwnUser.as_str(), "own_user");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A mount namespace of its own: `/tmp`, `/var/tmp` and `/proc` show nothing of others, and of directories
    /// that only the daemon may enter it sees what it was given.
    PrivateMounts,
    /// A user and group that no other instance has.
    OwnUser,
    /// No capability, and none to be had.
    NoCapabilities,
    /// No supplementary group, which would open what is the group's.
    NoGroups,
    /// Programs that raise privileges (`su`, `sudo`) raise none.
    NoNewPrivileges,
    /// Landlock: files outside its own and its programs cannot be opened.
    Files,
    /// Landlock: no TCP port but its own can be listened on.
    Ports,
    /// Landlock: no process outside can be signalled, and no abstract socket outside be connected to.
    Scopes,
    /// A seccomp filter that refuses calls to parts of the kernel that no server needs.
    Syscalls,
    /// Bounds of open files and tasks, and no core dump.
    Bounds,
    /// When memory runs out it ends before the daemon does.
    OomScore,
    /// The kernel ends it a minute after its lease, even with no daemon there.
    LeaseAlarm,
}

impl Layer {
    /// Every layer, in the order in which they are put on.
    pub const ALL: [Self; 12] = [
        Self::OomScore,
        Self::PrivateMounts,
        Self::Bounds,
        Self::NoCapabilities,
        Self::NoGroups,
        Self::OwnUser,
        Self::NoNewPrivileges,
        Self::Files,
        Self::Ports,
        Self::Scopes,
        Self::Syscalls,
        Self::LeaseAlarm,
    ];

    /// The name in JSON, such as `own_user`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateMounts => "private_mounts",
            Self::OwnUser => "own_user",
            Self::NoCapabilities => "no_capabilities",
            Self::NoGroups => "no_groups",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::Files => "files",
            Self::Ports => "ports",
            Self::Scopes => "scopes",
            Self::Syscalls => "syscalls",
            Self::Bounds => "bounds",
            Self::OomScore => "oom_score",
            Self::LeaseAlarm => "lease_alarm",
        }
    }
}

/// How well instances are kept apart.
///
/// ```
/// use minimcp_actors::launch::isolation::{Layer, Level};
///
/// assert_eq!(Level::of(|_| true), Level::Strong);
/// assert_eq!(Level::of(|layer| layer != Layer::OwnUser), Level::Medium);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A hostile server can reach others, or the daemon.
    Weak,
    /// All run as one user, and Landlock and seccomp keep them apart.
    Medium,
    /// Each has a user of its own, and Landlock and seccomp on top.
    Strong,
}

impl Level {
    /// What these layers amount to.
    #[must_use]
    pub fn of(in_force: impl Fn(Layer) -> bool) -> Self {
        use Layer::{Files, NoCapabilities, NoGroups, NoNewPrivileges, OwnUser, Ports, Scopes, Syscalls};
        let has = |layers: &[Layer]| layers.iter().all(|layer| in_force(*layer));
        if !has(&[NoCapabilities, NoNewPrivileges, Files, Ports, Scopes, Syscalls]) {
            Self::Weak
        } else if has(&[OwnUser, NoGroups]) {
            Self::Strong
        } else {
            Self::Medium
        }
    }

    /// The name in JSON, such as `strong`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Medium => "medium",
            Self::Strong => "strong",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a layer is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// Why it is not in force; `None` if it is. Holds no secret.
    pub missing: Option<String>,
}

/// Every layer and what they amount to.
///
/// ```
/// use minimcp_actors::launch::isolation::{Layer, Level, Report};
///
/// let whole = Report::new(|_| None);
/// let lesser = whole.without(Layer::Syscalls, "the kernel has no seccomp");
/// assert_eq!((whole.level, lesser.level), (Level::Strong, Level::Weak));
/// assert_eq!(lesser.gaps(), ["syscalls: the kernel has no seccomp"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What they amount to.
    pub level: Level,
    /// Every layer, in the order of [`Layer::ALL`].
    pub layers: Vec<LayerReport>,
}

impl Report {
    /// The report on layers of which this says what is missing; `None` is said of those in force.
    #[must_use]
    pub fn new(missing: impl Fn(Layer) -> Option<String>) -> Self {
        let layers: Vec<LayerReport> =
            Layer::ALL.iter().map(|&layer| LayerReport { layer, missing: missing(layer) }).collect();
        let in_force = |wanted| layers.iter().any(|one| one.layer == wanted && one.missing.is_none());
        Self { level: Level::of(in_force), layers }
    }

    /// The report where nothing is asked for, and why.
    #[must_use]
    pub fn nothing(why: &str) -> Self {
        Self::new(|_| Some(why.to_owned()))
    }

    /// The same without this layer, and why.
    #[must_use]
    pub fn without(&self, gone: Layer, why: &str) -> Self {
        let missing = |layer| self.layers.iter().find(|one| one.layer == layer)?.missing.clone();
        Self::new(|layer| if layer == gone { Some(why.to_owned()) } else { missing(layer) })
    }

    /// Whether the layer is in force.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        self.layers.iter().any(|one| one.layer == layer && one.missing.is_none())
    }

    /// The layers that are missing, and why, in words.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let gap = |one: &LayerReport| Some(format!("{}: {}", one.layer.as_str(), one.missing.as_ref()?));
        self.layers.iter().filter_map(gap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_one_name_everywhere_and_each_is_listed_once() {
        for layer in Layer::ALL {
            assert_eq!(serde_json::json!(layer), layer.as_str());
            assert_eq!(Layer::ALL.iter().filter(|other| **other == layer).count(), 1);
        }
    }

    #[test]
    fn without_any_one_layer_that_keeps_others_out_the_level_is_weak() {
        assert_eq!(Report::new(|_| None).level, Level::Strong);
        let without = |gone| Report::new(|_| None).without(gone, "gone");
        for layer in [Layer::OwnUser, Layer::NoGroups] {
            assert_eq!(without(layer).level, Level::Medium, "{layer:?}");
        }
        for layer in [
            Layer::NoCapabilities,
            Layer::NoNewPrivileges,
            Layer::Files,
            Layer::Ports,
            Layer::Scopes,
            Layer::Syscalls,
        ] {
            let report = without(layer);
            assert_eq!(report.level, Level::Weak, "{layer:?}");
            assert_eq!(report.gaps(), [format!("{}: gone", layer.as_str())]);
            assert!(!report.has(layer) && report.has(Layer::OwnUser));
        }
        assert_eq!(Report::nothing("off").level, Level::Weak);
    }
}
