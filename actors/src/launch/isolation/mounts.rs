//! A file system as one instance is to see it: private places for temporary files, processes of others hidden, and
//! directories that only the daemon may enter shown with nothing but what the instance was given.
//!
//! A directory such as the daemon's own data (mode 0700) lies above what an instance needs, and the instance's user
//! may not pass it. It is covered by an empty one that may be passed, and what is needed is mounted at its place.

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};

use super::confinement::Mounts;
use super::signals;

/// Private to each instance wherever there is such a directory.
pub(super) const TEMPORARY: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
/// They are memory that is not counted as the instance's, so they are small; what needs more has its home.
const SMALL: &CStr = c"mode=1777,size=64m,nr_inodes=16k";
const PASSABLE: &CStr = c"mode=0711,size=1m,nr_inodes=4k";
/// Of others it does not even show that they are there.
const HIDDEN: &CStr = c"hidepid=2";

/// Parts the mounts of this process from all others and makes them what was asked.
pub(super) fn part(mounts: &Mounts) -> io::Result<()> {
    signals::own_mounts()?;
    // What is mounted outside later is seen inside, and nothing of ours outside.
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let kept = take(&mounts.kept)?;
    for cover in &mounts.covers {
        cover_with(cover, PASSABLE, MountFlags::empty())?;
    }
    for dir in TEMPORARY.iter().map(Path::new).filter(|dir| dir.is_dir()) {
        if !mounts.covers.iter().any(|cover| dir.starts_with(cover)) {
            cover_with(dir, SMALL, MountFlags::empty())?;
        }
    }
    for (path, tree) in &kept {
        put_back(path, tree)?;
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(rustix::mount::mount("proc", "/proc", "proc", flags, HIDDEN)?)
}

fn cover_with(dir: &Path, options: &CStr, flags: MountFlags) -> io::Result<()> {
    let flags = flags | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount("minimcp", dir, "tmpfs", flags, options)?)
}

/// Takes hold of what is kept, before it is covered.
fn take(paths: &[PathBuf]) -> io::Result<Vec<(PathBuf, OwnedFd)>> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    paths.iter().map(|path| Ok((path.clone(), rustix::mount::open_tree(CWD, path, flags)?))).collect()
}

fn put_back(path: &Path, tree: &OwnedFd) -> io::Result<()> {
    let is_dir = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode).is_dir();
    let dirs = if is_dir { Some(path) } else { path.parent() };
    if let Some(dirs) = dirs {
        // The stage's umask would keep the instance's user out.
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dirs);
        rustix::process::umask(before);
        made?;
    }
    if !is_dir {
        std::fs::File::options().write(true).create(true).truncate(false).open(path)?;
    }
    Ok(rustix::mount::move_mount(tree, c"", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}
