//! The same calls over a server's own pipes, with nothing between: what no bridge can reach.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;

use crate::child::Role;
use crate::figures::quantile;
use crate::wrk::Run;

/// Sends calls for so many seconds, always so many of them under way.
pub(crate) fn load(under_way: u32, seconds: u64) -> anyhow::Result<Run> {
    let mut server = Server::start()?;
    let mut to = server.0.stdin.take().context("its input")?;
    let mut from = BufReader::new(server.0.stdout.take().context("its output")?);
    let mut sent: HashMap<u64, Instant> = HashMap::new();
    let mut times = Vec::new();
    let (mut last, mut text, mut line) = (0, String::new(), String::new());
    let mut begin = |text: &mut String, sent: &mut HashMap<u64, Instant>| {
        last += 1;
        sent.insert(last, Instant::now());
        text.push_str(&call(last));
    };
    (0..under_way).for_each(|_| begin(&mut text, &mut sent));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    while !sent.is_empty() {
        // What was answered together is asked anew together.
        if from.buffer().is_empty() && !text.is_empty() {
            to.write_all(text.as_bytes())?;
            text.clear();
        }
        line.clear();
        ensure!(from.read_line(&mut line)? > 0, "the server ended");
        let id = line.split_once(r#""id":"#).and_then(|(_, rest)| rest.split_once(','));
        let id: u64 = id.context("an answer without an id")?.0.parse()?;
        let asked = sent.remove(&id).context("an answer to no call")?;
        times.push(asked.elapsed().as_secs_f64() * 1e6);
        if Instant::now() < until {
            begin(&mut text, &mut sent);
        }
    }
    let requests = times.len() as f64;
    let per_second = requests / begun.elapsed().as_secs_f64();
    Ok(Run { requests, per_second, p50: quantile(&times, 0.5), p99: quantile(&times, 0.99), cpu: 0.0 })
}

fn call(id: u64) -> String {
    let params = r#"{"name":"echo","arguments":{"message":"hello"}}"#;
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}\n")
}

struct Server(Child);

impl Server {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(Role::Echo.args()).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
