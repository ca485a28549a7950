//! A daemon of our own, in a directory that goes with it, and a client of its API.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::Places;
use crate::child::Role;
use crate::proc;

/// How long anything may take that the daemon is asked for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    dir: TempDir,
    program: PathBuf,
    settings: Vec<String>,
    port: u16,
    token: String,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

impl Daemon {
    /// Starts a daemon with nothing in it and waits until it is ready.
    pub(crate) async fn start(places: &Places) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let program =
            places.daemon.canonicalize().context("the daemon's program is missing; name it with --daemon")?;
        let servers_dir = places.servers_dir.canonicalize().context("name the servers with --servers-dir")?;
        let port = free_port()?;
        let settings = settings(&servers_dir, &places.set);
        let child = spawn(&program, &settings, dir.path(), port)?;
        // The daemon closes idle connections after 5 s; a request on its way just then would be lost.
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(3))
            .build_http();
        let mut daemon = Self { child, dir, program, settings, port, token: String::new(), client };
        daemon.ready().await?;
        let token = std::fs::read_to_string(daemon.dir.path().join("data/admin.token"));
        daemon.token = token.context("reading the administrator's token")?.trim().to_owned();
        Ok(daemon)
    }

    /// Kills the daemon and starts the next one on what it left.
    pub(crate) async fn replace(&mut self) -> anyhow::Result<Instant> {
        self.child.kill()?;
        self.child.wait()?;
        let begun = Instant::now();
        self.child = spawn(&self.program, &self.settings, self.dir.path(), self.port)?;
        self.ready().await?;
        Ok(begun)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default();
                bail!("the daemon ended with {status}: {said}");
            }
            match self.send(Method::GET, "/readyz", None).await {
                Ok((200, _)) => return Ok(()),
                // It does not listen yet, or still restores.
                Ok(_) | Err(_) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(1)).await
                }
                Ok((status, body)) => bail!("the daemon is not ready: {status} {body}"),
                Err(error) => return Err(error),
            }
        }
    }

    /// The process of the daemon.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A directory that goes with the daemon.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Reads something of the API.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Makes something through the API.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Ends an instance and removes it.
    pub(crate) async fn delete(&self, instance: &Instance) -> anyhow::Result<()> {
        self.remove(&format!("/v1/instances/{}", instance.id)).await
    }

    /// Removes something of the API.
    pub(crate) async fn remove(&self, path: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    /// Registers a type whose servers are this program in a role.
    pub(crate) async fn add_role(&self, name: &str, role: Role, interval: u32) -> anyhow::Result<()> {
        let program = std::env::current_exe()?;
        let health = json!({"kind": "tcp", "interval_seconds": interval});
        let recipe = json!({"name": name, "display_name": name, "command": program, "args": role.args(), "health_check": health});
        self.post("/v1/types", &recipe).await.map(drop)
    }

    /// Registers a type whose servers are this program in a role that speaks over its standard streams.
    pub(crate) async fn add_stdio_role(&self, name: &str, role: Role) -> anyhow::Result<()> {
        let program = std::env::current_exe()?;
        let recipe = json!({"name": name, "display_name": name, "lane": "stdio", "command": program,
            "args": role.args(), "health_check": {"kind": "mcp"}});
        self.post("/v1/types", &recipe).await.map(drop)
    }

    /// Makes an instance and waits until it runs.
    pub(crate) async fn create(&self, request: &Value) -> anyhow::Result<Instance> {
        let made = self.post("/v1/instances?wait=running", request).await?;
        let text = |field: &str| {
            made[field].as_str().map(str::to_owned).with_context(|| format!("no {field}: {made}"))
        };
        let number = |field: &str| made[field].as_u64().with_context(|| format!("no {field}: {made}"));
        if text("status")? != "running" {
            bail!("it does not run: {made}");
        }
        Ok(Instance {
            id: text("id")?,
            access_token: text("access_token")?,
            pid: number("process_id")?.try_into()?,
            // One on standard streams has none.
            port: made["assigned_port"].as_u64().unwrap_or_default().try_into()?,
        })
    }

    /// Sends a small message to an instance through the gateway. Answers the status.
    pub(crate) async fn call_mcp(&self, instance: &Instance) -> anyhow::Result<u16> {
        let request = Request::post(format!("http://127.0.0.1:{}/i/{}/mcp", self.port, instance.id))
            .header("authorization", format!("Bearer {}", instance.access_token))
            .header("content-type", "application/json")
            .body(Full::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#))?;
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await??;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, answer) = self.send(method.clone(), path, body).await?;
        if (200..300).contains(&status) {
            Ok(answer)
        } else {
            bail!("{method} {path} answered {status}: {answer}")
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::from(body.map(Value::to_string).unwrap_or_default()))?;
        let response = tokio::time::timeout(PATIENCE, self.client.request(request)).await??;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok((status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? }))
    }
}

impl Drop for Daemon {
    /// Ends it with all of its children, also those that only a dead daemon of ours knew of.
    fn drop(&mut self) {
        let children = proc::children(self.pid());
        let recorded = recorded(&self.dir.path().join("data/run"));
        // With SIGTERM it would take its time; nothing it has is worth keeping.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in children.into_iter().chain(recorded) {
            let _ = proc::signal(pid, Signal::KILL);
        }
    }
}

/// An instance as far as it is measured.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) access_token: String,
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

/// What the daemon is told: nothing here is to be held back, and what is asked for comes last.
fn settings(servers_dir: &Path, more: &[String]) -> Vec<String> {
    let own = [
        format!("servers-dir={}", servers_dir.display()),
        "ports=10000-18000".into(),
        "quota.max-instances=none".into(),
        "quota.max-running=none".into(),
        "gateway.max-rate=0".into(),
        "http.max-rate=0".into(),
        "http.max-creations=0".into(),
        "log.format=json".into(),
    ];
    own.into_iter().chain(more.iter().cloned()).collect()
}

fn spawn(program: &Path, settings: &[String], dir: &Path, port: u16) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("daemon.log"))?;
    let mut command = Command::new(program);
    command.args(["serve", "--data-dir"]).arg(dir.join("data"));
    command.arg("--listen").arg(format!("127.0.0.1:{port}"));
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("starting the daemon")
}

/// A port that nothing listens on at present.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The processes that the daemon's records name and that are still those.
fn recorded(runs: &Path) -> Vec<u32> {
    let files = std::fs::read_dir(runs).into_iter().flatten().flatten().map(|file| file.path());
    let records = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let records = records.filter_map(|path| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok());
    records
        .filter_map(|record| {
            let identity = &record["identity"];
            let pid = u32::try_from(identity["pid"].as_u64()?).ok()?;
            (proc::start_ticks(pid).ok() == identity["start_ticks"].as_u64()).then_some(pid)
        })
        .collect()
}
