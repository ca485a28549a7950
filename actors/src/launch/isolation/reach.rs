//! What an instance has to get at, and what stands in its way.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::confinement::{Mounts, User};
use super::mounts::TEMPORARY;

/// Beside a program in `PREFIX/bin`: what belongs to it.
const BESIDE: [&str; 5] = ["bin", "lib", "lib64", "libexec", "pyvenv.cfg"];

/// The topmost directory above the path that others may not pass.
pub(super) fn barrier(path: &Path, passes: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.into_iter().rev().find(|dir| !passes(dir)).map(Path::to_owned)
}

/// Whether those who neither own the directory nor are of its group may pass it.
pub(super) fn open_to_others(dir: &Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|seen| seen.mode() & 0o001 != 0)
}

/// What has to be covered and put back so that `paths` can be reached, as `passes` tells of each directory.
pub(super) fn mounts(paths: &[PathBuf], passes: impl Fn(&Path) -> bool) -> Mounts {
    let (mut covers, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for path in paths {
        let hidden = barrier(path, &passes);
        if hidden.is_some() || TEMPORARY.iter().any(|dir| path.starts_with(dir)) {
            kept.insert(path.clone());
        }
        covers.extend(hidden);
    }
    // In this order what is above comes first.
    Mounts { covers: covers.into_iter().collect(), kept: outermost(kept) }
}

/// Those that lie in no other: what is put back brings all that is in it, its links as they are.
fn outermost(paths: BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut outer: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !outer.last().is_some_and(|above| path.starts_with(above)) {
            outer.push(path);
        }
    }
    outer
}

/// A path as it is written and as it is without links. What is not there is left out.
pub(super) fn both(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = path.canonicalize().ok();
    let written = real.is_some().then(|| path.to_owned()).filter(|path| real.as_ref() != Some(path));
    written.into_iter().chain(real)
}

/// The program with what is installed along with it. Of a prefix that is a person's home that is no more than its
/// programs and libraries.
pub(super) fn of_program(program: &Path) -> Vec<PathBuf> {
    let mut parts = Vec::new();
    for path in both(program) {
        let bin = path.parent().filter(|dir| dir.file_name().is_some_and(|name| name == "bin"));
        if let Some(prefix) = bin.and_then(Path::parent).filter(|prefix| *prefix != Path::new("/")) {
            parts.extend(BESIDE.iter().map(|name| prefix.join(name)).filter(|part| part.exists()));
        }
        parts.push(path);
    }
    parts
}

/// Whether somebody who is neither owner nor of the group may read it, and pass it if it is a directory.
pub(super) fn readable_for_others(seen: &Metadata) -> bool {
    let needed = if seen.is_dir() { 0o005 } else { 0o004 };
    seen.mode() & needed == needed
}

/// Makes the directory if it is missing and gives it to the user, with all that is in it if it was somebody else's.
/// `not_theirs` is a directory within that stays the daemon's: then the user may add to the directory and remove what
/// is their own, and no more.
pub(super) fn give(dir: &Path, user: User, not_theirs: Option<&Path>) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let seen = std::fs::symlink_metadata(dir)?;
    let (owner, mode) = if not_theirs.is_some() { (0, 0o1770) } else { (user.uid, 0o700) };
    if seen.uid() != owner || seen.gid() != user.gid {
        give_content(dir, user, not_theirs)?;
        std::os::unix::fs::lchown(dir, Some(owner), Some(user.gid))?;
    }
    if seen.mode() & 0o7777 != mode {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn give_content(dir: &Path, user: User, not_theirs: Option<&Path>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if not_theirs == Some(&path) {
            continue;
        }
        let seen = std::fs::symlink_metadata(&path)?;
        if seen.is_dir() {
            give_content(&path, user, None)?;
        } else if seen.nlink() > 1 {
            // It may be linked to from elsewhere, where it is not theirs.
            continue;
        }
        std::os::unix::fs::lchown(&path, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn what_lies_behind_a_closed_directory_is_put_back_into_its_cover() {
        let closed = ["/home/own", "/srv/data", "/srv/data/run"];
        let passes = |dir: &Path| !closed.iter().any(|shut| dir == Path::new(shut));
        let wanted = paths(&[
            "/home/own/node/bin/node",
            "/srv/data/run/1",
            "/srv/data/preload.cjs",
            "/usr/bin/x",
            "/tmp/t/x",
        ]);
        let mounts = mounts(&wanted, passes);
        assert_eq!(mounts.covers, paths(&["/home/own", "/srv/data"]));
        assert_eq!(
            mounts.kept,
            paths(&["/home/own/node/bin/node", "/srv/data/preload.cjs", "/srv/data/run/1", "/tmp/t/x"])
        );
        assert_eq!(barrier(Path::new("/srv/data/run/1"), passes), Some("/srv/data".into()));
        let within = super::mounts(
            &paths(&["/srv/data/a/bin/x", "/srv/data/a", "/srv/data/a-b", "/srv/data/a/lib"]),
            passes,
        );
        assert_eq!(
            within.kept,
            paths(&["/srv/data/a", "/srv/data/a-b"]),
            "what is put back brings what is in it"
        );
        assert_eq!(barrier(Path::new("/srv/data"), passes), None, "what is asked for itself is no barrier");
    }

    #[test]
    fn a_program_brings_its_libraries_and_not_the_home_it_lies_in() {
        let scratch = tempfile::tempdir().unwrap();
        let prefix = scratch.path().canonicalize().unwrap().join("prefix");
        for dir in ["bin", "lib", "share"] {
            std::fs::create_dir_all(prefix.join(dir)).unwrap();
        }
        std::fs::write(prefix.join("bin/tool"), "").unwrap();
        assert_eq!(
            of_program(&prefix.join("bin/tool")),
            [prefix.join("bin"), prefix.join("lib"), prefix.join("bin/tool")]
        );
        std::os::unix::fs::symlink("/bin/sh", prefix.join("bin/sh")).unwrap();
        let parts = of_program(&prefix.join("bin/sh"));
        assert!(parts.contains(&prefix.join("bin/sh")) && !parts.contains(&PathBuf::from("/")), "{parts:?}");
        assert_eq!(of_program(Path::new("/does/not/exist")), paths(&[]));
    }
}
