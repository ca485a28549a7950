//! Whether a daemon answers, can serve and knows us.

use std::collections::BTreeSet;

use reqwest::StatusCode;

use super::Finding;
use crate::api::Page;
use crate::api::audit::AuditPage;
use crate::api::instance::Instance;
use crate::api::me::Me;
use crate::api::problem::ProblemDocument;
use crate::api::readiness::Readiness;
use crate::catalog::CredentialsExposure;
use crate::cli::client::Client;
use crate::cli::connection::{Connection, Globals};

/// What was seen of the daemon.
pub(super) struct Seen {
    /// Whether one answers.
    pub(super) reachable: bool,
    pub(super) findings: Vec<Finding>,
}

pub(super) async fn look(globals: &Globals) -> Seen {
    let client = match Connection::find(globals).and_then(Client::new) {
        Ok(client) => client,
        Err(failure) => {
            let finding =
                Finding::fail("daemon", failure.what(), "give a URL in --url or MINIMCP_URL, or none");
            return Seen { reachable: false, findings: vec![finding] };
        }
    };
    let url = client.connection().url.clone();
    match client.look("/healthz").await {
        Ok((status, _)) if status.is_success() => {}
        Ok((status, _)) => {
            let finding =
                Finding::warn("daemon", format!("{url} answers {status}"), "is it the URL of a daemon?");
            return Seen { reachable: false, findings: vec![finding] };
        }
        Err(failure) => {
            let finding = Finding::warn("daemon", failure.what(), "start one with `minimcp serve`");
            return Seen { reachable: false, findings: vec![finding] };
        }
    }
    let mut findings =
        vec![Finding::ok("daemon", format!("answers at {url}")), ready(&client).await, token(&client).await];
    findings.extend(super::isolation::of_daemon(&client).await.into_iter().flatten());
    findings.extend(exposure(&client).await);
    findings.extend(trail(&client).await);
    Seen { reachable: true, findings }
}

/// The audit trail, for those who may see it.
async fn trail(client: &Client) -> Option<Finding> {
    let (status, answer) = client.look("/v1/audit?limit=1").await.ok()?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let detail = answer.read::<ProblemDocument>().map_or(status.to_string(), |problem| problem.detail);
        return Some(Finding::fail("audit", detail, "the daemon's log says why"));
    }
    let page = answer.read::<AuditPage>().ok().filter(|_| status.is_success())?;
    Some(if !page.writable {
        let detail = "records cannot be written, so operations are refused";
        Finding::fail("audit", detail, "free space or mend data/audit; the daemon's log says more")
    } else if page.chain.verified {
        Finding::ok("audit", format!("{} records, all as they were written", page.chain.records))
    } else {
        Finding::fail(
            "audit",
            "the trail is not as it was written",
            "`minimcp audit verify` says what is wrong",
        )
    })
}

async fn ready(client: &Client) -> Finding {
    let answer = match client.look("/readyz").await {
        Ok((_, answer)) => answer,
        Err(failure) => return Finding::fail("readiness", failure.what(), "the daemon's log says why"),
    };
    let Ok(readiness) = answer.read::<Readiness>() else {
        return Finding::fail(
            "readiness",
            "the answer was not understood",
            "run the same version as the daemon",
        );
    };
    let waiting = readiness.parts.iter().filter(|part| !part.ready);
    let words: Vec<String> = waiting
        .map(|part| format!("{}: {}", part.name, part.detail.as_deref().unwrap_or("not ready")))
        .collect();
    match readiness.ready {
        true => Finding::ok("readiness", "every part is ready"),
        false => Finding::fail("readiness", words.join("; "), "the daemon's log says more"),
    }
}

/// Whether credentials of servers can be read by whoever runs as the same user. Nothing if that is not ours to
/// know.
async fn exposure(client: &Client) -> Option<Finding> {
    let instances: Page<Instance> = client.list("/v1/instances", &[]).await.ok()?.read().ok()?;
    let exposed = |instance: &&Instance| {
        instance.credentials_exposure == Some(CredentialsExposure::Environment)
            && instance.process_id.is_some()
    };
    let types: BTreeSet<&str> = instances.items.iter().filter(exposed).map(|one| &*one.mcp_type).collect();
    if types.is_empty() {
        return Some(Finding::ok("credentials", "no running server has its credentials in its environment"));
    }
    let types: Vec<&str> = types.into_iter().collect();
    Some(Finding::warn(
        "credentials",
        format!("running servers of these types have theirs in their environment: {}", types.join(", ")),
        "whoever runs as the same user can read them there; for a Node program, `credential_handover = \"auto\"` \
         in its type keeps them out",
    ))
}

async fn token(client: &Client) -> Finding {
    if let Some(why) = &client.connection().no_token {
        return Finding::warn(
            "token",
            format!("there is none: {why}"),
            "set MINIMCP_TOKEN or give --data-dir",
        );
    }
    match client.look("/v1/me").await {
        Ok((status, answer)) if status.is_success() => match answer.read::<Me>() {
            Ok(me) => Finding::ok("token", format!("you are {} ({:?})", me.name, me.role).to_lowercase()),
            Err(failure) => Finding::fail("token", failure.what(), "run the same version as the daemon"),
        },
        Ok((status, answer)) => {
            let detail =
                answer.read::<ProblemDocument>().map_or(status.to_string(), |problem| problem.detail);
            Finding::fail("token", detail, "check MINIMCP_TOKEN, or give the --data-dir of this daemon")
        }
        Err(failure) => Finding::fail("token", failure.what(), "try again"),
    }
}
