//! Whether the daemon lives, and whether it can serve.

use http::StatusCode;

use super::call::{Answer, Call, json_answer, ok};
use crate::api::readiness::{Liveness, Part, Readiness};

/// The daemon lives.
#[utoipa::path(get, path = "/healthz", tag = "watching", security(()),
    responses((status = 200, body = Liveness)))]
pub(super) async fn lives(call: Call) -> Answer {
    call.no_query()?;
    ok(&Liveness { status: "ok".into(), uptime_seconds: call.context.uptime_seconds() })
}

/// The daemon can serve; 503 says what it waits for.
#[utoipa::path(get, path = "/readyz", tag = "watching", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) async fn ready(call: Call) -> Answer {
    call.no_query()?;
    let parts = call.parts();
    let store = parts.store.ping().await.err().map(|_| "the store does not answer".to_owned());
    let waiting = parts.journal.waiting();
    let journal = parts.journal.is_failing().then(|| format!("{waiting} entries wait for the store"));
    let audit = parts
        .trail
        .standing()
        .failing
        .then(|| "the audit trail cannot be written, so nothing can be changed".to_owned());
    let restore =
        (!*parts.restored.borrow()).then(|| "instances of the last daemon are being restored".to_owned());
    let stopping = parts.stop.is_cancelled().then(|| "the daemon is ending".to_owned());
    let part =
        |name: &str, detail: Option<String>| Part { name: name.into(), ready: detail.is_none(), detail };
    let parts = vec![
        part("store", store),
        part("journal", journal),
        part("audit", audit),
        part("restore", restore),
        part("daemon", stopping),
    ];
    let ready = parts.iter().all(|part| part.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_answer(status, &Readiness { ready, parts })
}
