//! wrk, as the client of whatever is measured.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::Places;
use crate::figures::median;
use crate::proc;

/// A POST that wrk sends over and over.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Where it says `%d`, each one gets a number of its own.
    pub(crate) body: String,
}

impl Post {
    fn lua(&self) -> String {
        let mut script = format!("wrk.method = 'POST'\nwrk.body = '{}'\n", self.body);
        for (name, value) in &self.headers {
            // Writing to a string does not fail.
            let _ = writeln!(script, "wrk.headers['{name}'] = '{value}'");
        }
        if self.body.contains("%d") {
            script += "local number = 0\nrequest = function()\nnumber = number + 1\n\
                return wrk.format(nil, nil, nil, string.format(wrk.body, number))\nend\n";
        }
        script
            + "done = function(summary, latency)\n\
            local errors = summary.errors\n\
            local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout\n\
            io.write(string.format('figures %d %d %d %d %d\\n', summary.requests, summary.duration, failed,\n\
            latency:percentile(50), latency:percentile(99)))\nend\n"
    }
}

/// Sends it for so many seconds on so many connections. `dir` is for wrk's script, `processes` are those whose CPU
/// time is counted.
pub(crate) async fn load(
    places: &Places,
    dir: &Path,
    post: &Post,
    (connections, seconds): (u32, u64),
    processes: &[u32],
) -> anyhow::Result<Run> {
    let script = dir.join("call.lua");
    std::fs::write(&script, post.lua())?;
    let cpu = || processes.iter().map(|pid| proc::cpu(*pid)).sum::<anyhow::Result<Duration>>();
    let before = cpu()?;
    let mut wrk = tokio::process::Command::new(&places.wrk);
    wrk.args(["--latency", "-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]);
    wrk.arg(&script).arg(&post.url).stdin(Stdio::null()).kill_on_drop(true);
    let output = wrk.output().await.context("running wrk; name it with --wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    let mut run = Run::read(&text).with_context(|| format!("wrk said: {text}"))?;
    run.cpu = (cpu()? - before).as_secs_f64() * 1e6 / run.requests;
    Ok(run)
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    /// In microseconds, as all times here.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Of the processes that were watched, per request.
    pub(crate) cpu: f64,
}

impl Run {
    fn read(text: &str) -> anyhow::Result<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("figures ")).context("no figures")?;
        let figures: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [requests, took, failed, p50, p99] = figures[..] else { anyhow::bail!("other figures") };
        ensure!(failed == 0.0, "{failed} of {requests} requests failed");
        Ok(Self { requests, per_second: requests / took * 1e6, p50, p99, cpu: 0.0 })
    }

    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(&runs.iter().map(field).collect::<Vec<_>>());
        Self {
            requests: of(|run| run.requests),
            per_second: of(|run| run.per_second),
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            cpu: of(|run| run.cpu),
        }
    }
}
