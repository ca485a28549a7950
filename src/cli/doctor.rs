//! `doctor`: whether this machine and its daemon are as they should be, and what to mend.
//!
//! It looks and changes nothing: no file is made, no schema touched, and it works without a daemon.

mod daemon;
mod files;
mod isolation;
mod limits;
mod machine;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use minimcp_actors::launch::gate::Gate;

use super::connection::Globals;
use super::failure::Failure;
use super::output::Output;
use crate::config;

/// Check this machine and its daemon, and tell what to mend
///
/// Works without a daemon. Give the same --data-dir and settings as the daemon has. Exit code 1 if anything
/// has to be mended before servers can run.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  minimcp doctor\n  minimcp doctor --json | jq '.checks[] | select(.level != \"ok\")'"
)]
pub(crate) struct Doctor {}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    name: &'static str,
    level: Level,
    /// What is in force.
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Finding>,
}

impl Finding {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, level: Level::Ok, detail: detail.into(), mend: None }
    }

    fn warn(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name, level: Level::Warn, detail: detail.into(), mend: Some(mend.into()) }
    }

    fn fail(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Fail, ..Self::warn(name, detail, mend) }
    }
}

impl Doctor {
    pub(crate) async fn run(
        self,
        globals: &Globals,
        gate: Gate,
        output: &mut Output,
    ) -> Result<ExitCode, Failure> {
        let spinner = output.spinner("looking");
        let checks = look(globals, gate).await;
        drop(spinner);
        let ok = checks.iter().all(|finding| finding.level != Level::Fail);
        let report = Report { ok, checks };
        if output.json() {
            let text = serde_json::to_string(&report);
            output.line(
                text.map_err(|error| Failure::new(format!("the report cannot be written: {error}")))?,
            )?;
        } else {
            output.line(described(&report, output.colors()))?;
        }
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

async fn look(globals: &Globals, gate: Gate) -> Vec<Finding> {
    let flags = config::Flags { data_dir: globals.data_dir.clone(), ..config::Flags::default() };
    let daemon = daemon::look(globals).await;
    let mut checks = Vec::new();
    match config::load(&flags) {
        Ok(loaded) => {
            let settings = loaded.settings;
            checks.push(Finding::ok("configuration", "it holds"));
            checks.push(machine::node(&settings.node).await);
            checks.push(machine::servers(&settings));
            checks.push(machine::packages(&settings));
            checks.push(files::data_dir(&settings.data_dir));
            checks.push(files::admin_token(&settings.data_dir));
            checks.extend(files::key_and_store(&settings).await);
            checks.push(machine::ports(&settings.ports));
            checks.push(machine::listen(settings.listen, daemon.reachable));
            // A daemon that runs knows best what it has.
            if !daemon.findings.iter().any(|finding| finding.name == isolation::NAME) {
                checks.push(limits::here(&settings));
                checks.push(isolation::here(settings, gate).await);
            }
        }
        Err(config::ConfigError(faults)) => checks.extend(faults.into_iter().map(|fault| {
            let detail = format!("{} ({}): {}", fault.key, fault.origin, fault.detail);
            Finding::fail("configuration", detail, "mend the setting; the daemon does not start with it")
        })),
    }
    checks.push(machine::resources());
    checks.push(machine::open_files());
    checks.extend(daemon.findings);
    checks
}

fn described(report: &Report, colors: bool) -> String {
    let width = report.checks.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in &report.checks {
        let (word, color) = match finding.level {
            Level::Ok => ("ok  ", 32),
            Level::Warn => ("warn", 33),
            Level::Fail => ("fail", 31),
        };
        let word = if colors { format!("\u{1b}[{color}m{word}\u{1b}[0m") } else { word.to_owned() };
        lines.push(format!("{word}  {:width$}  {}", finding.name, finding.detail));
        lines.extend(finding.mend.iter().map(|mend| format!("{:6}{:width$}  -> {mend}", "", "")));
    }
    let count = |level| report.checks.iter().filter(|finding| finding.level == level).count();
    lines.push(match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => "\nAll is well.".to_owned(),
        (0, warnings) => format!("\nServers can run. Worth a look: {warnings}."),
        (failures, _) => format!("\nTo mend: {failures}."),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_shows_what_is_and_what_to_mend() {
        let checks =
            vec![Finding::ok("node", "v20"), Finding::fail("data dir", "open to all", "chmod 700 it")];
        let text = described(&Report { ok: false, checks }, false);
        assert_eq!(
            text,
            "ok    node      v20\nfail  data dir  open to all\n                -> chmod 700 it\n\nTo mend: 1."
        );
    }
}
