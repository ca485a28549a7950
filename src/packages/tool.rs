//! Running npm and pip: with the little of the daemon's environment that configures them, for a bounded time, and
//! with nothing left of them when they are not wanted any more.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Bytes of an output that are kept: its end.
const KEPT: usize = 256 * 1024;

/// A program and where it runs.
#[derive(Debug)]
pub(super) struct Tool<'a> {
    /// Absolute path of the program.
    pub(super) program: &'a Path,
    pub(super) args: Vec<OsString>,
    pub(super) cwd: &'a Path,
    /// Variables over those that are handed on.
    pub(super) env: Vec<(&'static str, OsString)>,
}

/// What a program wrote before its good end.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: String,
}

/// Why a program did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ToolError {
    /// It could not be run.
    #[error("{program} cannot be run: {source}")]
    Spawn { program: String, source: std::io::Error },
    /// It did not end in time.
    #[error("it was not done in time")]
    TimedOut,
    /// It failed. What it wrote is as it was written.
    #[error("it failed")]
    Failed { output: String },
}

impl Tool<'_> {
    /// Runs it to its end, which has to come before `deadline`. It is ended with all it started if this is dropped.
    pub(super) async fn run(self, deadline: Instant) -> Result<Said, ToolError> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let spawn_error = |source| ToolError::Spawn { program: name.clone(), source };
        let mut command = Command::new(self.program);
        command
            .args(&self.args)
            .current_dir(self.cwd)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| is_handed_on(name)))
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(spawn_error)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut running = Running { child, ended: false };
        let all = async {
            let (out, err, status) = tokio::join!(end_of(out), end_of(err), running.end());
            (out, err, status)
        };
        match tokio::time::timeout_at(deadline, all).await {
            Err(_) => Err(ToolError::TimedOut),
            Ok((_, _, Err(source))) => Err(spawn_error(source)),
            Ok((out, _, Ok(true))) => Ok(Said { out }),
            Ok((out, err, Ok(false))) => Err(ToolError::Failed { output: format!("{out}\n{err}") }),
        }
    }
}

/// A program with all it started, which ends with this value.
struct Running {
    child: Child,
    ended: bool,
}

impl Running {
    async fn end(&mut self) -> std::io::Result<bool> {
        let status = self.child.wait().await?;
        self.ended = true;
        Ok(status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has not been waited for, so the number is still its own.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group.filter(|_| !self.ended) {
            // An error says that the group is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The end of what comes, as text.
async fn end_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    // A read that fails is an end like another: whether all went well is told by the exit code.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..length]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    kept.drain(..kept.len().saturating_sub(KEPT));
    String::from_utf8_lossy(&kept).into_owned()
}

/// Whether npm and pip get a variable of the daemon: what says where the registry is and how to reach it, and no more.
fn is_handed_on(name: &OsStr) -> bool {
    const NAMES: [&str; 17] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "XDG_CONFIG_HOME",
        "XDG_CONFIG_DIRS",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "NETRC",
    ];
    /// They say where to install, which is for us to say.
    const NOT: [&str; 9] = [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_USER",
        "PIP_PYTHON",
        "PIP_REQUIREMENT",
        "NPM_CONFIG_PREFIX",
        "NPM_CONFIG_GLOBAL",
        "NPM_CONFIG_LOCATION",
    ];
    let Some(name) = name.to_str() else { return false };
    let upper = name.to_ascii_uppercase();
    let begins = ["NPM_", "PIP_", "LC_", "PYENV_"].iter().any(|start| upper.starts_with(start));
    let is_proxy = upper.ends_with("_PROXY");
    (NAMES.contains(&name) || begins || is_proxy) && !NOT.contains(&upper.as_str())
}

/// How long is left for a program that only says something.
pub(super) fn shortly() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// An absolute path for a program that may be given by its name.
pub(super) fn found(program: &Path, search_path: &str) -> Option<PathBuf> {
    crate::catalog::program::find(program.to_str()?, search_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool<'a>(script: &str, cwd: &'a Path) -> Tool<'a> {
        let args = vec!["-c".into(), script.into()];
        Tool { program: Path::new("/bin/sh"), args, cwd, env: vec![("MARK", "x".into())] }
    }

    fn in_time() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn only_what_configures_a_package_manager_is_handed_on() {
        for name in [
            "PATH",
            "HOME",
            "npm_config_registry",
            "NPM_TOKEN",
            "PIP_INDEX_URL",
            "https_proxy",
            "NO_PROXY",
            "LC_ALL",
        ] {
            assert!(is_handed_on(OsStr::new(name)), "{name}");
        }
        for name in [
            "MINIMCP_MASTER_KEY",
            "MINIMCP_TOKEN",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "LD_PRELOAD",
            "PIP_TARGET",
            "npm_config_prefix",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
        ] {
            assert!(!is_handed_on(OsStr::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn what_it_says_is_kept_and_a_bad_end_is_told_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let said = tool("echo $MARK; echo noise >&2", dir.path()).run(in_time()).await.unwrap();
        assert_eq!(said.out, "x\n");
        let failed = tool("echo one; echo two >&2; exit 3", dir.path()).run(in_time()).await.unwrap_err();
        let ToolError::Failed { output } = failed else { panic!("{failed}") };
        assert_eq!(output, "one\n\ntwo\n");
        let absent = Tool { program: Path::new("/nonexistent/npm"), ..tool("", dir.path()) };
        assert!(matches!(absent.run(in_time()).await, Err(ToolError::Spawn { .. })));
    }

    #[tokio::test]
    async fn one_that_is_not_done_in_time_is_ended_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("alive");
        // The grandchild holds the pipe open for writing for as long as it lives.
        let script = format!("mkfifo {0}; sleep 600 >{0} & sleep 600", fifo.display());
        let running = tokio::spawn({
            let dir = dir.path().to_owned();
            async move { tool(&script, &dir).run(Instant::now() + Duration::from_millis(700)).await.map(|_| ()) }
        });
        while !fifo.exists() {
            tokio::task::yield_now().await;
        }
        let read = tokio::task::spawn_blocking(move || std::fs::read(fifo));
        assert!(matches!(running.await.unwrap(), Err(ToolError::TimedOut)));
        // Its end comes when nobody can write any more.
        let end =
            tokio::time::timeout(Duration::from_secs(30), read).await.expect("nothing is left").unwrap();
        assert_eq!(end.unwrap(), [0; 0]);
    }
}
