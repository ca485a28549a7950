//! The files of a trail: `audit.jsonl`, which grows, and `audit-<number of its first record>.jsonl`, which do not
//! any more.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::chain::{ChainKey, Code, Head};
use super::check::{FileCheck, Reading};
use super::record::MAX_LINE;

/// The file that grows.
pub(crate) const LIVE: &str = "audit.jsonl";

/// Makes the directory if it is missing, for its owner alone.
pub(crate) fn prepare(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_directory(dir.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::metadata(dir)?;
            if !metadata.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            if metadata.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(dir, Permissions::from_mode(0o700))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The names of the files, the oldest first.
pub(crate) fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string()
            && (name == LIVE || first_seq(&name).is_some())
        {
            names.push(name);
        }
    }
    names.sort_by_key(|name| first_seq(name).unwrap_or(u64::MAX));
    Ok(names)
}

/// The name of a full file whose first record has this number.
pub(crate) fn full_name(first_seq: u64) -> String {
    format!("audit-{first_seq:020}.jsonl")
}

/// The number of the first record of a full file.
pub(crate) fn first_seq(name: &str) -> Option<u64> {
    name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok()
}

/// Opens a file of the trail for reading, if it is a plain file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// Makes a new file to append to, for its owner alone, and has its name on the disk.
pub(crate) fn make_live(dir: &Path) -> io::Result<File> {
    let path = dir.join(LIVE);
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    sync_directory(dir)?;
    Ok(file)
}

/// Opens the file that grows for appending, if it is there.
pub(crate) fn open_live(dir: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    match OpenOptions::new().append(true).custom_flags(flags).open(dir.join(LIVE)) {
        Ok(file) if !file.metadata()?.is_file() => Err(io::Error::other("audit.jsonl is no plain file")),
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this is still the file of that name.
pub(crate) fn is_still(file: &File, path: &Path) -> bool {
    let same =
        |open: fs::Metadata, named: fs::Metadata| (open.dev(), open.ino()) == (named.dev(), named.ino());
    file.metadata().and_then(|open| Ok(same(open, fs::symlink_metadata(path)?))).unwrap_or(false)
}

/// Has the names in a directory on the disk.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What was found in a file that was read to its end.
pub(crate) struct Read {
    pub(crate) check: FileCheck,
    /// The number of the first line that is ours.
    pub(crate) first_seq: Option<u64>,
    /// Bytes up to the end of the last whole line.
    pub(crate) whole: u64,
    /// Bytes of a last line that has no end.
    pub(crate) torn: Vec<u8>,
    /// The code of the record with the number that was asked for.
    pub(crate) code_at: Option<Code>,
}

/// Reads a whole file and checks each line. A last line without its end is none.
pub(crate) fn read(dir: &Path, name: &str, key: &ChainKey, asked: u64) -> io::Result<Read> {
    let mut lines = BufReader::with_capacity(64 * 1_024, open(&dir.join(name))?);
    let mut reading = Reading::new(key, name);
    let (mut whole, mut code_at, mut first_seq) = (0, None, None);
    loop {
        let (line, length, ended) = next_line(&mut lines)?;
        if !ended {
            return Ok(Read { check: reading.end(), first_seq, whole, torn: line, code_at });
        }
        whole += length;
        if let Some(Head { seq, code }) = reading.line(&line) {
            first_seq.get_or_insert(seq);
            if seq == asked {
                code_at = Some(code);
            }
        }
    }
}

/// The next line without its end, how many bytes it took, and whether it has an end. Of a line that is longer
/// than any of ours only the beginning comes back.
fn next_line(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, u64, bool)> {
    let (mut line, mut length) = (Vec::new(), 0);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((line, length, false));
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min((MAX_LINE + 1).saturating_sub(line.len()))]);
        let taken = part.len() + usize::from(end.is_some());
        length += taken as u64;
        reader.consume(taken);
        if end.is_some() {
            return Ok((line, length, true));
        }
    }
}

/// Puts bytes that are no line of ours beside the trail, where an administrator can look at them.
pub(crate) fn put_aside(dir: &Path, after_seq: u64, bytes: &[u8]) -> io::Result<PathBuf> {
    use std::io::Write;
    let path = dir.join(format!("torn-after-{after_seq:020}.part"));
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_the_order_of_their_records_and_the_one_that_grows_is_last() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            [LIVE, &full_name(1_000), &full_name(1), &full_name(20), "torn-after-3.part", "audit-x.jsonl"]
        {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let expected = [full_name(1), full_name(20), full_name(1_000), LIVE.to_owned()];
        assert_eq!(names(dir.path()).unwrap(), expected);
    }

    #[test]
    fn a_line_longer_than_ours_takes_no_memory_and_hides_no_other() {
        let mut text = vec![b'x'; 10 * MAX_LINE];
        text.extend_from_slice(b"\nnext\nrest");
        let mut reader = BufReader::with_capacity(100, &text[..]);
        let (line, length, ended) = next_line(&mut reader).unwrap();
        assert_eq!((line.len(), length, ended), (MAX_LINE + 1, 10 * MAX_LINE as u64 + 1, true));
        assert_eq!(next_line(&mut reader).unwrap(), (b"next".to_vec(), 5, true));
        assert_eq!(next_line(&mut reader).unwrap(), (b"rest".to_vec(), 4, false));
    }

    #[test]
    fn the_directory_is_for_its_owner_alone_and_a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let audit = dir.path().join("audit");
        prepare(&audit).unwrap();
        fs::set_permissions(&audit, Permissions::from_mode(0o755)).unwrap();
        prepare(&audit).unwrap();
        assert_eq!(fs::metadata(&audit).unwrap().permissions().mode() & 0o777, 0o700);
        make_live(&audit).unwrap();
        assert_eq!(fs::metadata(audit.join(LIVE)).unwrap().permissions().mode() & 0o777, 0o600);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(prepare(&file).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_the_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, dir.path().join(LIVE)).unwrap();
        assert!(open_live(dir.path()).is_err() && open(&dir.path().join(LIVE)).is_err());
    }
}
