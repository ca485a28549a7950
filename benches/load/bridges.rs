//! The bridges that people use, beside which ours is measured.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;

use crate::child::Role;
use crate::daemon::free_port;
use crate::proc;

/// How long one may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// Installs them, unless that was done before. Answers where they are.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    eprintln!("installing supergateway and mcp-proxy, unless they are there");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bridges");
    let output = Command::new(&script).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("running {}", script.display()))?;
    ensure!(output.status.success(), "scripts/bridges failed");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// A bridge before a server of its own.
pub(crate) struct Bridge {
    child: Child,
    port: u16,
}

impl Bridge {
    /// supergateway, with a process that stays for each session: without that it starts one for each request.
    pub(crate) async fn supergateway(tools: &Path, dir: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let program = std::env::current_exe()?;
        let [child, echo] = Role::Echo.args();
        let mut command = Command::new("node");
        command.arg(tools.join("node_modules/supergateway/dist/index.js"));
        command.args(["--stdio", &format!("'{}' {child} {echo}", program.display())]);
        command.args(["--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none"]);
        command.args(["--port", &port.to_string()]);
        Self::start(command, port, &dir.join("supergateway.log")).await
    }

    /// mcp-proxy, whose sessions share one process.
    pub(crate) async fn mcp_proxy(tools: &Path, dir: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(tools.join("mcp-proxy"));
        command.args(["--log-level", "ERROR", "--port", &port.to_string(), "--"]);
        command.arg(std::env::current_exe()?).args(Role::Echo.args());
        Self::start(command, port, &dir.join("mcp-proxy.log")).await
    }

    async fn start(mut command: Command, port: u16, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child =
            command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let mut bridge = Self { child, port };
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                let said = || std::fs::read_to_string(log).unwrap_or_default();
                ensure!(bridge.child.try_wait()?.is_none(), "it ended at once: {}", said());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, listens).await.context("a bridge does not listen")??;
        Ok(bridge)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let servers = proc::children(self.pid());
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Theirs read the end of their input and go by themselves; a shell between may not.
        for pid in servers {
            let _ = proc::signal(pid, Signal::TERM);
        }
    }
}
