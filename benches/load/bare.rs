//! The same server without the daemon: the same program, arguments and environment, spawned by hand.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::daemon::{Daemon, Instance, free_port};
use crate::probe::{self, Question};
use crate::proc;

/// What the github server is given.
const CREDENTIALS: &str = r#"{"personal_access_token":"none"}"#;

/// A server that is measured with and without the daemon.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    question: Question,
    request: Value,
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    log_dir: PathBuf,
}

impl Server {
    /// Every server of the subject, registered with the daemon.
    pub(crate) async fn all(daemon: &Daemon) -> anyhow::Result<Vec<Self>> {
        // Nothing listens there, and nothing may leave the machine.
        let vendor = json!({"GITHUB_API_URL": "http://127.0.0.1:9"});
        let everything = json!({
            "name": "bench-everything", "display_name": "everything", "args": ["streamableHttp"],
            "server_script": "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
            "health_check": {"kind": "mcp"},
        });
        let github = json!({
            "name": "bench-github", "display_name": "github", "server_script": "dist/github.cjs", "env": vendor,
            "credential_fields": {"required": ["personal_access_token"]},
        });
        daemon.post("/v1/types", &everything).await?;
        daemon.post("/v1/types", &github).await?;
        let fields: Value = serde_json::from_str(CREDENTIALS)?;
        let token = json!({"mcp_type": "bench-github", "name": "bench", "fields": fields});
        let credential = daemon.post("/v1/credentials", &token).await?;
        // Each kill is the first of its period, so that none has to wait.
        let restart = json!({"period_seconds": 1});
        Ok(vec![
            Self::observed(
                daemon,
                "everything",
                Question::Mcp,
                json!({"mcp_type": "bench-everything", "restart": restart}),
            )
            .await?,
            Self::observed(
                daemon,
                "github",
                Question::Health,
                json!({"mcp_type": "bench-github", "credential_id": credential["id"], "restart": restart}),
            )
            .await?,
        ])
    }

    /// Looks at an instance to see what the daemon executes, so that the bare server is the same.
    async fn observed(
        daemon: &Daemon,
        name: &'static str,
        question: Question,
        request: Value,
    ) -> anyhow::Result<Self> {
        let instance = daemon.create(&request).await?;
        let mut command = proc::command(instance.pid)?.into_iter();
        let mut env = proc::environment(instance.pid)?;
        if !env.iter().any(|(name, _)| name == "CREDENTIALS") {
            // The daemon handed them over sealed; the bare server takes them from where they always are.
            env.push(("CREDENTIALS".to_owned(), CREDENTIALS.to_owned()));
        }
        let server = Self {
            name,
            question,
            request,
            program: command.next().context("no program")?,
            args: command.collect(),
            env,
            cwd: std::fs::read_link(format!("/proc/{}/cwd", instance.pid))?,
            log_dir: daemon.dir().join("bare"),
        };
        daemon.delete(&instance).await?;
        std::fs::create_dir_all(&server.log_dir)?;
        Ok(server)
    }

    /// Makes an instance of it and waits until it runs. Answers how long that took.
    pub(crate) async fn supervised(&self, daemon: &Daemon) -> anyhow::Result<(Instance, Duration)> {
        let begun = Instant::now();
        let instance = daemon.create(&self.request).await?;
        Ok((instance, begun.elapsed()))
    }

    /// Spawns it by hand and waits until it answers. Answers how long that took.
    pub(crate) async fn bare(&self) -> anyhow::Result<(Bare, Duration)> {
        let port = free_port()?;
        let begun = Instant::now();
        let bare = Bare(self.spawn(port, &self.log_dir)?);
        probe::ready(self.question, port).await?;
        Ok((bare, begun.elapsed()))
    }

    fn spawn(&self, port: u16, log_dir: &Path) -> anyhow::Result<Child> {
        let file = |name| File::options().create(true).append(true).open(log_dir.join(name));
        let (port, log_dir) = (port.to_string(), log_dir.display().to_string());
        let env = self.env.iter().map(|(name, value)| match name.as_str() {
            "PORT" => (name, &port),
            "LOG_DIR" => (name, &log_dir),
            _ => (name, value),
        });
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(env).current_dir(&self.cwd);
        command.stdin(Stdio::null()).stdout(file("stdout.log")?).stderr(file("stderr.log")?);
        command.spawn().context("spawning the bare server")
    }
}

/// A bare server that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Bare(Child);

impl Bare {
    /// Kills it and waits for its end.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.kill();
    }
}
