//! What a server costs its neighbours that takes more than its share: their calls while it lives, against their calls
//! just before.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Places;
use crate::daemon::{Daemon, Instance};
use crate::figures::{Table, median, ms, quantile};

/// Between two calls of the neighbour, counted from their beginnings.
const EVERY: Duration = Duration::from_millis(10);
/// Calls between two looks at the hog.
const AT_A_TIME: u32 = 10;
/// As many hogs of a kind in a row, as long as each ends too early for all the calls.
const HOGS: u32 = 100;
/// How long the daemon may take for the end of one that is over its limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that takes too much, as a program for Node, and what its type allows it.
struct Hog {
    name: &'static str,
    program: &'static str,
    limits: Value,
    /// Its limit is one at which it is ended, not held.
    is_ended: bool,
}

/// What makes it a server to the daemon.
const LISTEN: &str =
    "require('http').createServer((_, answer) => answer.end()).listen(process.env.PORT, '127.0.0.1');";

/// What the neighbour's calls took beside hogs of a kind, and what became of the last of them.
struct Beside {
    took: Vec<f64>,
    end: String,
}

fn hogs() -> [Hog; 4] {
    let grow = "const a = []; setInterval(() => a.push(Buffer.alloc(1 << 20, 1)), 20)";
    let spin = "const { Worker } = require('worker_threads'); for (let i = 0; i < 4; i++) \
                new Worker('for (;;);', { eval: true })";
    let bomb = "const { spawn } = require('child_process'); \
                setInterval(() => spawn('/bin/sleep', ['1000']).on('error', () => {}), 2)";
    let flood = "const line = Buffer.alloc(1 << 20, 'x'); const more = () => { process.stdout.write(line); \
                 setImmediate(more); }; more();";
    [
        Hog { name: "memory", program: grow, limits: json!({"max_memory_mb": 150}), is_ended: true },
        Hog { name: "cpu", program: spin, limits: json!({"max_cpu_percent": 50}), is_ended: false },
        Hog { name: "processes", program: bomb, limits: json!({"max_processes": 32}), is_ended: true },
        Hog { name: "output", program: flood, limits: json!({}), is_ended: false },
    ]
}

/// One kind of hog after the other beside one neighbour, which is called `calls` times without and with each; or
/// `only` the one of this name.
pub(crate) async fn measure(places: &Places, calls: u32, only: Option<&str>) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    let plain = json!({"name": "neighbour", "display_name": "Neighbour", "server_script": "faulty/index.mjs",
        "args": ["ok"], "health_check": {"kind": "http", "endpoint": "/health"}});
    daemon.post("/v1/types", &plain).await?;
    let neighbour = daemon.create(&json!({"mcp_type": "neighbour"})).await?;
    let mut table = Table::new([
        "beside a hog of",
        "p50 without, ms",
        "p95 without",
        "p50 with",
        "p95 with",
        "ratio of p95",
        "what became of the last one",
    ]);
    // The first calls are those of a program that is still being compiled.
    called(&daemon, &neighbour, calls).await?;
    for hog in hogs().into_iter().filter(|hog| only.is_none_or(|name| name == hog.name)) {
        eprintln!("{}", hog.name);
        let of_type = format!("hog-{}", hog.name);
        let definition = json!({"name": of_type, "display_name": hog.name, "command": "node",
            "args": ["-e", format!("{LISTEN} {}", hog.program)], "resource_limits": hog.limits,
            "health_check": {"kind": "tcp"}});
        daemon.post("/v1/types", &definition).await?;
        let without = called(&daemon, &neighbour, calls).await?;
        let with = beside(&daemon, &neighbour, (&of_type, hog.is_ended), calls).await?;
        let (quiet, busy) = (quantile(&without, 0.95), quantile(&with.took, 0.95));
        table.row([
            hog.name.to_owned(),
            format!("{:.2}", median(&without)),
            format!("{quiet:.2}"),
            format!("{:.2}", median(&with.took)),
            format!("{busy:.2}"),
            format!("{:.2}", busy / quiet),
            with.end,
        ]);
    }
    table.print();
    Ok(())
}

/// Calls the neighbour as long as a hog lives, and makes another one until there were enough calls.
async fn beside(
    daemon: &Daemon,
    neighbour: &Instance,
    (hog, is_ended): (&str, bool),
    calls: u32,
) -> anyhow::Result<Beside> {
    let wanted = usize::try_from(calls)?;
    let mut beside = Beside { took: Vec::new(), end: String::new() };
    for _ in 0..HOGS {
        let body = json!({"mcp_type": hog, "restart": {"policy": "temporary"}});
        let made = daemon.post("/v1/instances", &body).await?;
        let path = format!("/v1/instances/{}", made["id"].as_str().context("no id")?);
        let begun = Instant::now();
        loop {
            beside.took.extend(called(daemon, neighbour, AT_A_TIME).await?);
            let shown = daemon.get(&path).await?;
            let (status, reason) = (&shown["status"], &shown["status_reason"]);
            beside.end = format!("{status}: {reason}").replace('"', "");
            let ended = matches!(status.as_str(), Some("disconnected" | "failed" | "stopped"));
            if ended || (!is_ended && beside.took.len() >= wanted) {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "nobody ends it: {shown}");
        }
        daemon.remove(&path).await?;
        if beside.took.len() >= wanted {
            return Ok(beside);
        }
    }
    anyhow::bail!("{HOGS} hogs of {hog} ended before there were {wanted} calls")
}

/// How long each of so many calls took, in milliseconds.
async fn called(daemon: &Daemon, instance: &Instance, calls: u32) -> anyhow::Result<Vec<f64>> {
    let mut ticks = tokio::time::interval(EVERY);
    let mut took = Vec::new();
    for _ in 0..calls {
        ticks.tick().await;
        let begun = Instant::now();
        let status = daemon.call_mcp(instance).await?;
        took.push(ms(begun.elapsed()));
        ensure!(status == 200, "the neighbour answered {status}");
    }
    Ok(took)
}
