//! API tokens: of oneself, or of anybody for administrators. Their text is shown once.

use chrono::Utc;
use minimcp_entities::api_token;
use uuid::Uuid;

use super::auth::Caller;
use super::call::{Answer, Call, created, id, no_content, ok, page, shown};
use super::idempotency::{self, Key};
use super::users::plain;
use crate::api::problem::ProblemDocument;
use crate::api::user::{ApiToken, CreateToken, CreatedToken};
use crate::problem::{Code, Problem};
use crate::store::{Conflict, NewToken, Noun, Role, StoreError};
use crate::vault::TokenKind;

/// The tokens of a user, newest first, for 30 days also those that expired or were revoked.
#[utoipa::path(get, path = "/v1/users/{id}/tokens", tag = "users", security(("token" = ["owner"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<ApiToken>), (status = 404, body = ProblemDocument)))]
pub(super) async fn list(text: String, call: Call) -> Answer {
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    let user_id = reached(call.caller()?, id(&text)?)?;
    let store = &call.parts().store;
    store.user(user_id).await?;
    ok(&shown(store.tokens(user_id, &page).await?, view))
}

/// Makes a token for a user. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/users/{id}/tokens", tag = "users", security(("token" = ["owner"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = CreateToken,
    responses((status = 201, body = CreatedToken), (status = 404, body = ProblemDocument)))]
pub(super) async fn create(text: String, call: Call) -> Answer {
    let caller = call.caller()?;
    call.no_query()?;
    let user_id = reached(caller, id(&text)?)?;
    let key = Key::on(&call, caller.user_id, &format!("/v1/users/{user_id}/tokens"))?;
    if let Some(first) = idempotency::first_answer(&call, key.as_ref()).await? {
        return Ok(first);
    }
    let request: CreateToken = call.read()?;
    let now = Utc::now();
    if request.expires_at.is_some_and(|end| end <= now) {
        let detail = "the token would be expired at once; give a time that is still to come";
        return Err(Problem::at(Code::InvalidBody, "/expires_at", detail));
    }
    call.note("user_id", user_id.to_string());
    let minted = call.parts().vault.mint(TokenKind::Api)?;
    let new = NewToken {
        id: Uuid::now_v7(),
        user_id,
        name: plain(request.name)?,
        token_hash: minted.hash,
        hint: minted.hint,
        created_at: now,
        expires_at: request.expires_at,
    };
    let token = CreatedToken { about: view(&new.row()), token: minted.token.expose().to_owned() };
    let answer = key.as_ref().map(|key| key.remembered(&call, None, &token)).transpose()?;
    match call.parts().store.create_token_once(new, answer).await {
        Ok(_) => created(&format!("/v1/tokens/{}", token.about.id), &token),
        // Another request with the same key was faster.
        Err(error @ StoreError::Conflict { what: Conflict::IdempotencyKey }) => {
            idempotency::first_answer(&call, key.as_ref()).await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Revokes a token. It is refused from now on, and streams that were opened with it end.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "users", security(("token" = ["owner"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(text: String, call: Call) -> Answer {
    let caller = call.caller()?;
    call.no_query()?;
    let owner = (caller.role != Role::Admin).then_some(caller.user_id);
    let store = &call.parts().store;
    let token = store.token(id(&text)?, owner).await?;
    store.revoke_token(token.id, Utc::now()).await?;
    call.context.standing_changed();
    no_content()
}

/// The user whose tokens the caller may see to.
fn reached(caller: &Caller, user_id: Uuid) -> Result<Uuid, StoreError> {
    let theirs = caller.user_id == user_id || caller.role == Role::Admin;
    theirs.then_some(user_id).ok_or(StoreError::NotFound(Noun::User))
}

fn view(row: &api_token::Model) -> ApiToken {
    ApiToken {
        id: row.id,
        user_id: row.user_id,
        name: row.name.clone(),
        hint: row.hint.clone(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    }
}
