//! What the stage behind the gate is asked to put on, and what it answers. Values only.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::report::{Layer, Report};

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
}

/// What of the file system is its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::launch) struct Mounts {
    /// Directories that are covered by an empty one.
    pub(in crate::launch) covers: Vec<PathBuf>,
    /// What is put back at its place in them.
    pub(in crate::launch) kept: Vec<PathBuf>,
}

/// All that one launch asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::launch) struct Confinement {
    /// Layers that nobody asked for, and why.
    pub(in crate::launch) unasked: Vec<(Layer, String)>,
    /// Without these the program is not executed.
    pub(in crate::launch) required: Vec<Layer>,
    /// Who it runs as; `None` for the user of the daemon.
    pub(in crate::launch) user: Option<User>,
    /// Whether that user is one that all instances share because somebody wants it so.
    pub(in crate::launch) shared: bool,
    pub(in crate::launch) mounts: Mounts,
    /// What it may read and execute, beside the system's own programs and libraries.
    pub(in crate::launch) readable: Vec<PathBuf>,
    /// What it may change.
    pub(in crate::launch) writable: Vec<PathBuf>,
    /// Where its temporary files go if it may not use those directories that all share.
    pub(in crate::launch) temporary: Option<PathBuf>,
    /// The only TCP port it may listen on.
    pub(in crate::launch) port: Option<u16>,
    /// Most tasks of its user; only where it has a user of its own.
    pub(in crate::launch) max_tasks: Option<u64>,
    /// Seconds until the kernel ends it.
    pub(in crate::launch) alarm: Option<u32>,
}

/// What the stage answers before it executes the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::launch) struct Answer {
    pub(in crate::launch) report: Report,
    /// Why the program is not executed.
    pub(in crate::launch) refused: Option<String>,
}
