//! Requests per second and latency of the same server: direct, through nginx, through the gateway.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde_json::json;

use crate::Places;
use crate::child::Role;
use crate::daemon::{Daemon, Instance, free_port};
use crate::figures::Table;
use crate::proc;
use crate::wrk::{self, Post, Run};

const CONNECTIONS: [u32; 3] = [1, 16, 64];

/// Interleaved rounds of the three ways for each number of connections.
pub(crate) async fn measure(places: &Places, rounds: u32, seconds: u64) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    daemon.add_role("answerer", Role::Answerer, 30).await?;
    let instance = daemon.create(&json!({"mcp_type": "answerer"})).await?;
    let nginx = Nginx::start(places, &daemon.dir().join("nginx"), instance.port)?;
    let ways = Ways { places, daemon: &daemon, instance: &instance, nginx: &nginx, seconds };
    let mut table = Table::new([
        "connections",
        "way",
        "requests/s",
        "of nginx",
        "p50 us",
        "added p50 us",
        "p99 us",
        "CPU us/request",
    ]);
    for connections in CONNECTIONS {
        let mut runs: [Vec<Run>; 3] = Default::default();
        for round in 1..=rounds {
            for (way, runs) in [Way::Direct, Way::Nginx, Way::Gateway].into_iter().zip(&mut runs) {
                runs.push(ways.run(way, connections).await?);
            }
            eprint!("\r{connections} connections: {round} of {rounds}");
        }
        eprintln!();
        let [direct, nginx, gateway] = runs.map(|runs| Run::median(&runs));
        for (name, run) in [("direct", &direct), ("nginx", &nginx), ("gateway", &gateway)] {
            table.row([
                connections.to_string(),
                name.into(),
                format!("{:.0}", run.per_second),
                format!("{:.2}", run.per_second / nginx.per_second),
                format!("{:.0}", run.p50),
                format!("{:.0}", run.p50 - direct.p50),
                format!("{:.0}", run.p99),
                if run.cpu > 0.0 { format!("{:.1}", run.cpu) } else { "-".into() },
            ]);
        }
    }
    table.print();
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Direct,
    Nginx,
    Gateway,
}

struct Ways<'a> {
    places: &'a Places,
    daemon: &'a Daemon,
    instance: &'a Instance,
    nginx: &'a Nginx,
    seconds: u64,
}

impl Ways<'_> {
    async fn run(&self, way: Way, connections: u32) -> anyhow::Result<Run> {
        let (url, processes) = match way {
            Way::Direct => (format!("http://127.0.0.1:{}/mcp", self.instance.port), Vec::new()),
            Way::Nginx => (format!("http://127.0.0.1:{}/mcp", self.nginx.port), self.nginx.processes()),
            Way::Gateway => {
                let path = format!("i/{}/mcp", self.instance.id);
                (format!("http://127.0.0.1:{}/{path}", self.daemon.port()), vec![self.daemon.pid()])
            }
        };
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "echo", "arguments": {"message": "hello"}}});
        let headers = vec![
            ("authorization", format!("Bearer {}", self.instance.access_token)),
            ("content-type", "application/json".into()),
            ("accept", "application/json, text/event-stream".into()),
            ("mcp-protocol-version", "2026-07-28".into()),
        ];
        let post = Post { url, headers, body: call.to_string() };
        wrk::load(self.places, self.daemon.dir(), &post, (connections, self.seconds), &processes).await
    }
}

/// An nginx of our own before the server.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(places: &Places, dir: &Path, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        std::fs::create_dir_all(dir)?;
        let config = dir.join("nginx.conf");
        std::fs::write(&config, conf(dir, port, upstream))?;
        let mut command = Command::new(&places.nginx);
        command.arg("-p").arg(dir).arg("-c").arg(&config).arg("-e").arg(dir.join("error.log"));
        command.stdin(Stdio::null());
        let mut nginx =
            Self { child: command.spawn().context("starting nginx; name it with --nginx")?, port };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(nginx);
            }
            ensure!(nginx.child.try_wait()?.is_none(), "nginx ended at once");
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!("nginx does not listen")
    }

    fn processes(&self) -> Vec<u32> {
        let workers = proc::children(self.child.id());
        workers.into_iter().chain([self.child.id()]).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM is its quick shutdown; its workers go with it.
        let _ = proc::signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A plain reverse proxy: connections to the server are kept, nothing is held back or logged.
fn conf(dir: &Path, port: u16, upstream: u16) -> String {
    let temp = dir.display();
    format!(
        "daemon off;
worker_processes auto;
pid {temp}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {temp}/body;
  proxy_temp_path {temp}/proxy;
  fastcgi_temp_path {temp}/fastcgi;
  uwsgi_temp_path {temp}/uwsgi;
  scgi_temp_path {temp}/scgi;
  keepalive_requests 100000000;
  upstream server {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"
    )
}
