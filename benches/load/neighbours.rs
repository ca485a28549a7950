//! What a server costs its neighbours that takes more than its share: their calls while it does, against their calls
//! just before.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Places;
use crate::daemon::{Daemon, Instance};
use crate::figures::{Table, median, ms, quantile};

/// Between two calls of the neighbour, counted from their beginnings.
const EVERY: Duration = Duration::from_millis(10);
/// A hog that nobody ends would be a fault of the daemon.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that takes too much, as a program for Node, and what its type allows it.
struct Hog {
    name: &'static str,
    program: &'static str,
    limits: Value,
}

fn hogs() -> [Hog; 4] {
    let grow = "const a = []; setInterval(() => a.push(Buffer.alloc(8 << 20, 1)), 20)";
    let spin = "const { Worker } = require('worker_threads'); for (let i = 0; i < 4; i++) \
                new Worker('for (;;);', { eval: true }); for (;;);";
    let bomb = "const { spawn } = require('child_process'); \
                setInterval(() => spawn('/bin/sleep', ['1000']).on('error', () => {}), 2)";
    let flood = "const line = Buffer.alloc(1 << 16, 'x'); const more = () => { while (process.stdout.write(line)); }; \
                 process.stdout.on('drain', more); more();";
    [
        Hog { name: "memory", program: grow, limits: json!({"max_memory_mb": 150}) },
        Hog { name: "cpu", program: spin, limits: json!({"max_cpu_percent": 50}) },
        Hog { name: "processes", program: bomb, limits: json!({"max_processes": 32}) },
        Hog { name: "output", program: flood, limits: json!({}) },
    ]
}

/// One hog after the other beside one neighbour, which is called `calls` times without and with each.
pub(crate) async fn measure(places: &Places, calls: u32) -> anyhow::Result<()> {
    let daemon = Daemon::start(places).await?;
    let health = json!({"kind": "http", "endpoint": "/health"});
    let plain = json!({"name": "neighbour", "display_name": "Neighbour", "server_script": "faulty/index.mjs",
        "args": ["ok"], "health_check": health});
    daemon.post("/v1/types", &plain).await?;
    let neighbour = daemon.create(&json!({"mcp_type": "neighbour"})).await?;
    let mut table = Table::new([
        "beside a hog of",
        "p50 without, ms",
        "p95 without",
        "p50 with",
        "p95 with",
        "ratio of p95",
        "what became of the hog",
    ]);
    // The first calls are those of a program that is still being compiled.
    called(&daemon, &neighbour, calls).await?;
    for hog in hogs() {
        eprintln!("{}", hog.name);
        let name = format!("hog-of-{}", hog.name);
        let definition = json!({"name": name, "display_name": name, "command": "node",
            "args": ["-e", hog.program], "resource_limits": hog.limits, "health_check": {"kind": "process"}});
        daemon.post("/v1/types", &definition).await?;
        let without = called(&daemon, &neighbour, calls).await?;
        let instance = daemon.create(&json!({"mcp_type": name, "restart": {"policy": "temporary"}})).await?;
        let with = called(&daemon, &neighbour, calls).await?;
        let end = end_of(&daemon, &instance, hog.name == "output").await?;
        daemon.delete(&instance).await?;
        let (quiet, busy) = (quantile(&without, 0.95), quantile(&with, 0.95));
        table.row([
            hog.name.to_owned(),
            format!("{:.2}", median(&without)),
            format!("{quiet:.2}"),
            format!("{:.2}", median(&with)),
            format!("{busy:.2}"),
            format!("{:.2}", busy / quiet),
            end,
        ]);
    }
    table.print();
    Ok(())
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

/// The reason for which the instance ended. One that only writes a lot is not ended.
async fn end_of(daemon: &Daemon, instance: &Instance, lives: bool) -> anyhow::Result<String> {
    let path = format!("/v1/instances/{}", instance.id);
    let begun = Instant::now();
    loop {
        let shown = daemon.get(&path).await?;
        let ended = matches!(shown["status"].as_str(), Some("disconnected" | "failed" | "stopped"));
        if ended || lives {
            return Ok(format!("{}: {}", shown["status"], shown["status_reason"]).replace('"', ""));
        }
        ensure!(begun.elapsed() < PATIENCE, "nobody ends it: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
