//! The gate: a short stage of our own binary between spawn and the server's program.
//!
//! The daemon spawns itself with one argument and an empty environment, so that `posix_spawn` is enough and
//! no variable of a user ever touches code of ours. The gate makes its own session, reads the order from its
//! stdin, joins its control group, puts the [`isolation`] on and says what came of it, and waits for one more byte, which the daemon writes
//! only after it has recorded the process. If the daemon dies before, its end closes and the gate exits: no
//! unrecorded process can exist.

use std::ffi::OsStr;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::isolation::{self, Answer, Confinement, Report};
use super::{Plan, handover, pipes};

const ARGUMENT: &str = "__minimcp-gate";
const OPEN: u8 = b'G';
/// Longest order, in bytes: credentials are limited far below it.
const MAX_ORDER: u32 = 4 * 1024 * 1024;
/// The gate could not execute the program; the shell's code for it.
const CANNOT_EXECUTE: i32 = 126;
/// The daemon went away before it opened the gate; `EX_TEMPFAIL` of sysexits.
const NOT_OPENED: i32 = 75;
/// What the stage says of itself takes a millisecond; past this it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Proof that processes can be started through a gate: whoever holds one has a program whose `main` begins
/// with [`entry`].
///
/// ```
/// use minimcp_actors::launch::gate::Gate;
///
/// // For programs that are not the gate themselves, such as tests.
/// let gate = Gate::in_program("/usr/bin/minimcp");
/// assert!(format!("{gate:?}").contains("/usr/bin/minimcp"));
/// ```
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
///
/// ```no_run
/// use minimcp_actors::launch::gate;
///
/// fn main() {
///     let gate = gate::entry();
///     // Only now threads, a runtime, arguments, logs.
///     # let _ = gate;
/// }
/// ```
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

#[derive(Default, Serialize, Deserialize)]
struct Order {
    before: Preparation,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    sealed: Vec<(String, String)>,
    cwd: PathBuf,
}

/// What the stage does before it may become the program, in this order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Preparation {
    /// What to write `0` into, to join the control group of the run.
    pub(super) join: Vec<PathBuf>,
    /// The FIFO that is the program's stdin; without one it reads nothing.
    pub(super) stdin: Option<PathBuf>,
    /// What it is isolated by, if it is.
    pub(super) isolation: Option<Confinement>,
}

/// The stage itself: waits for the order and becomes the program. Answers only on failure.
fn pass() -> i32 {
    // The stage leads no group yet, so this cannot fail; if it did, the daemon would still find us by pid.
    let _ = rustix::process::setsid();
    isolation::reset_signals();
    let scored = isolation::end_me_first();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The order holds secrets: until the program takes over, nobody of the same user may look. If the kernel
    // refused, they could look at the program's own memory just as well.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let mut daemon = io::stdin().lock();
    let Some(order) = receive(&mut daemon) else {
        return NOT_OPENED;
    };
    let (answer, stdin) = prepare(&order.before, scored);
    if tell(&answer).is_err() || answer.refused.is_some() || !is_opened(&mut daemon) {
        return NOT_OPENED;
    }
    let reads = stdin.is_some();
    let ready = handover::place(&order.sealed)
        .and_then(|()| stdin.map_or(Ok(()), |stdin| rustix::stdio::dup2_stdin(stdin).map_err(Into::into)));
    let error = match ready {
        Ok(()) => become_program(&order, reads),
        Err(error) => {
            // Its stderr is the instance's own log.
            let _ = writeln!(io::stderr(), "minimcp: cannot hand credentials and streams over: {error}");
            return NOT_OPENED;
        }
    };
    let _ = writeln!(io::stderr(), "minimcp: cannot execute {}: {error}", order.program.display());
    CANNOT_EXECUTE
}

/// All that comes before the gate, what came of it, and the stdin that the program is to have.
fn prepare(before: &Preparation, scored: io::Result<()>) -> (Answer, Option<OwnedFd>) {
    let nothing = || Report::nothing("nobody asked for it");
    let refused =
        |what, error| (Answer { report: nothing(), refused: Some(format!("{what}: {error}")) }, None);
    if let Err(error) = before.join.iter().try_for_each(|door| std::fs::write(door, "0")) {
        return refused("joining the control group", error);
    }
    // Once it is isolated, the run directory is out of reach.
    let stdin = match before.stdin.as_deref().map(pipes::open_both).transpose() {
        Ok(stdin) => stdin.map(OwnedFd::from),
        Err(error) => return refused("opening the pipe to its stdin", error),
    };
    let wanted = before.isolation.as_ref();
    let plain = || Answer { report: nothing(), refused: None };
    (wanted.map_or_else(plain, |wanted| isolation::put_on(wanted, scored)), stdin)
}

/// Tells the daemon, at the other end of stdin, how the preparation went.
fn tell(answer: &Answer) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer).map_err(io::Error::other)?;
    text.push(b'\n');
    let daemon = rustix::stdio::stdin();
    while !text.is_empty() {
        let written = rustix::io::write(daemon, &text)?;
        text.drain(..written);
    }
    Ok(())
}

