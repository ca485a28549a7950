//! What there is of a daemon's servers on this machine: processes, run records, ports.

use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use super::Daemon;

impl Daemon {
    /// The processes that were started for this data directory, other than the daemon.
    pub(crate) fn servers(&self) -> Vec<u32> {
        let data = self.data().into_os_string().into_encoded_bytes();
        let daemon = self.child.as_ref().map(std::process::Child::id);
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| Some(*pid) != daemon)
            .filter(|pid| {
                // A process that is gone by now is none of them.
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let holds = |wanted: &[u8]| environment.windows(wanted.len()).any(|window| window == wanted);
                // With the daemon's own variables it is what the daemon is about to start, and nothing yet.
                holds(&data) && !holds(b"MINIMCP_DATA_DIR=")
            })
            .collect()
    }

    /// Files that tell of processes.
    pub(crate) fn records(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.data().join("run")).unwrap().map(|entry| entry.unwrap().path());
        // Beside them are the homes of instances, which stay for as long as the instances do.
        files.filter(|path| !path.is_dir()).collect()
    }
}

/// Whether a server could be given the port.
pub(crate) fn is_free(port: &Value) -> bool {
    TcpListener::bind(("127.0.0.1", port.as_u64().unwrap().try_into().unwrap())).is_ok()
}
