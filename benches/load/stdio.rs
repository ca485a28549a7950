//! A server on standard streams as a server of HTTP: what a bridge makes of it, in requests and in memory.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::Places;
use crate::bridges::{self, Bridge};
use crate::child::Role;
use crate::daemon::{Daemon, Instance};
use crate::figures::Table;
use crate::wrk::{self, Post, Run};
use crate::{pipes, proc};

const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// Until what load leaves behind has gone.
const SETTLE: Duration = Duration::from_secs(5);
/// Load on each server whose memory is measured: connections and seconds.
const WARM: (u32, u64) = (16, 1);

/// Interleaved rounds of all ways for each number of connections, then memory.
pub(crate) async fn measure(places: &Places, rounds: u32, seconds: u64, servers: u32) -> anyhow::Result<()> {
    let tools = bridges::install()?;
    let daemon = Daemon::start(places).await?;
    daemon.add_stdio_role("echo", Role::Echo).await?;
    let first = daemon.create(&json!({"mcp_type": "echo"})).await?;
    let (supergateway, mcp_proxy) =
        (Bridge::supergateway(&tools, daemon.dir()).await?, Bridge::mcp_proxy(&tools, daemon.dir()).await?);
    let ways = [
        Way::pipes(),
        Way::modern("MiniMCP, 2026-07-28", &daemon, &first),
        Way::session("MiniMCP, a session", &url(&daemon, &first), Some(&first.access_token), daemon.pid())
            .await?,
        Way::session("supergateway 4.0.0", &supergateway.url(), None, supergateway.pid()).await?,
        Way::session("mcp-proxy 0.13.0", &mcp_proxy.url(), None, mcp_proxy.pid()).await?,
    ];
    let mut table = Table::new([
        "connections",
        "way",
        "requests/s",
        "of the better peer",
        "p50 us",
        "p99 us",
        "CPU us/request",
    ]);
    for connections in CONNECTIONS {
        let mut runs: [Vec<Run>; 5] = Default::default();
        for round in 1..=rounds {
            for (way, runs) in ways.iter().zip(&mut runs) {
                let run = way.run(places, daemon.dir(), (connections, seconds)).await;
                runs.push(run.with_context(|| format!("{} with {connections} connections", way.name))?);
            }
            eprint!("\r{connections} connections: {round} of {rounds}");
        }
        eprintln!();
        let runs = runs.map(|runs| Run::median(&runs));
        let [.., one, other] = &runs;
        let better = one.per_second.max(other.per_second);
        for (way, run) in ways.iter().zip(&runs) {
            table.row([
                connections.to_string(),
                way.name.into(),
                format!("{:.0}", run.per_second),
                format!("{:.1}", run.per_second / better),
                format!("{:.0}", run.p50),
                format!("{:.0}", run.p99),
                if run.cpu > 0.0 { format!("{:.1}", run.cpu) } else { "-".into() },
            ]);
        }
    }
    table.print();
    let peers = [("supergateway 4.0.0", supergateway.pid()), ("mcp-proxy 0.13.0", mcp_proxy.pid())];
    memory(places, &daemon, servers, peers).await
}

/// What one more server costs the daemon, and what a peer's process takes that has one.
async fn memory(
    places: &Places,
    daemon: &Daemon,
    servers: u32,
    peers: [(&str, u32); 2],
) -> anyhow::Result<()> {
    let mut table = Table::new(["bridge", "servers", "PSS KiB", "KiB per server"]);
    tokio::time::sleep(SETTLE).await;
    let before = proc::memory(daemon.pid())?.pss;
    for count in 1..=servers {
        let instance = daemon.create(&json!({"mcp_type": "echo"})).await?;
        Way::modern("", daemon, &instance).run(places, daemon.dir(), WARM).await?;
        eprint!("\r{count} of {servers} servers");
    }
    eprintln!();
    tokio::time::sleep(SETTLE).await;
    let after = proc::memory(daemon.pid())?.pss;
    let each = (after as f64 - before as f64) / f64::from(servers);
    table.row(["MiniMCP, before".into(), "1".into(), before.to_string(), "-".into()]);
    let count = servers + 1;
    table.row(["MiniMCP, after".into(), count.to_string(), after.to_string(), format!("{each:.1}")]);
    for (name, pid) in peers {
        let pss = proc::memory(pid)?.pss.to_string();
        table.row([name.into(), "1".into(), pss.clone(), pss]);
    }
    table.print();
    Ok(())
}

