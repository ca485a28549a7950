//! The values of variables, removed from where the kernel shows them for as long as the process lives.
//!
//! Removing a variable from the environment leaves its text on the stack of the process, which is what
//! `/proc/PID/environ` shows to others of the same user. So the text itself is overwritten, by way of
//! `/proc/self/mem`. Where that is not allowed, others cannot read the environment either.

use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};

use zeroize::Zeroizing;

/// Which field of `/proc/self/stat`, counted from the state of the process, is the address of the environment.
const ENV_START: usize = 47;

/// Overwrites the value of this variable of the initial environment, if it is there.
///
/// # Errors
/// What the system says if it cannot be done.
pub(super) fn scrub(name: &str) -> io::Result<()> {
    let environment = Zeroizing::new(fs::read("/proc/self/environ")?);
    let Some(value) = place(&environment, name.as_bytes()) else { return Ok(()) };
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let start = fields.split_whitespace().nth(ENV_START).and_then(|field| field.parse::<u64>().ok());
    let start = start.ok_or(io::ErrorKind::InvalidData)?;
    let mut memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    memory.seek(SeekFrom::Start(start + value.start as u64))?;
    memory.write_all(&vec![b'*'; value.len()])
}

/// Where the value of a variable stands in the environment.
fn place(environment: &[u8], name: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    for entry in environment.split(|byte| *byte == 0) {
        if entry.len() > name.len() && entry.starts_with(name) && entry[name.len()] == b'=' {
            return Some(start + name.len() + 1..start + entry.len());
        }
        start += entry.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_value_of_the_whole_name_is_found_and_no_other() {
        let environment = b"A_KEY=one\0KEY_FILE=two\0KEY=three\0EMPTY=\0";
        let value = |name: &[u8]| place(environment, name).map(|range| &environment[range]);
        assert_eq!(value(b"KEY"), Some(&b"three"[..]));
        assert_eq!(value(b"KEY_FILE"), Some(&b"two"[..]));
        assert_eq!(value(b"EMPTY"), Some(&b""[..]));
        assert_eq!(value(b"NONE"), None);
    }
}
