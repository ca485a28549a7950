//! `diagnose`: what is wrong with an instance and what to do about it.

use chrono::Utc;
use clap::Args;

use super::failure::Failure;
use super::{Context, instances};
use crate::api::diagnosis::Diagnosis;

/// Find out what is wrong with an instance and what to do about it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  minimcp diagnose work")]
pub(crate) struct Diagnose {
    /// The instance: its id, a unique prefix of it, or its name
    id: String,
}

impl Diagnose {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let id = context.instance(&self.id).await?;
        let spinner = context.output.spinner("looking");
        let answer = context.client.get(&format!("/v1/instances/{id}/diagnose"), &[]).await?;
        drop(spinner);
        if context.output.json() {
            return context.output.text(&answer.0);
        }
        let text = report(&answer.read()?);
        context.output.line(text)
    }
}

fn report(diagnosis: &Diagnosis) -> String {
    let mut lines = vec![format!("{}: {}", diagnosis.status, diagnosis.summary), String::new()];
    let width = diagnosis.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    for check in &diagnosis.checks {
        let mark = match check.ok {
            Some(true) => "ok  ",
            Some(false) => "FAIL",
            None => "-   ",
        };
        lines.push(format!("{mark}  {:width$}  {}", check.name, check.detail));
    }
    let limits = &diagnosis.limits;
    lines.push(format!("\nlimits: {}", instances::limits(&limits.declared, &limits.enforced_by)));
    if let Some(exit) = &diagnosis.last_exit {
        let exit = instances::last_exit(exit, Utc::now());
        lines.push(format!("last exit: {}", exit.trim_end().replace('\n', "\n  ")));
    }
    if !diagnosis.next_steps.is_empty() {
        lines.push("\nWhat to do next:".into());
        lines.extend(diagnosis.next_steps.iter().map(|step| format!("  - {step}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diagnosis_shows_every_check_and_what_to_do() {
        let diagnosis = serde_json::from_value(json!({
            "instance_id": "0192f3a4-5b6c-7000-8000-000000000001", "status": "disconnected", "healthy": false,
            "summary": "Its restart budget is spent.",
            "checks": [
                {"name": "process", "ok": false, "detail": "there is none"},
                {"name": "port", "ok": null, "detail": "not asked"}
            ],
            "last_exit": {"code": 1, "signal": null, "cause": "exited", "at": "2030-01-01T00:00:00Z", "stderr_tail": "boom\n"},
            "limits": {"declared": {"max_memory_mb": null, "max_cpu_percent": null, "max_processes": null}, "enforced_by": []},
            "next_steps": ["Restore it."]
        }));
        let text = report(&diagnosis.unwrap());
        assert!(text.starts_with("disconnected: Its restart budget is spent.\n\nFAIL  process  there is none\n-     port     not asked\n"), "{text}");
        assert!(text.contains("last exit: exited, code 1, ") && text.contains("\n  boom\n"), "{text}");
        assert!(text.ends_with("What to do next:\n  - Restore it."), "{text}");
    }
}
