//! What keeps servers to themselves.

use minimcp_actors::launch::cgroup;
use minimcp_actors::launch::isolation::{self, Report};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What keeps a server, or all of them, to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Isolation {
    /// What the layers amount to.
    pub level: IsolationLevel,
    /// Every layer that there is.
    pub layers: Vec<IsolationLayer>,
}

/// How well servers are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IsolationLevel {
    /// A hostile server can reach others, or the daemon.
    Weak,
    /// All run as one user, and Landlock and seccomp keep them apart.
    Medium,
    /// Each has a user of its own, and Landlock and seccomp on top.
    Strong,
}

/// One thing that keeps a server to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IsolationLayer {
    /// Its name, such as `own_user`.
    pub name: String,
    /// Whether it is in force.
    pub in_force: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

/// What keeps servers apart and within their limits that are started from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineIsolation {
    /// What keeps them to themselves.
    #[serde(flatten)]
    pub isolation: Isolation,
    /// What keeps their limits and ends all of their processes.
    pub control_groups: ControlGroups,
}

/// Who ends the processes of a server and keeps its limits: `cgroup v2`, `cgroup v1` or `sampling`, which is measuring
/// and then ending it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ControlGroups {
    /// How all its processes are ended: `cgroup.kill`, `freezer` or `process scan`.
    pub trees: String,
    /// Who keeps the limit of its memory.
    pub memory: String,
    /// Who keeps the limit of its CPU time.
    pub cpu: String,
    /// Who keeps the limit of its processes and threads.
    pub tasks: String,
    /// Why not more is in force.
    pub gaps: Vec<String>,
}

impl From<&cgroup::Report> for ControlGroups {
    fn from(report: &cgroup::Report) -> Self {
        let cgroup::Enforced { memory, cpu, tasks } = report.enforced;
        let [memory, cpu, tasks] = [memory, cpu, tasks].map(|by| by.as_str().to_owned());
        Self { trees: report.trees.as_str().to_owned(), memory, cpu, tasks, gaps: report.gaps.clone() }
    }
}

impl From<&Report> for Isolation {
    fn from(report: &Report) -> Self {
        let level = match report.level {
            isolation::Level::Weak => IsolationLevel::Weak,
            isolation::Level::Medium => IsolationLevel::Medium,
            isolation::Level::Strong => IsolationLevel::Strong,
        };
        let layer = |one: &isolation::LayerReport| IsolationLayer {
            name: one.layer.as_str().to_owned(),
            in_force: one.missing.is_none(),
            reason: one.missing.clone(),
        };
        Self { level, layers: report.layers.iter().map(layer).collect() }
    }
}
