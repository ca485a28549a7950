//! `Idempotency-Key`: a request that is sent again gets the answer that the first one got.

use chrono::Utc;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use warp::reply::Response;

use super::call::{Call, json_answer};
use crate::problem::{Code, Problem};
use crate::store::{Conflict, Remembered, StoreError};
use crate::vault::Scope;

/// Longest key, in bytes.
const MAX_KEY: usize = 255;

/// The key of a request, and what the request was.
#[derive(Debug, Clone)]
pub(super) struct Key {
    user_id: Uuid,
    key: String,
    request_hash: [u8; 32],
}

/// An answer as it is kept: what was made, to see whether it is still there, and the body.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: Option<Uuid>,
    body: Box<RawValue>,
}

impl Key {
    /// The key of this call, if it has one.
    ///
    /// # Errors
    /// `invalid_header` if it is empty, too long or given twice.
    pub(super) fn of(call: &Call, user_id: Uuid) -> Result<Option<Self>, Problem> {
        let Some(key) = call.header("idempotency-key")? else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_KEY {
            let detail = format!("`Idempotency-Key` has to be 1 to {MAX_KEY} characters");
            return Err(Problem::new(Code::InvalidHeader, detail));
        }
        let request_hash = Sha256::digest(&call.body).into();
        Ok(Some(Self { user_id, key: key.into(), request_hash }))
    }

    /// The key of a call to a route where the same body means different things on different paths.
    ///
    /// # Errors
    /// As [`Key::of`].
    pub(super) fn on(call: &Call, user_id: Uuid, path: &str) -> Result<Option<Self>, Problem> {
        let Some(key) = Self::of(call, user_id)? else { return Ok(None) };
        let hash = Sha256::new().chain_update(path).chain_update(b"\n").chain_update(key.request_hash);
        Ok(Some(Self { request_hash: hash.finalize().into(), ..key }))
    }

    /// An answer to be remembered under this key, sealed.
    pub(super) fn remembered(
        &self,
        call: &Call,
        id: Option<Uuid>,
        answer: &impl Serialize,
    ) -> Result<Remembered, Problem> {
        let body = serde_json::value::to_raw_value(answer).map_err(|error| Problem::internal(&error))?;
        let kept = serde_json::to_vec(&Kept { id, body }).map_err(|error| Problem::internal(&error))?;
        Ok(Remembered {
            user_id: self.user_id,
            key: self.key.clone(),
            request_hash: self.request_hash,
            status: StatusCode::CREATED.as_u16(),
            sealed_response: call.parts().vault.seal(&Scope::answer(self.user_id, &self.key), &kept)?,
            created_at: Utc::now(),
        })
    }
}

/// The answer to the first request with this key, if there was one.
///
/// # Errors
/// `idempotency_conflict` if that request was another, or what it made is gone.
pub(super) async fn first_answer(call: &Call, key: Option<&Key>) -> Result<Option<Response>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let store = &call.parts().store;
    let Some(row) = store.remembered(key.user_id, &key.key).await? else { return Ok(None) };
    if row.request_hash != key.request_hash {
        let detail = "this idempotency key was used with another body; use a new key for a new request";
        return Err(Problem::new(Code::IdempotencyConflict, detail));
    }
    let kept = call.parts().vault.open(&Scope::answer(key.user_id, &key.key), &row.sealed_response)?;
    let kept: Kept = serde_json::from_slice(&kept).map_err(|error| Problem::internal(&error))?;
    if let Some(id) = kept.id
        && let Err(StoreError::NotFound(_)) = store.instance(id, Some(key.user_id)).await
    {
        let detail = "what the first request with this idempotency key made is gone; use a new key";
        return Err(Problem::new(Code::IdempotencyConflict, detail));
    }
    json_answer(StatusCode::CREATED, &kept.body).map(Some)
}

/// Remembers an answer whose effect is stored already. Of two requests at the same time the first one's stays.
pub(super) async fn remember(call: &Call, key: Option<Key>, answer: &impl Serialize) -> Result<(), Problem> {
    let Some(key) = key else { return Ok(()) };
    match call.parts().store.remember(key.remembered(call, None, answer)?).await {
        Ok(()) | Err(StoreError::Conflict { what: Conflict::IdempotencyKey }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
