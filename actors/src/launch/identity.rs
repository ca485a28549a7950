//! Telling one process from every other that ever had, or will have, its process id.

use std::io;
use std::sync::OnceLock;

use super::Identity;

/// The start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5).
///
/// # Errors
/// `NotFound` if there is no such process; `InvalidData` if it has ended and is not reaped yet.
pub(crate) fn start_ticks(pid: u32) -> io::Result<u64> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_ticks(&line)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the process has ended"))
}

/// `None` too for a process that has ended and only waits to be reaped. The program's name, field 2, stands
/// in parentheses and may itself hold spaces and parentheses.
fn parse_start_ticks(line: &str) -> Option<u64> {
    let mut after_name = line.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = after_name.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    after_name.nth(18)?.parse().ok()
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
    fn a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "4242 (a ) b (c) S 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 20";
        assert_eq!(parse_start_ticks(line), Some(987_654));
        assert_eq!(parse_start_ticks("4242 (a"), None);
    }

    #[test]
    fn a_process_that_only_waits_to_be_reaped_is_not_there() {
        let line = "4242 (a) Z 1 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 20";
        assert_eq!(parse_start_ticks(line), None);
    }

    #[test]
    fn this_process_is_itself_and_no_other() {
        let me = Identity::of(std::process::id()).unwrap();
        assert!(me.is_present());
        assert!(!Identity { start_ticks: me.start_ticks + 1, ..me.clone() }.is_present());
        assert!(!Identity { boot_id: "another boot".into(), ..me.clone() }.is_present());
        assert!(!Identity { boot_id: String::new(), ..me }.is_present());
    }
}
