//! `top`: all instances at a glance: a full screen on a terminal, one table elsewhere.

mod board;
mod screen;
mod watch;

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use comfy_table::{Cell, Table};
use uuid::Uuid;

use super::failure::Failure;
use super::output::Output;
use super::resolve::telling_length;
use super::{Context, instances, table, values};
use crate::api::Page;
use crate::api::instance::Instance;

/// Watch what instances use on a full screen, with the actors behind them; one table where there is no terminal
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  minimcp top\n  minimcp top --once        # one look, for scripts")]
pub(crate) struct Top {
    /// Look once and end
    #[arg(long)]
    once: bool,
    /// Between two looks
    #[arg(long, value_name = "TIME", value_parser = values::span, default_value = "2s")]
    every: Duration,
}

impl Top {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        if !self.once && !context.output.json() && context.output.terminal() {
            return watch::watch(context, self.every).await;
        }
        let answer = context.client.list("/v1/instances", &[]).await?;
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        let page: Page<Instance> = answer.read()?;
        show(context, &page.items, Utc::now())
    }
}

fn show(context: &mut Context, seen: &[Instance], now: DateTime<Utc>) -> Result<(), Failure> {
    let rows = context.output.height().map_or(usize::MAX, |height| usize::from(height).saturating_sub(5));
    if context.output.terminal() {
        context.output.line(format!("{}\n", screen::summary(seen)))?;
    }
    let list = busiest(&context.output, seen, rows, now);
    context.output.table(&list, "There are no instances yet.")?;
    match seen.len().saturating_sub(rows) {
        0 => Ok(()),
        hidden => context.output.line(format!("and {hidden} more; `minimcp ls` lists all")),
    }
}

/// The instances that use most, at most `rows` of them.
fn busiest(output: &Output, instances: &[Instance], rows: usize, now: DateTime<Utc>) -> Table {
    let mut sorted: Vec<&Instance> = instances.iter().collect();
    let used =
        |instance: &Instance| (instance.stats.cpu_percent.unwrap_or(-1.0), instance.stats.memory_bytes);
    sorted.sort_by(|a, b| {
        let ((cpu_a, memory_a), (cpu_b, memory_b)) = (used(a), used(b));
        cpu_b.total_cmp(&cpu_a).then(memory_b.cmp(&memory_a)).then(a.id.cmp(&b.id))
    });
    let ids: Vec<Uuid> = instances.iter().map(|instance| instance.id).collect();
    let length = if output.terminal() { telling_length(&ids) } else { 36 };
    let head = ["id", "name", "status", "type", "cpu", "memory", "restarts", "health", "lease"];
    let mut list = table::table(output, &head);
    table::align_right(&mut list, 4..9);
    for instance in sorted.into_iter().take(rows) {
        let health = instance.stats.health.as_ref().map(|health| format!("{:.1} ms", health.latency_ms));
        let mut row: Vec<Cell> = vec![
            Cell::new(&instance.id.to_string()[..length]),
            Cell::new(table::or_nothing(instance.name.as_ref())),
            table::status_cell(instance.status),
            Cell::new(&instance.mcp_type),
        ];
        row.extend(instances::usage(instance));
        row.extend([table::or_nothing(health), table::left(instance.expires_at, now)].map(Cell::new));
        list.add_row(row);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::screen::summary;
    use super::*;
    use crate::api::instance::Status;
    use crate::cli::instances::tests::{instance, now};

    #[test]
    fn the_busiest_come_first_and_no_more_than_fit() {
        let with = |name: &str, cpu: Option<f32>| {
            let mut instance = instance(Status::Running);
            instance.name = Some(name.into());
            instance.stats.cpu_percent = cpu;
            instance
        };
        let all = [with("idle", Some(0.0)), with("asleep", None), with("busy", Some(99.0))];
        let shown = busiest(&Output::piped(), &all, 2, now()).trim_fmt();
        let names: Vec<&str> =
            shown.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(names, ["busy", "idle"]);
        assert!(shown.lines().nth(1).is_some_and(|line| line.ends_with("30m")), "{shown}");
        assert!(summary(&all).starts_with("3 instances: 3 running, 0 asleep"));
        assert!(summary(&all[1..2]).starts_with("1 instance: 1 running"));
        assert!(summary(&all[1..2]).contains("CPU 0.0% of a core"), "{}", summary(&all[1..2]));
    }
}
