//! Giving up what the daemon may and the program must not: capabilities, groups, the user.

use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::confinement::User;

/// Empties the set of capabilities that any later program could have. Nothing to do for those who may not: without
/// root there are none, and `no_new_privs` keeps it so.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::capability_is_in_bounding_set(one) {
            Ok(true) => rustix::thread::remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // Behind the last one that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Gives up every capability and sees that none is left.
pub(super) fn no_capabilities() -> io::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    if rustix::thread::capabilities(None)? == none {
        Ok(())
    } else {
        Err(io::Error::other("capabilities are left after they were given up"))
    }
}

/// Leaves every supplementary group. Those who may not are left in them, which is told.
pub(super) fn no_groups() -> io::Result<()> {
    let left = rustix::thread::set_thread_groups(&[]);
    let own = rustix::process::getegid();
    let others = rustix::process::getgroups()?.into_iter().filter(|group| *group != own).count();
    match (others, left) {
        (0, _) => Ok(()),
        (_, Err(error)) => Err(error.into()),
        (others, Ok(())) => Err(io::Error::other(format!("{others} groups are left after they were left"))),
    }
}

/// Becomes the user for good.
pub(super) fn become_user(User { uid, gid }: User) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    let is = rustix::process::getuid() == user
        && rustix::process::geteuid() == user
        && rustix::process::getgid() == group
        && rustix::process::getegid() == group;
    // A kernel that let it back would let the program back too.
    let undone = rustix::thread::set_thread_uid(Uid::ROOT).is_ok()
        || rustix::thread::set_thread_gid(Gid::ROOT).is_ok();
    if is && !undone { Ok(()) } else { Err(io::Error::other("the change of user can be undone")) }
}