/// Executes the program, which `reads` our stdin or nothing. Answers only on failure.
fn become_program(order: &Order, reads: bool) -> io::Error {
    // Nothing else is inherited; where the kernel lacks the call, all of ours are closed by the execution.
    let first = if order.sealed.is_empty() { handover::DESCRIPTOR } else { handover::DESCRIPTOR + 1 };
    let _ = isolation::close_from(first.unsigned_abs());
    let temporary = order.before.isolation.as_ref().and_then(|wanted| wanted.temporary.as_ref());
    Command::new(&order.program)
        .args(&order.args)
        .env_clear()
        .envs(temporary.map(|dir| ("TMPDIR", dir)))
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.cwd)
        .stdin(if reads { Stdio::inherit() } else { Stdio::null() })
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
    serde_json::from_slice(&text).ok()
}

/// Waits for the byte that opens the gate.
fn is_opened(from: &mut impl Read) -> bool {
    let mut open = [0; 1];
    from.read_exact(&mut open).is_ok() && open[0] == OPEN
}

/// The command that spawns the stage, and our end of its stdin. The caller adds stdout and stderr.
pub(super) fn command(gate: &Gate) -> io::Result<(Command, UnixStream)> {
    let (ours, its) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut command = Command::new(gate.0.as_os_str());
    command.arg(ARGUMENT).env_clear().current_dir(Path::new("/")).stdin(OwnedFd::from(its));
    Ok((command, ours))
}

/// What the prepared stage says of its isolation, to be asked after [`send`]. From then on it is in its control
/// group, so a record of it can name that.
///
/// # Errors
/// The reason if it could not be prepared, as `PermissionDenied`.
pub(super) fn prepared(stage: &UnixStream) -> io::Result<Report> {
    let answer = answer(stage)?;
    match answer.refused {
        None => Ok(answer.report),
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
    }
}

fn answer(stage: &UnixStream) -> io::Result<Answer> {
    let mut line = String::new();
    io::BufReader::new(stage.take(MAX_ORDER.into())).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stage behind the gate ended early"));
    }
    Ok(serde_json::from_str(&line)?)
}

/// A stage that puts the isolation on and executes nothing.
pub(super) fn try_out(gate: &Gate, wanted: &Confinement) -> io::Result<Answer> {
    let (mut command, mut stage) = command(gate)?;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It holds the other end of the connection.
    drop(command);
    let before = Preparation { isolation: Some(wanted.clone()), ..Preparation::default() };
    let order = Order { before, ..Order::default() };
    let answer = hand_over(&order, &mut stage).and_then(|()| answer(&stage));
    // A gate that is not opened ends its stage.
    drop(stage);
    // Whoever takes in orphans may have reaped it already.
    let _ = child.wait();
    answer
}

/// Hands the order to the stage, which prepares itself and then waits for [`open`].
pub(super) fn send(plan: &Plan, before: Preparation, to: &mut impl Write) -> io::Result<()> {
    let open = |variables: &[(String, SecretString)]| -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
    };
    let order = Order {
        before,
        program: plan.program.clone(),
        args: plan.args.clone(),
        env: open(&plan.env),
        sealed: open(&plan.sealed),
        cwd: plan.cwd.clone(),
    };
    hand_over(&order, to)
}

fn hand_over(order: &Order, to: &mut impl Write) -> io::Result<()> {
    let text = zeroize::Zeroizing::new(serde_json::to_vec(order).map_err(io::Error::other)?);
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
    use super::super::Reach;
    use super::*;

    fn plan() -> Plan {
        Plan {
            program: "/bin/true".into(),
            args: vec!["a b".into(), "\n".into()],
            env: vec![("KEY".into(), "a secret".to_owned().into())],
            sealed: vec![("TOKEN".into(), "a secret too".to_owned().into())],
            cwd: "/".into(),
            log_dir: "/tmp".into(),
            reach: Reach::default(),
        }
    }

    fn passed(wire: &mut &[u8]) -> Option<Order> {
        receive(wire).filter(|_| is_opened(wire))
    }

    #[test]
    fn an_order_arrives_whole_once_the_gate_is_opened() {
        let mut wire = Vec::new();
        let isolation = Some(Confinement { port: Some(7), ..Confinement::default() });
        send(&plan(), Preparation { isolation, ..Preparation::default() }, &mut wire).unwrap();
        assert!(passed(&mut wire.as_slice()).is_none(), "not opened yet");
        open(&mut wire).unwrap();
        let order = passed(&mut wire.as_slice()).unwrap();
        assert_eq!(order.args, plan().args);
        assert_eq!(order.env, [("KEY".to_owned(), "a secret".to_owned())]);
        assert_eq!(order.sealed, [("TOKEN".to_owned(), "a secret too".to_owned())]);
        assert_eq!(order.before.isolation.and_then(|wanted| wanted.port), Some(7));
    }

    #[test]
    fn whatever_part_of_the_order_is_missing_the_gate_stays_shut() {
        let mut wire = Vec::new();
        send(&plan(), Preparation::default(), &mut wire).unwrap();
        open(&mut wire).unwrap();
        for end in 0..wire.len() {
            assert!(passed(&mut &wire[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn a_plan_shows_no_value_when_printed() {
        assert!(!format!("{:?}", plan()).contains("a secret"));
    }
}
