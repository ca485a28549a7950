//! Cutting full parts off a live file while somebody appends to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, SeekFrom as Whence};

use super::Rotation;

/// Holes have to begin and end at blocks.
pub(super) const BLOCK: u64 = 4096;

/// What has been cut off a live file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cut {
    /// Where its kept part begins.
    pub(super) start: u64,
    /// Bytes that were dropped and not told of yet.
    pub(super) dropped: u64,
    /// Bytes that may be copied at present.
    pub(super) allowance: u64,
}

/// Cuts full parts off the live file until less than one is left.
pub(super) fn rotate(path: &Path, cut: &mut Cut, rotation: Rotation) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let kept = u64::from(rotation.files - 1);
    loop {
        let backlog = file.metadata()?.len().saturating_sub(cut.start);
        if backlog < rotation.file_bytes {
            return Ok(());
        }
        let parts = kept.min(cut.allowance / rotation.file_bytes);
        let surplus = backlog.saturating_sub(rotation.file_bytes * parts) / BLOCK * BLOCK;
        if surplus > 0 {
            punch(&file, cut.start, surplus)?;
            cut.start += surplus;
            cut.dropped += surplus;
        }
        if parts == 0 {
            return Ok(());
        }
        let part = path.with_extension("rotating");
        let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        tell(&mut copy, &mut cut.dropped)?;
        file.seek(SeekFrom::Start(cut.start))?;
        io::copy(&mut (&mut file).take(rotation.file_bytes), &mut copy)?;
        shift(path, rotation.files)?;
        std::fs::rename(&part, numbered(path, 1))?;
        punch(&file, cut.start, rotation.file_bytes)?;
        cut.start += rotation.file_bytes;
        cut.allowance -= rotation.file_bytes;
    }
}

/// Says what was dropped, in the file that goes on after it.
pub(super) fn tell(file: &mut impl Write, dropped: &mut u64) -> io::Result<()> {
    if *dropped > 0 {
        // One write, since others append to the file too.
        let line = format!(
            "[minimcp] {dropped} bytes of output were dropped here: they came faster than they can be kept\n"
        );
        file.write_all(line.as_bytes())?;
        *dropped = 0;
    }
    Ok(())
}

fn punch(file: &File, from: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, from, length)?)
}

/// Moves `NAME.1` to `NAME.2` and so on; the oldest goes.
pub(super) fn shift(path: &Path, files: u32) -> io::Result<()> {
    for number in (1..files.saturating_sub(1)).rev() {
        match std::fs::rename(numbered(path, number), numbered(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Where a file's kept part begins and where it ends.
pub(super) fn extent(file: &File) -> io::Result<(u64, u64)> {
    let length = file.metadata()?.len();
    match rustix::fs::seek(file, Whence::Data(0)) {
        Ok(start) => Ok((start, length)),
        // Nothing but a hole, or nothing at all.
        Err(rustix::io::Errno::NXIO) => Ok((length, length)),
        Err(error) => Err(error.into()),
    }
}
