//! What a program inherits of signals, descriptors and alarms: the few calls that no library makes safe.

use std::io;

/// Every signal back to its default, none blocked: what the daemon ignores, and what whoever started it told it to
/// ignore, is no business of the program.
pub(in crate::launch) fn reset() {
    #[expect(unsafe_code, reason = "there is no safe way to set dispositions and the mask")]
    // SAFETY: the stage has one thread and installs no handler, so no code of ours depends on a disposition; the
    // mask is a local that `sigemptyset` initialises before it is read.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            // Fails for SIGKILL, SIGSTOP and the two of the C library, which cannot be ignored either.
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Has the kernel send SIGALRM in so many seconds. Survives the execution of the program, which dies of it unless it
/// wants not to.
pub(super) fn alarm(seconds: u32) {
    #[expect(unsafe_code, reason = "there is no safe way to set an alarm")]
    // SAFETY: the call takes a number and touches no memory.
    unsafe {
        libc::alarm(seconds);
    }
}

/// Closes every descriptor from this number on.
pub(in crate::launch) fn close_from(first: u32) -> io::Result<()> {
    #[expect(unsafe_code, reason = "closing descriptors that others may own has no safe form")]
    // SAFETY: the stage is about to execute the program and uses no descriptor from `first` on any more; values that
    // own one are never dropped, because the stage ends by executing or exiting.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A mount namespace of its own for this process.
pub(super) fn own_mounts() -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "the call can also take descriptors away from threads, which it does not here"
    )]
    // SAFETY: descriptors stay shared as they are; only the namespace of mounts is parted.
    unsafe {
        Ok(rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS)?)
    }
}
