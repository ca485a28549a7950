//! The gate: a short stage of our own binary between spawn and the server's program.
//!
//! The daemon spawns itself with one argument and an empty environment, so that `posix_spawn` is enough and
//! no variable of a user ever touches code of ours. The gate makes its own session, reads the order from its
//! stdin and waits for one more byte, which the daemon writes only after it has recorded the process. If the
//! daemon dies before, the pipe ends and the gate exits: no unrecorded process can exist.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Plan, handover, pipes};

const ARGUMENT: &str = "__minimcp-gate";
const OPEN: u8 = b'G';
/// Longest order, in bytes: credentials are limited far below it.
const MAX_ORDER: u32 = 4 * 1024 * 1024;
/// The gate could not execute the program; the shell's code for it.
const CANNOT_EXECUTE: i32 = 126;
/// The daemon went away before it opened the gate; `EX_TEMPFAIL` of sysexits.
const NOT_OPENED: i32 = 75;

/// Proof that processes can be started through a gate: whoever holds one has a program whose `main` begins
/// with [`entry`].
#[derive(Debug, Clone)]
pub struct Gate(Arc<Path>);

impl Gate {
    /// A gate in another program than the present one, such as the `minimcp` binary for a test harness whose
    /// `main` is not its own. That program's `main` has to begin with [`entry`].
    #[must_use]
    pub fn in_program(path: impl Into<PathBuf>) -> Self {
        Self(path.into().into())
    }
}

/// To be called first in `main`, before any thread, of a program that uses [`super::local::LocalLauncher`].
///
/// In the spawned stage it becomes the server's program or exits, and does not return.
#[must_use]
pub fn entry() -> Gate {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT)) {
        let code = pass();
        #[expect(
            clippy::disallowed_methods,
            clippy::exit,
            reason = "the stage is not the program's own main"
        )]
        std::process::exit(code);
    }
    Gate(Path::new("/proc/self/exe").into())
}

#[derive(Serialize, Deserialize)]
struct Order {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    sealed: Vec<(String, String)>,
    cwd: PathBuf,
    /// The FIFO that is the program's stdin; without one it reads nothing.
    stdin: Option<PathBuf>,
}

/// The stage itself: waits for the order and becomes the program. Answers only on failure.
fn pass() -> i32 {
    // The stage leads no group yet, so this cannot fail; if it did, the daemon would still find us by pid.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The order holds secrets: until the program takes over, nobody of the same user may look. If the kernel
    // refused, they could look at the program's own memory just as well.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let Some(order) = receive(&mut io::stdin().lock()) else {
        return NOT_OPENED;
    };
    let stdin = match &order.stdin {
        None => Ok(Stdio::null()),
        Some(path) => pipes::open_both(path).map(Stdio::from),
    };
    let error = match handover::place(&order.sealed).and(stdin) {
        Ok(stdin) => become_program(&order, stdin),
        Err(error) => {
            // Its stderr is the instance's own log.
            let _ = writeln!(io::stderr(), "minimcp: cannot hand credentials and streams over: {error}");
            return NOT_OPENED;
        }
    };
    let _ = writeln!(io::stderr(), "minimcp: cannot execute {}: {error}", order.program.display());
    CANNOT_EXECUTE
}

/// Executes the program. Answers only on failure.
fn become_program(order: &Order, stdin: Stdio) -> io::Error {
    Command::new(&order.program)
        .args(&order.args)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.cwd)
        .stdin(stdin)
        .exec()
}

fn receive(from: &mut impl Read) -> Option<Order> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let length = u32::from_be_bytes(length);
    if length > MAX_ORDER {
        return None;
    }
    let mut text = vec![0; usize::try_from(length).ok()?];
    from.read_exact(&mut text).ok()?;
    let order = serde_json::from_slice(&text).ok()?;
    let mut open = [0; 1];
    from.read_exact(&mut open).ok()?;
    (open[0] == OPEN).then_some(order)
}

/// The command that spawns the stage. The caller adds stdout and stderr.
pub(super) fn command(gate: &Gate) -> Command {
    let mut command = Command::new(gate.0.as_os_str());
    command.arg(ARGUMENT).env_clear().current_dir(Path::new("/")).stdin(Stdio::piped());
    command
}

/// Hands the order to the stage, which then waits for [`open`].
/// `stdin` is the FIFO that the program reads from, if it is to read.
pub(super) fn send(plan: &Plan, stdin: Option<&Path>, to: &mut impl Write) -> io::Result<()> {
    let open = |variables: &[(String, SecretString)]| -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
    };
    let order = Order {
        program: plan.program.clone(),
        args: plan.args.clone(),
        env: open(&plan.env),
        sealed: open(&plan.sealed),
        cwd: plan.cwd.clone(),
        stdin: stdin.map(Path::to_owned),
    };
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&order).map_err(io::Error::other)?);
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= MAX_ORDER).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "arguments and environment exceed 4 MiB")
    })?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&text)
}

/// Lets the stage become the program.
pub(super) fn open(mut to: impl Write) -> io::Result<()> {
    to.write_all(&[OPEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            program: "/bin/true".into(),
            args: vec!["a b".into(), "\n".into()],
            env: vec![("KEY".into(), "a secret".to_owned().into())],
            sealed: vec![("TOKEN".into(), "a secret too".to_owned().into())],
            cwd: "/".into(),
            log_dir: "/tmp".into(),
        }
    }

    #[test]
    fn an_order_arrives_whole_once_the_gate_is_opened() {
        let mut wire = Vec::new();
        send(&plan(), None, &mut wire).unwrap();
        assert!(receive(&mut wire.as_slice()).is_none(), "not opened yet");
        open(&mut wire).unwrap();
        let order = receive(&mut wire.as_slice()).unwrap();
        assert_eq!(order.args, plan().args);
        assert_eq!(order.env, [("KEY".to_owned(), "a secret".to_owned())]);
        assert_eq!(order.sealed, [("TOKEN".to_owned(), "a secret too".to_owned())]);
    }

    #[test]
    fn whatever_part_of_the_order_is_missing_the_gate_stays_shut() {
        let mut wire = Vec::new();
        send(&plan(), None, &mut wire).unwrap();
        open(&mut wire).unwrap();
        for end in 0..wire.len() {
            assert!(receive(&mut &wire[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn a_plan_shows_no_value_when_printed() {
        assert!(!format!("{:?}", plan()).contains("a secret"));
    }
}