/// A way from a client to a server of its own.
struct Way {
    name: &'static str,
    to: To,
}

enum To {
    Pipes,
    /// Over HTTP, through this process.
    Bridge(Post, u32),
}

impl Way {
    fn pipes() -> Self {
        Self { name: "raw pipes", to: To::Pipes }
    }

    /// A call of the newer era, which needs no session.
    fn modern(name: &'static str, daemon: &Daemon, instance: &Instance) -> Self {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}});
        let mut headers = headers(Some(&instance.access_token));
        headers.push(("mcp-protocol-version", "2026-07-28".into()));
        headers.push(("mcp-method", "tools/call".into()));
        headers.push(("mcp-name", "echo".into()));
        let post = Post { url: url(daemon, instance), headers, body: call(Some(meta)) };
        Self { name, to: To::Bridge(post, daemon.pid()) }
    }

    /// Calls within one session, which all connections share.
    async fn session(name: &'static str, url: &str, token: Option<&str>, pid: u32) -> anyhow::Result<Self> {
        let session = open(url, token).await.with_context(|| format!("a session of {name}"))?;
        let mut headers = headers(token);
        headers.push(("mcp-session-id", session));
        headers.push(("mcp-protocol-version", "2025-06-18".into()));
        Ok(Self { name, to: To::Bridge(Post { url: url.to_owned(), headers, body: call(None) }, pid) })
    }

    async fn run(&self, places: &Places, dir: &Path, load: (u32, u64)) -> anyhow::Result<Run> {
        match &self.to {
            To::Pipes => tokio::task::spawn_blocking(move || pipes::load(load.0, load.1)).await?,
            To::Bridge(post, pid) => wrk::load(places, dir, post, load, &[*pid]).await,
        }
    }
}

fn url(daemon: &Daemon, instance: &Instance) -> String {
    format!("http://127.0.0.1:{}/i/{}/mcp", daemon.port(), instance.id)
}

fn headers(token: Option<&str>) -> Vec<(&'static str, String)> {
    let token = token.map(|token| ("authorization", format!("Bearer {token}")));
    let plain = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    plain.into_iter().map(|(name, value)| (name, value.to_owned())).chain(token).collect()
}

/// A small call, whose id is a number of its own each time.
fn call(meta: Option<Value>) -> String {
    let mut params = json!({"name": "echo", "arguments": {"message": "hello"}});
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    format!(r#"{{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{params}}}"#)
}

/// Begins a session. Answers its id.
async fn open(url: &str, token: Option<&str>) -> anyhow::Result<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let post = |session: Option<&str>, body: &Value| {
        let mut request = Request::post(url);
        for (name, value) in headers(token) {
            request = request.header(name, value);
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        anyhow::Ok(client.request(request.body(Full::new(bytes::Bytes::from(body.to_string())))?))
    };
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "load", "version": "1"}});
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let welcome = post(None, &hello)?.await?;
    let (head, body) = welcome.into_parts();
    let said = body.collect().await?.to_bytes();
    ensure!(head.status.is_success(), "{}: {}", head.status, String::from_utf8_lossy(&said));
    let session = head.headers.get("mcp-session-id").context("no session")?.to_str()?.to_owned();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let taken = post(Some(&session), &ready)?.await?;
    ensure!(taken.status().is_success(), "not ready: {}", taken.status());
    Ok(session)
}
