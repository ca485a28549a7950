//! `ls` and `show`: instances as they are.

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::PossibleValuesParser;
use comfy_table::{Cell, Table};
use minimcp_actors::state;
use uuid::Uuid;

use super::Context;
use super::failure::Failure;
use super::output::Output;
use super::resolve::telling_length;
use super::table;
use crate::api::Page;
use crate::api::instance::{DeclaredLimits, Instance, LastExit};

/// The statuses by name, for filters.
pub(crate) fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(state::Status::ALL.map(state::Status::as_str))
}

/// List instances
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp ls --status running --type github")]
pub(crate) struct Ls {
    /// Only those with this status
    #[arg(long, value_parser = statuses())]
    status: Option<String>,
    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE")]
    mcp_type: Option<String>,
    /// Only those of this user, by id; for operators
    #[arg(long, value_name = "USER")]
    user: Option<Uuid>,
}

/// Show everything about an instance
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  minimcp show work\n  minimcp show 0192f3 --json | jq .access_url")]
pub(crate) struct Show {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
}

impl Ls {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let user = self.user.map(|user| user.to_string());
        let filters = [
            ("status", self.status.as_deref()),
            ("mcp_type", self.mcp_type.as_deref()),
            ("user_id", user.as_deref()),
        ];
        let query: Vec<(&str, &str)> =
            filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let answer = context.client.list("/v1/instances", &query).await?;
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        let page: Page<Instance> = answer.read()?;
        let list = listing(&context.output, &page.items, Utc::now());
        let empty = if query.is_empty() {
            "There are no instances yet. `minimcp create TYPE` makes one; `minimcp types` lists the types."
        } else {
            "No instance is like that. `minimcp ls` lists all."
        };
        context.output.table(&list, empty)
    }
}

impl Show {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let answer = context.client.get(&format!("/v1/instances/{id}"), &[]).await?;
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        let text = description(&answer.read()?, Utc::now());
        context.output.line(text)
    }
}

/// Instances as a table. On a terminal ids are cut to what tells them apart.
fn listing(output: &Output, instances: &[Instance], now: DateTime<Utc>) -> Table {
    let ids: Vec<Uuid> = instances.iter().map(|instance| instance.id).collect();
    let length = if output.terminal() { telling_length(&ids) } else { 36 };
    let head = ["id", "name", "type", "status", "cpu", "memory", "restarts", "lease"];
    let mut list = table::table(output, &head);
    table::align_right(&mut list, 4..8);
    for instance in instances {
        let mut row: Vec<Cell> = vec![
            Cell::new(&instance.id.to_string()[..length]),
            Cell::new(table::or_nothing(instance.name.as_ref())),
            Cell::new(&instance.mcp_type),
            table::status_cell(instance.status),
        ];
        row.extend(usage(instance));
        row.push(Cell::new(table::left(instance.expires_at, now)));
        list.add_row(row);
    }
    list
}

/// CPU, memory and restarts, as `ls` and `top` show them.
pub(crate) fn usage(instance: &Instance) -> [Cell; 3] {
    let cpu = instance.stats.cpu_percent.map(|percent| format!("{percent:.1}%"));
    let memory = instance.stats.memory_bytes.map(table::bytes);
    let restarts = instance.restarts.total.to_string();
    [table::or_nothing(cpu), table::or_nothing(memory), restarts].map(Cell::new)
}

fn description(instance: &Instance, now: DateTime<Utc>) -> String {
    let when = |at: Option<DateTime<Utc>>| table::or_nothing(at.map(|at| table::moment(at, now)));
    let status = match &instance.status_reason {
        Some(reason) => format!("{} ({reason})", instance.status),
        None => instance.status.to_string(),
    };
    let mut rows = vec![
        ("id", instance.id.to_string()),
        ("name", table::or_nothing(instance.name.as_ref())),
        ("type", instance.mcp_type.clone()),
        ("status", status),
        ("url", instance.access_url.clone()),
        ("lease", table::moment(instance.expires_at, now)),
        ("process", process(instance)),
        ("restarts", restarts(instance, now)),
        ("usage", stats(instance)),
        ("health", health(instance, now)),
        ("limits", limits(&instance.limits.declared, &instance.limits.enforced_by)),
        ("credential", table::or_nothing(instance.credential_id)),
        ("created", when(Some(instance.created_at))),
        ("started", when(instance.started_at)),
        ("called", when(instance.last_accessed_at)),
    ];
    if instance.stopped_at.is_some() {
        rows.push(("ended", when(instance.stopped_at)));
    }
    if instance.restored_at.is_some() {
        rows.push(("restored", when(instance.restored_at)));
    }
    if !instance.config.is_empty() {
        rows.push(("config", serde_json::Value::Object(instance.config.clone()).to_string()));
    }
    if instance.debug {
        rows.push(("debug", "on".into()));
    }
    if let Some(exit) = &instance.last_exit {
        rows.push(("last exit", last_exit(exit, now)));
    }
    table::details(&rows)
}

fn process(instance: &Instance) -> String {
    let Some(pid) = instance.process_id else {
        return table::NOTHING.into();
    };
    let port = instance.assigned_port.map_or(String::new(), |port| format!(", port {port}"));
    format!("{pid}{port}, run {}", instance.generation)
}

fn restarts(instance: &Instance, now: DateTime<Utc>) -> String {
    let counts = &instance.restarts;
    let next = counts.next_at.map_or(String::new(), |at| format!(", next {}", table::moment(at, now)));
    match counts.total {
        0 => format!("0{next}"),
        total => format!("{total}, {} of them count against the budget{next}", counts.in_window),
    }
}

fn stats(instance: &Instance) -> String {
    let stats = &instance.stats;
    let cpu = stats.cpu_percent.map(|percent| format!("{percent:.1}% of a core"));
    let memory = stats.memory_bytes.map(table::bytes);
    let processes = stats.processes.map(|count| format!("{count} processes"));
    let known: Vec<String> = [cpu, memory, processes].into_iter().flatten().collect();
    if known.is_empty() { table::NOTHING.into() } else { known.join(", ") }
}

fn health(instance: &Instance, now: DateTime<Utc>) -> String {
    let Some(health) = &instance.stats.health else {
        return table::NOTHING.into();
    };
    let word = if health.healthy { "healthy" } else { "not healthy" };
    let problem = health.problem.as_ref().map_or(String::new(), |problem| format!(": {problem}"));
    let age = table::span((now - health.checked_at).num_seconds());
    format!("{word}{problem} ({:.1} ms, {age} ago)", health.latency_ms)
}

/// Limits and who sees to them.
pub(crate) fn limits(declared: &DeclaredLimits, enforced_by: &[String]) -> String {
    let memory = declared.max_memory_mb.map(|mebibytes| format!("{mebibytes} MiB"));
    let cpu = declared.max_cpu_percent.map(|percent| format!("{percent}% of a core"));
    let processes = declared.max_processes.map(|count| format!("{count} processes and threads"));
    let known: Vec<String> = [memory, cpu, processes].into_iter().flatten().collect();
    match (known.is_empty(), enforced_by.is_empty()) {
        (true, _) => "none".into(),
        (false, true) => known.join(", "),
        (false, false) => format!("{} ({})", known.join(", "), enforced_by.join("; ")),
    }
}

/// How a process ended, with what it wrote last.
pub(crate) fn last_exit(exit: &LastExit, now: DateTime<Utc>) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "exit status unknown".into(),
    };
    format!("{}, {how}, {}\n{}", exit.cause, table::moment(exit.at, now), exit.stderr_tail)
}

#[cfg(test)]
pub(crate) mod tests;
