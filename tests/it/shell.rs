//! The program `minimcp` as somebody at a shell uses it, without a terminal.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use uuid::Uuid;

use crate::daemon::Daemon;

/// A user with an empty home directory.
pub(crate) struct Shell {
    home: TempDir,
    variables: Vec<(String, String)>,
    /// Text that differs from run to run, and what stands for it in transcripts.
    names: Vec<(String, &'static str)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Shell {
    /// A user of this daemon with this API token.
    pub(crate) fn of(daemon: &Daemon, token: &str) -> Self {
        let shell = Self::alone().with("MINIMCP_URL", &daemon.url("")).with("MINIMCP_TOKEN", token);
        let host = daemon.settings.listen.to_string();
        Self { names: vec![(host, "HOST")], ..shell }
    }

    /// A user who knows of no daemon.
    pub(crate) fn alone() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new(), names: Vec::new() }
    }

    /// The same with a variable more.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command that this line is, its words separated by spaces.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_minimcp"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, line: &str) -> Said {
        let output = self.command(line).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs it to its end, which has to be a good one, and gives what it wrote.
    pub(crate) async fn done(&self, line: &str) -> String {
        let said = self.run(line).await;
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        said.out
    }

    /// Starts it and does not wait.
    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    /// Starts it to read what it writes, line by line.
    pub(crate) fn follow(&self, line: &str) -> Followed {
        let mut child = self.start(line);
        let out = child.stdout.take().expect("its output is piped");
        Followed { out: BufReader::new(out).lines(), _child: child }
    }

    /// Runs several lines and writes down what was said, errors behind `! ` with the exit code, with what
    /// differs from run to run replaced.
    pub(crate) async fn transcript(&self, lines: &[&str]) -> String {
        let mut transcript = String::new();
        for line in lines {
            let said = self.run(line).await;
            transcript.push_str(&format!("$ minimcp {}\n{}", self.named(line), self.named(&said.out)));
            let err = self.named(&said.err);
            transcript.extend(err.lines().map(|line| format!("! {line}\n")));
            match said.code {
                Some(0) => {}
                code => transcript.push_str(&format!("exit {}\n", code.unwrap())),
            }
        }
        transcript
    }

    fn named(&self, text: &str) -> String {
        let mut text = text.replace(&self.home().display().to_string(), "HOME");
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        without_ids(&text)
    }
}

/// A command that goes on until this is dropped.
pub(crate) struct Followed {
    out: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Followed {
    /// The next lines that it writes.
    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            let line = tokio::time::timeout(Duration::from_secs(30), self.out.next_line()).await;
            lines.push(line.expect("a line in time").unwrap().expect("a line before the end"));
        }
        lines
    }
}

/// The text with `ID` for ids and `TOKEN` for access tokens.
fn without_ids(text: &str) -> String {
    let mut named = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let id = rest.get(..36).is_some_and(|text| text.parse::<Uuid>().is_ok());
        let token = rest.strip_prefix("mmcp_inst_").or_else(|| rest.strip_prefix("mmcp_api_"));
        rest = if id {
            named.push_str("ID");
            &rest[36..]
        } else if let Some(secret) = token {
            named.push_str("TOKEN");
            secret.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
        } else {
            named.push(next);
            &rest[next.len_utf8()..]
        };
    }
    named
}
