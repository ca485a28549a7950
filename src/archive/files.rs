//! Archives on the disk. Everything in here blocks.
//!
//! The directory of the live logs is the server's to write in, so nothing in it is followed: only plain files that lie
//! there and nowhere else are read.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use rustix::fs::OFlags;

use super::{Archive, Archived};
use crate::catalog::plan::output_of;

/// Bytes of one file that are archived at most: its end.
const LONGEST: u64 = 64 << 20;
/// Files of one instance that are archived at most.
const MOST_FILES: usize = 64;
const SUFFIX: &str = ".gz";

/// Compresses the logs in `live` into `to` and removes them. Done again after a crash, it ends the same.
///
/// # Errors
/// What the file system says; then the live ones are still there.
pub(crate) fn put_away(live: &Path, to: &Path) -> io::Result<u64> {
    let parent = to.parent().ok_or_else(|| io::Error::other("an archive has a place"))?;
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let mut name = OsString::from(".partial-");
    name.push(to.file_name().unwrap_or_default());
    let partial = parent.join(name);
    gone(std::fs::remove_dir_all(&partial))?;
    DirBuilder::new().mode(0o700).create(&partial)?;
    let mut bytes = 0;
    let mut entries = entries(live)?;
    let output = output_of(live);
    match self::entries(&output) {
        Ok(captured) => entries.extend(captured),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for path in entries.into_iter().filter(|path| is_plain(path)).take(MOST_FILES) {
        if let (Some(file), Some(name)) = (open_plain(&path)?, path.file_name()) {
            let mut name = name.to_owned();
            name.push(SUFFIX);
            bytes += compress(file, &partial.join(name))?;
        }
    }
    File::open(&partial)?.sync_all()?;
    gone(std::fs::remove_dir_all(to))?;
    std::fs::rename(&partial, to)?;
    File::open(parent)?.sync_all()?;
    gone(std::fs::remove_dir_all(output))?;
    std::fs::remove_dir_all(live)?;
    Ok(bytes)
}

/// What is in a directory, by name.
fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}

fn is_plain(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1)
}

/// The file, if it is a plain one that has no other name.
fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        // It is no plain file any more.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok((metadata.is_file() && metadata.nlink() == 1).then_some(file))
}

/// Writes the compressed end of a file, without what was cut off its beginning. Answers how much that takes.
fn compress(mut file: File, to: &Path) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let begin = match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(0)) {
        Ok(begin) => begin,
        // Nothing but a hole, or nothing at all.
        Err(rustix::io::Errno::NXIO) => length,
        Err(error) => return Err(error.into()),
    };
    let begin = begin.max(length.saturating_sub(LONGEST));
    file.seek(SeekFrom::Start(begin))?;
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut encoder = GzEncoder::new(BufWriter::new(out), Compression::default());
    io::copy(&mut BufReader::new(file.take(length - begin)), &mut encoder)?;
    let mut out = encoder.finish()?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok(out.get_ref().metadata()?.len())
}

/// One archived file, to be read from its beginning; `None` if it is not there.
///
/// # Errors
/// What the file system says.
pub(crate) fn read(archive: &Path, name: &str) -> io::Result<Option<impl Read + use<>>> {
    match File::open(archive.join(format!("{name}{SUFFIX}"))) {
        Ok(file) => Ok(Some(MultiGzDecoder::new(BufReader::new(file)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The archives in the directory of a user.
///
/// # Errors
/// What the file system says.
pub(crate) fn list(of_user: &Path) -> io::Result<Vec<Archive>> {
    let entries = match std::fs::read_dir(of_user) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut archives = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        match weigh(&path) {
            Ok(archive) => archives.push(archive),
            // Its instance was deleted in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(archives)
}

fn weigh(path: &Path) -> io::Result<Archive> {
    let at = DateTime::<Utc>::from(std::fs::metadata(path)?.modified()?);
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(Archive { path: path.to_owned(), bytes, at })
}

/// What a user has in archives.
///
/// # Errors
/// What the file system says.
pub(crate) fn usage(of_user: &Path) -> io::Result<Archived> {
    let archives = list(of_user)?;
    let bytes = archives.iter().map(|archive| archive.bytes).sum();
    Ok(Archived { instances: archives.len() as u64, bytes })
}

/// The directories of users that have archives.
///
/// # Errors
/// What the file system says.
pub(crate) fn users(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// What is gone is as good as removed.
pub(crate) fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(archive: &Path, name: &str) -> Option<String> {
        let mut text = String::new();
        read(archive, name).unwrap()?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn logs_are_put_away_for_their_owner_alone_and_what_is_no_plain_file_is_left_out() {
        let scratch = tempfile::tempdir().unwrap();
        let (live, to) = (scratch.path().join("live"), scratch.path().join("archive/user_1/mcp_1_x"));
        std::fs::create_dir(&live).unwrap();
        std::fs::write(live.join("app.log"), "one\ntwo\n").unwrap();
        std::fs::write(live.join("stdout.log.1"), "x".repeat(1 << 20)).unwrap();
        let secret = scratch.path().join("secret");
        std::fs::write(&secret, "CANARY").unwrap();
        std::os::unix::fs::symlink(&secret, live.join("error.log")).unwrap();
        std::fs::hard_link(&secret, live.join("stderr.log")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, live.join("metrics.json"), rustix::fs::Mode::RUSR).unwrap();
        std::fs::create_dir(live.join("sub")).unwrap();
        // What a crash left.
        let left = to.with_file_name(".partial-mcp_1_x");
        DirBuilder::new().recursive(true).mode(0o700).create(left).unwrap();

        let bytes = put_away(&live, &to).unwrap();
        assert!(!live.exists() && secret.exists());
        assert!(bytes < 10_000, "{bytes}: it is compressed");
        assert_eq!(text(&to, "app.log").unwrap(), "one\ntwo\n");
        assert_eq!(text(&to, "stdout.log.1").unwrap().len(), 1 << 20);
        assert_eq!((text(&to, "error.log"), text(&to, "stderr.log"), text(&to, "sub")), (None, None, None));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&to), mode(to.parent().unwrap()), mode(&to.join("app.log.gz"))),
            (0o700, 0o700, 0o600)
        );
        assert_eq!(usage(to.parent().unwrap()).unwrap(), Archived { instances: 1, bytes });
        assert_eq!(list(to.parent().unwrap()).unwrap()[0].path, to);
        assert_eq!(usage(&scratch.path().join("nobody")).unwrap(), Archived::default());

        // Done again, the newer takes the place of the older.
        std::fs::create_dir(&live).unwrap();
        std::fs::write(live.join("app.log"), "three\n").unwrap();
        put_away(&live, &to).unwrap();
        assert_eq!(text(&to, "app.log").unwrap(), "three\n");
        assert_eq!(text(&to, "stdout.log.1"), None);
    }

    #[test]
    fn of_a_file_that_was_cut_in_front_the_rest_is_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let (live, to) = (scratch.path().join("live"), scratch.path().join("a/b"));
        std::fs::create_dir(&live).unwrap();
        let mut file = File::create(live.join("stdout.log")).unwrap();
        file.seek(SeekFrom::Start(1 << 30)).unwrap();
        file.write_all(b"the end\n").unwrap();
        drop(file);
        put_away(&live, &to).unwrap();
        let kept = text(&to, "stdout.log").unwrap();
        assert!(kept.ends_with("the end\n") && kept.len() <= 4_096 + 8, "{} bytes", kept.len());
    }
}
