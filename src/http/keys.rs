//! The keys that everything secret is encrypted under. For administrators.

use http::StatusCode;
use minimcp_entities::keyring;

use super::call::{Answer, Call, json_answer, ok, page};
use crate::api::key::{DataKey, Keys, RotationProgress};
use crate::api::problem::ProblemDocument;
use crate::problem::Problem;
use crate::store::PageRequest;

/// The keys, and how far a rotation is.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("token" = ["admin"])),
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Keys), (status = 403, body = ProblemDocument)))]
pub(super) async fn list(call: Call) -> Answer {
    call.caller()?.administers()?;
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    ok(&keys(&call, &page).await?)
}

/// Replaces the master key and every data key, and encrypts every record anew. Everything goes on meanwhile. If a
/// rotation is under way already, that one goes on.
#[utoipa::path(post, path = "/v1/keys/rotate", tag = "keys", security(("token" = ["admin"])),
    responses((status = 202, body = Keys), (status = 403, body = ProblemDocument)))]
pub(super) async fn rotate(call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    call.parts().rotation.begin().await?;
    json_answer(StatusCode::ACCEPTED, &keys(&call, &PageRequest::new(None, None)?).await?)
}

async fn keys(call: &Call, page: &PageRequest) -> Result<Keys, Problem> {
    let (store, vault) = (&call.parts().store, &call.parts().vault);
    let since = store.rotation().await?;
    let records = store.sealed_records(since).await?;
    let page = store.keys(page).await?;
    let ids: Vec<String> = page.items.iter().map(|row| row.id.clone()).collect();
    let under = store.records_under(&ids).await?;
    let view = |row: keyring::Model| DataKey {
        records: under.get(&row.id).copied().unwrap_or_default(),
        id: row.id,
        purpose: row.purpose,
        user_id: row.user_id,
        active: row.active,
        master_key_id: row.kek_id,
        seals: row.seals.try_into().unwrap_or_default(),
        created_at: row.created_at,
    };
    Ok(Keys {
        master_key_id: vault.key_id().to_string(),
        master_key_place: call.parts().rotation.place().to_string(),
        next_master_key_id: vault.next_key_id().map(|id| id.to_string()),
        rotation: since.map(|started_at| RotationProgress {
            started_at,
            records_left: records.left,
            users_left: records.users_left,
        }),
        records: records.all,
        items: page.items.into_iter().map(view).collect(),
        next_cursor: page.next_cursor,
    })
}
