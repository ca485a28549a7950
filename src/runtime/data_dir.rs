//! The data directory: one daemon has it at a time, and says in it where it listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rustix::fs::FlockOperation;

use super::ServeError;

/// Name of the file, in the data directory, that says where the daemon listens.
pub const DAEMON_URL: &str = "daemon.url";

/// How a program on this machine reaches the daemon, whatever stands in front of it for others.
pub(super) fn local_url(listen: SocketAddr) -> String {
    let local: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(local, listen.port()))
}

/// Makes the data directory if it is missing and keeps other daemons out of it.
pub(crate) fn take_data_dir(path: &Path) -> Result<std::fs::File, ServeError> {
    use std::os::unix::fs::DirBuilderExt;
    let fail = |what| move |source| ServeError::File { what, path: path.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail("making"))?;
    let lock = path.join("lock");
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(lock);
    let file = file.map_err(fail("locking"))?;
    // Not flock: a process that is just being started would hold it on behalf of a daemon that was killed.
    match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
            Err(ServeError::DataDirInUse(path.to_owned()))
        }
        Err(error) => Err(fail("locking")(error.into())),
    }
}
