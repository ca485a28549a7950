//! Secrets on their way into a program, past its environment.
//!
//! Whoever runs as the same user can read `/proc/PID/environ` for as long as the process lives, and so can what
//! inherits it. So secrets travel in a memory file on descriptor 3, which the program reads once and closes:
//!
//! ```text
//! minimcp-handover-1 LF {"NAME": "value", ...}
//! ```
//! The file is sealed: nobody can change or grow it. It has no name and is gone with its last descriptor. The
//! stage behind the gate makes it, shortly before it becomes the program.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, SealFlags};
use zeroize::Zeroizing;

/// Where the program finds the file.
pub const DESCRIPTOR: RawFd = 3;
/// What the file begins with.
pub const BEGINNING: &str = "minimcp-handover-1\n";

/// Makes the file and leaves it open on [`DESCRIPTOR`] for the program to come. Nothing to hand over is no file.
pub(super) fn place(variables: &[(String, String)]) -> io::Result<()> {
    if variables.is_empty() {
        return Ok(());
    }
    let file = file(variables)?;
    if file.as_raw_fd() == DESCRIPTOR {
        // Open until this process becomes the program, and after it.
        std::mem::forget(file);
        return Ok(());
    }
    #[expect(unsafe_code, reason = "a descriptor with a number of our choice has no safe constructor")]
    // SAFETY: this stage opens nothing else by this number, and does not close it either.
    let mut place = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(DESCRIPTOR) });
    Ok(rustix::io::dup2(&file, &mut place)?)
}

fn file(variables: &[(String, String)]) -> io::Result<File> {
    let variables: std::collections::BTreeMap<&str, &str> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let text = Zeroizing::new(serde_json::to_vec(&variables).map_err(io::Error::other)?);
    // Inherited, unlike every other descriptor of this program.
    let mut file = File::from(rustix::fs::memfd_create(c"minimcp-handover", MemfdFlags::ALLOW_SEALING)?);
    file.write_all(BEGINNING.as_bytes())?;
    file.write_all(&text)?;
    file.rewind()?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_file_says_what_it_is_and_cannot_be_changed() {
        let mut file = file(&[("B".into(), "\"2\"\n".into()), ("A".into(), "1".into())]).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("{BEGINNING}{}", r#"{"A":"1","B":"\"2\"\n"}"#));
        file.rewind().unwrap();
        assert_eq!(file.write(b"x").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(file.set_len(0).is_err() && file.set_len(1 << 20).is_err());
    }
}
