//! The seccomp filter: calls into parts of the kernel that no server needs and that exploits begin with.
//!
//! It is a list of what is refused, not of what is allowed: servers are anybody's programs, and a call that is
//! missing from a list of the allowed breaks them in ways that nobody understands.

use std::collections::BTreeMap;

use libc::{
    SYS_acct, SYS_add_key, SYS_adjtimex, SYS_bpf, SYS_chroot, SYS_clock_adjtime, SYS_clock_settime,
    SYS_clone, SYS_clone3, SYS_delete_module, SYS_fanotify_init, SYS_finit_module, SYS_fsconfig, SYS_fsmount,
    SYS_fsopen, SYS_fspick, SYS_init_module, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup,
    SYS_kcmp, SYS_kexec_file_load, SYS_kexec_load, SYS_keyctl, SYS_migrate_pages, SYS_mount,
    SYS_mount_setattr, SYS_move_mount, SYS_move_pages, SYS_name_to_handle_at, SYS_open_by_handle_at,
    SYS_open_tree, SYS_perf_event_open, SYS_personality, SYS_pidfd_getfd, SYS_pivot_root,
    SYS_process_madvise, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_reboot,
    SYS_request_key, SYS_setdomainname, SYS_sethostname, SYS_setns, SYS_settimeofday, SYS_swapoff,
    SYS_swapon, SYS_syslog, SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Refused with EPERM.
const REFUSED: [i64; 51] = [
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_move_pages,
    SYS_migrate_pages,
    // Mounts and namespaces.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_mount_setattr,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_unshare,
    SYS_setns,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    // Programs within the kernel and what goes around its checks.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    // Keys of the kernel.
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    // The machine as a whole.
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_syslog,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_vhangup,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [i32; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    0x80, // CLONE_NEWTIME
];

/// `personality` is refused but for asking which one it is.
const WHICH_PERSONALITY: u64 = 0xffff_ffff;

/// Refuses the calls for this process and all that come from it.
pub(super) fn set() -> Result<(), seccompiler::Error> {
    for program in programs()? {
        seccompiler::apply_filter(&program)?;
    }
    Ok(())
}

/// Two filters, because each has one answer for what it refuses.
fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().flat_map(|&call| numbers(call)).map(|call| (call, Vec::new())).collect();
    let flags = NAMESPACES.iter().map(|&flag| u64::from(flag.unsigned_abs()));
    let makes: Result<Vec<SeccompRule>, _> =
        flags.map(|flag| when(SeccompCmpOp::MaskedEq(flag), flag, SeccompCmpArgLen::Qword)).collect();
    let makes = makes?;
    for call in numbers(SYS_clone) {
        rules.insert(call, makes.clone());
    }
    let changes = when(SeccompCmpOp::Ne, WHICH_PERSONALITY, SeccompCmpArgLen::Dword)?;
    for call in numbers(SYS_personality) {
        rules.insert(call, vec![changes.clone()]);
    }
    let refuse = |rules, errno: i32| -> Result<BpfProgram, seccompiler::BackendError> {
        let answer = SeccompAction::Errno(errno.unsigned_abs());
        let arch = std::env::consts::ARCH.try_into()?;
        SeccompFilter::new(rules, SeccompAction::Allow, answer, arch)?.try_into()
    };
    // Its flags lie in memory, where a filter cannot look. C libraries that hear that there is no such call take
    // `clone`.
    let unseen = numbers(SYS_clone3).map(|call| (call, Vec::new())).collect();
    Ok([refuse(rules, libc::EPERM)?, refuse(unseen, libc::ENOSYS)?])
}

fn when(
    compare: SeccompCmpOp,
    value: u64,
    length: SeccompCmpArgLen,
) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(0, length, compare, value)?])
}

/// A call by all its numbers: on x86-64 there is a second table behind a bit of the number.
fn numbers(call: i64) -> impl Iterator<Item = i64> {
    #[cfg(target_arch = "x86_64")]
    let others = {
        const X32: i64 = 0x4000_0000;
        /// Calls that have a number of their own there.
        const OWN: [(i64, i64); 5] = [
            (SYS_ptrace, 521),
            (SYS_kexec_load, 528),
            (SYS_move_pages, 533),
            (SYS_process_vm_readv, 539),
            (SYS_process_vm_writev, 540),
        ];
        let own = OWN.into_iter().find(|(known, _)| *known == call);
        std::iter::once(call | X32).chain(own.map(|(_, number)| number | X32))
    };
    #[cfg(not(target_arch = "x86_64"))]
    let others = std::iter::empty();
    std::iter::once(call).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_built_and_name_each_call_once() {
        let mut names = REFUSED.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REFUSED.len());
        for program in programs().unwrap() {
            assert!(!program.is_empty());
        }
    }
}
