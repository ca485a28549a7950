//! `types install`: the package of a type, before an instance needs it.

use std::time::Duration;

use serde_json::json;

use super::super::Context;
use super::super::failure::Failure;
use super::{advised, path};
use crate::api::mcp_type::{Installation, InstallationStatus, McpType};

/// Between two looks at an installation.
const ROUND: Duration = Duration::from_millis(300);

/// Begins the installation and waits for its end.
pub(super) async fn install(context: &mut Context, name: &str) -> Result<(), Failure> {
    let spinner = context.output.spinner(format!("installing the package of {name}"));
    let begun = context.client.post_json(&format!("{}/install", path(name)), &json!({})).await;
    let mut answer = begun.map_err(advised)?;
    let installed = loop {
        let mcp_type: McpType = answer.read()?;
        match mcp_type.installation {
            Some(Installation { status: InstallationStatus::Installing, .. }) => {}
            installation => break installation,
        }
        tokio::time::sleep(ROUND).await;
        answer = context.client.get(&path(name), &[]).await.map_err(advised)?;
    };
    drop(spinner);
    let installed = installed.ok_or_else(|| Failure::new(format!("{name} names no package any more")))?;
    if installed.status != InstallationStatus::Installed {
        return Err(Failure::new(installed.detail.unwrap_or_else(|| "it was not installed".into())));
    }
    if context.output.json() {
        return context.output.text(&answer.0);
    }
    context.output.line(format!("{name}: {}", described(&installed)))
}

/// How an installation stands, in words.
pub(super) fn described(installation: &Installation) -> String {
    match installation.status {
        InstallationStatus::Absent => {
            "not installed yet; its first instance or `minimcp types install` does it".into()
        }
        InstallationStatus::Installing => "being installed".into(),
        InstallationStatus::Failed => installation.detail.clone().unwrap_or_else(|| "not installed".into()),
        InstallationStatus::Installed => {
            let at = installation
                .installed_at
                .map_or(String::new(), |at| format!(" on {}", at.format("%Y-%m-%d")));
            let by = installation.installed_by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
            let with =
                installation.packages.map_or(String::new(), |count| format!(", {count} packages in all"));
            format!("installed{at}{by}{with}")
        }
    }
}
