//! How well servers are kept apart: by the daemon, or here if there is none.

use minimcp_actors::launch::gate::Gate;

use super::{Finding, limits};
use crate::api::isolation::{Isolation, IsolationLevel, MachineIsolation};
use crate::cli::client::Client;
use crate::config::Settings;

pub(super) const NAME: &str = "isolation";

/// As the daemon says, for those who may ask it, with who keeps the limits.
pub(super) async fn of_daemon(client: &Client) -> Option<[Finding; 2]> {
    let (status, answer) = client.look("/v1/system/isolation").await.ok()?;
    let machine: MachineIsolation = answer.read().ok().filter(|_| status.is_success())?;
    Some([finding(&machine.isolation), limits::finding(&machine.control_groups)])
}

/// As a daemon that is started by the present user would have it.
pub(super) async fn here(settings: Settings, gate: Gate) -> Finding {
    let examined = tokio::task::spawn_blocking(move || crate::isolation::examine(&settings, &gate)).await;
    match examined {
        Ok(Ok(report)) => finding(&Isolation::from(&report)),
        Ok(Err(error)) => {
            Finding::fail(NAME, error.to_string(), "the daemon does not start before it is mended")
        }
        Err(panic) => Finding::fail(NAME, format!("it could not be tried out: {panic}"), "report this"),
    }
}

fn finding(isolation: &Isolation) -> Finding {
    let missing: Vec<String> = isolation
        .layers
        .iter()
        .filter_map(|layer| Some(format!("{} ({})", layer.name, layer.reason.as_deref()?)))
        .collect();
    let missing =
        if missing.is_empty() { String::new() } else { format!("; without {}", missing.join(", ")) };
    match isolation.level {
        IsolationLevel::Strong => {
            Finding::ok(NAME, format!("strong: each server has a user of its own{missing}"))
        }
        IsolationLevel::Medium => {
            Finding::ok(NAME, format!("medium: servers share a user and little else{missing}"))
        }
        IsolationLevel::Weak => Finding::warn(
            NAME,
            format!("weak: a hostile server reaches others{missing}"),
            "Linux 6.12 or newer with Landlock and seccomp keeps servers apart, and started as root the daemon gives \
             each a user of its own; until then have one user only",
        ),
    }
}

#[cfg(test)]
mod tests {
    use minimcp_actors::launch::isolation::{Layer, Report};

    use super::super::Level;
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_reason_and_weak_is_worth_a_look() {
        let of = |gone: Option<Layer>| {
            let report = Report::new(|layer| (Some(layer) == gone).then(|| "no root".to_owned()));
            finding(&Isolation::from(&report))
        };
        assert_eq!(of(None).detail, "strong: each server has a user of its own");
        let medium = of(Some(Layer::OwnUser));
        assert_eq!(medium.level, Level::Ok);
        assert!(medium.detail.ends_with("without own_user (no root)"), "{}", medium.detail);
        let weak = of(Some(Layer::Syscalls));
        assert!(
            weak.level == Level::Warn && weak.mend.is_some() && weak.detail.contains("syscalls (no root)")
        );
    }
}
