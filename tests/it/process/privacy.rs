//! The daemon's memory is its own, whoever runs as the same user.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::{Daemon, MINIMCP};
use crate::ground::eventually;

/// Nobody in particular, and no root: root may read everything.
const NOBODY: u32 = 65_534;

/// Has the command run as somebody who is not root.
fn unprivileged(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

/// Whether another process of that user can read this file of `/proc`.
fn is_readable(pid: u32, file: &str) -> bool {
    let mut read = Command::new("head");
    read.args(["-c", "1", &format!("/proc/{pid}/{file}")]).stdout(Stdio::null()).stderr(Stdio::null());
    unprivileged(&mut read).status().unwrap().success()
}

/// A process that is ended with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn nobody_of_the_same_user_looks_into_the_daemon_and_it_leaves_no_core() {
    let daemon = Daemon::unstarted(&[], &[("MINIMCP_MASTER_KEY", &"07".repeat(32))]);
    let dir = daemon.dir.path();
    // Where the build lies, that user may have no business.
    let program = dir.join("minimcp");
    std::fs::copy(MINIMCP, &program).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    let as_told = daemon.serve_command();
    let mut command = Command::new(program);
    command.args(as_told.get_args()).env_clear().current_dir(dir).stdin(Stdio::null());
    command.envs(as_told.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stderr(Stdio::null()).stdout(Stdio::null());
    let serving = Ending(unprivileged(&mut command).spawn().unwrap());
    let pid = serving.0.id();
    eventually("the daemon serves", || daemon.data().join("daemon.url").exists()).await;

    for file in ["environ", "mem", "maps", "auxv"] {
        assert!(!is_readable(pid, file), "{file}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);

    let mut open = Command::new("sleep");
    let open = Ending(unprivileged(open.arg("60").stdin(Stdio::null())).spawn().unwrap());
    eventually("a program that is open to its user", || is_readable(open.0.id(), "environ")).await;
}
