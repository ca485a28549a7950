//! Telling one process from every other that ever had, or will have, its process id.

use std::io;
use std::sync::OnceLock;

use super::Identity;
use super::proc::Stat;

/// The start time of a process in clock ticks since boot.
///
/// # Errors
/// `NotFound` if there is no such process; `InvalidData` if it has ended and is not reaped yet.
pub(crate) fn start_ticks(pid: u32) -> io::Result<u64> {
    let stat = Stat::of(pid)?;
    if stat.ended {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the process has ended"));
    }
    Ok(stat.start_ticks)
}

/// The id of this boot of the machine; empty where the kernel does not tell, which matches no record.
pub(crate) fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_default()
    })
}

impl Identity {
    /// The identity of a live process.
    ///
    /// # Errors
    /// What reading `/proc` says.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start_ticks: start_ticks(pid)?, boot_id: boot_id().to_owned() })
    }

    /// Whether the process that has this id at present is the one that was recorded. Ask it while a pidfd
    /// pins the process, or the answer may be about one that has just gone.
    #[must_use]
    pub fn is_present(&self) -> bool {
        !self.boot_id.is_empty()
            && self.boot_id == boot_id()
            && start_ticks(self.pid).is_ok_and(|ticks| ticks == self.start_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_itself_and_no_other() {
        let me = Identity::of(std::process::id()).unwrap();
        assert!(me.is_present());
        assert!(!Identity { start_ticks: me.start_ticks + 1, ..me.clone() }.is_present());
        assert!(!Identity { boot_id: "another boot".into(), ..me.clone() }.is_present());
        assert!(!Identity { boot_id: String::new(), ..me }.is_present());
    }
}
