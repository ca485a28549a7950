//! What a pidfd can do that no safe library offers: signal a whole process group, and tell how a process that is
//! no child of ours has exited.
//!
//! A pidfd pins its process: whatever is asked of it never reaches another process that was given the same id.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

/// Since Linux 6.9: the signal goes to the process group that the process leads.
const PROCESS_GROUP: libc::c_uint = 1 << 2;
/// Since Linux 6.15: tell how it exited.
const INFO_EXIT: u64 = 1 << 3;

/// `struct pidfd_info` of `linux/pidfd.h` in its first version; the kernel takes the size from the request.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// Process, thread group and parent, then the eight ids of user and group.
    ids: [u32; 11],
    exit_code: i32,
}

/// `_IOWR(0xFF, 11, struct pidfd_info)`.
const GET_INFO: libc::Ioctl = {
    let size = size_of::<Info>() as u64;
    (3 << 30 | size << 16 | 0xFF << 8 | 11) as libc::Ioctl
};

/// Sends a signal to every process of the group that this process leads, or has led.
///
/// # Errors
/// `InvalidInput` where the kernel is older than 6.9; `ESRCH` if the group has no member.
#[expect(unsafe_code, reason = "no library passes flags to pidfd_send_signal")]
pub(super) fn signal_group(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let info: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the descriptor is borrowed for the call, and without a siginfo the kernel reads no memory of ours.
    let done = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.as_raw(), info, PROCESS_GROUP)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How a process exited, once whoever is its parent has reaped it. `None` before, and where the kernel is older
/// than 6.15 and does not tell.
#[expect(unsafe_code, reason = "no library knows PIDFD_GET_INFO")]
pub(super) fn exit_status(pidfd: BorrowedFd<'_>) -> Option<ExitStatus> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the request carries the size of the structure, so the kernel writes no byte beyond it, and every
    // content is a valid one.
    let done = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) };
    (done == 0 && info.mask & INFO_EXIT != 0).then(|| ExitStatus::from_raw(info.exit_code))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    fn kernel_is_at_least(major: u32, minor: u32) -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap(), numbers.next().unwrap()) >= (major, minor)
    }

    #[test]
    fn the_exit_of_a_process_is_told_once_it_is_reaped_and_not_before() {
        let mut child =
            Command::new("/bin/sh").args(["-c", "read x; exit 42"]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert_eq!(exit_status(pidfd.as_fd()), None);
        child.wait().unwrap();
        let told = exit_status(pidfd.as_fd()).and_then(|status| status.code());
        assert_eq!(told, kernel_is_at_least(6, 15).then_some(42));
    }

    #[test]
    fn a_group_is_signalled_even_when_its_leader_was_reaped() {
        if !kernel_is_at_least(6, 9) {
            return;
        }
        // The leader exits as soon as its child holds the pipe alone.
        let script = "sleep 1000 & exit 0";
        let mut child = Command::new("/bin/sh");
        let mut child = child.args(["-c", script]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let mut held = child.stdout.take().unwrap();
        child.wait().unwrap();
        signal_group(pidfd.as_fd(), Signal::KILL).unwrap();
        // The pipe ends with its last holder.
        let mut rest = String::new();
        io::Read::read_to_string(&mut held, &mut rest).unwrap();
    }
}
