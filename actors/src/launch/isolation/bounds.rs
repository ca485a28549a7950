//! Bounds that the kernel keeps for each process.
//!
//! Not among them: `RLIMIT_AS` and `RLIMIT_DATA`, which V8 does not start under; `RLIMIT_FSIZE`, because captured
//! output is cut from outside and its offsets only ever grow, so a bound on them would one day end a healthy server.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open at once.
const OPEN_FILES: u64 = 4_096;
/// Bytes that are kept from being swapped out.
const LOCKED_BYTES: u64 = 64 * 1_024;

pub(super) fn set(max_tasks: Option<u64>) -> io::Result<()> {
    lower(Resource::Core, 0)?;
    lower(Resource::Nofile, OPEN_FILES)?;
    lower(Resource::Memlock, LOCKED_BYTES)?;
    // Counted for all processes of the user together, so only a user of its own may be bound.
    max_tasks.map_or(Ok(()), |tasks| lower(Resource::Nproc, tasks))
}

/// Sets both bounds, or keeps what is lower already.
fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let bound = getrlimit(resource).maximum.map_or(to, |present| present.min(to));
    Ok(setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })?)
}
