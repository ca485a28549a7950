//! The audit trail, for administrators.

use super::call::{Answer, Call, id, ok, page};
use crate::api::audit::AuditPage;
use crate::api::problem::ProblemDocument;
use crate::audit::Wanted;
use crate::problem::{Code, Problem};
use crate::store::Cursor;

/// Who did what, newest first, and whether the trail is as it was written. For administrators.
///
/// `action` that ends with a dot is the beginning of several: `credential.`. With `recheck=true` every file is
/// read again, also those that were checked before and have not been touched since.
#[utoipa::path(get, path = "/v1/audit", tag = "watching", security(("token" = ["admin"])),
    params(("since" = Option<DateTime<Utc>>, Query), ("user_id" = Option<Uuid>, Query), ("action" = Option<String>, Query),
        ("recheck" = Option<bool>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = AuditPage), (status = 400, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(super) async fn show(call: Call) -> Answer {
    call.caller()?.administers()?;
    let mut query = call.query();
    let since = query.parse("since", "a time such as 2030-01-31T12:00:00Z")?;
    let user_id = query.text("user_id")?.as_deref().map(id).transpose()?;
    let action = query.text("action")?;
    let anew = query.word("recheck", &[("true", true), ("false", false)])?.unwrap_or(false);
    let page = page(&mut query)?;
    query.end()?;
    let before = page.after_number()?.map(|seq| u64::try_from(seq).unwrap_or(0));
    let limit = usize::try_from(page.limit()).unwrap_or(usize::MAX);
    let wanted = Wanted { since, user_id, action, before, limit };
    let trail = call.parts().trail.clone();
    let read = tokio::task::spawn_blocking(move || Ok((trail.part(&wanted)?, trail.chain(anew)?))).await;
    let read: std::io::Result<_> = read.map_err(|panic| Problem::internal(&panic))?;
    let (part, chain) = read.map_err(|error| {
        let detail = "the audit trail cannot be read; an administrator has to look at data/audit";
        Problem::new(Code::AuditUnavailable, detail).retry_after(5).because(&error)
    })?;
    let next_cursor = part.before.map(|seq| Cursor::Number(seq.try_into().unwrap_or(i64::MAX)).text());
    let writable = !call.parts().trail.standing().failing;
    ok(&AuditPage { items: part.records, next_cursor, chain, writable })
}
