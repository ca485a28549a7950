//! Many instances at once.

use futures::StreamExt;
use futures::stream;
use serde_json::json;

use crate::child::Role;
use crate::daemon::{Daemon, Instance};

/// Requests under way at once while many are made.
const AT_ONCE: usize = 8;
/// The name of the type.
const SLEEPER: &str = "sleeper";

/// Registers the type of children that only sleep, checked each `interval` seconds.
pub(crate) async fn add_sleepers(daemon: &Daemon, interval: u32) -> anyhow::Result<()> {
    daemon.add_role(SLEEPER, Role::Sleeper, interval).await
}

/// Makes this many children that only sleep and waits until all run.
pub(crate) async fn sleepers(daemon: &Daemon, count: usize) -> anyhow::Result<Vec<Instance>> {
    let request = json!({"mcp_type": SLEEPER});
    let mut making = stream::iter(0..count).map(|_| daemon.create(&request)).buffer_unordered(AT_ONCE);
    let mut made = Vec::with_capacity(count);
    while let Some(instance) = making.next().await {
        made.push(instance?);
        eprint!("\rchildren: {} of {count} more", made.len());
    }
    eprintln!();
    Ok(made)
}
