//! Users, for administrators.

use chrono::Utc;
use minimcp_entities::user;
use uuid::Uuid;

use super::call::{Answer, Call, created, id, no_content, ok, page};
use super::idempotency::{self, Key};
use crate::api::me;
use crate::api::problem::ProblemDocument;
use crate::api::user::{ChangeUser, CreateUser, OwnLimits, User, WantedLimits};
use crate::isolation;
use crate::problem::{Code, Problem};
use crate::store::{Conflict, NewUser, Quota, Role, StoreError, UserChange};

/// How often a forced deletion goes back for instances that were made meanwhile.
const ROUNDS: usize = 20;

/// Every user, newest first. For administrators.
#[utoipa::path(get, path = "/v1/users", tag = "users", security(("token" = ["admin"])),
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<User>)))]
pub(super) async fn list(call: Call) -> Answer {
    call.caller()?.administers()?;
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    let rows = call.parts().store.users(&page).await?;
    let items = rows.items.iter().map(|row| view(&call, row, None)).collect::<Result<Vec<User>, _>>()?;
    ok(&crate::api::Page { items, next_cursor: rows.next_cursor })
}

/// Makes a user, who can do nothing until they have a token. For administrators.
#[utoipa::path(post, path = "/v1/users", tag = "users", security(("token" = ["admin"])), request_body = CreateUser,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = User)))]
pub(super) async fn create(call: Call) -> Answer {
    let caller = call.caller()?;
    caller.administers()?;
    call.no_query()?;
    let key = Key::on(&call, caller.user_id, "/v1/users")?;
    if let Some(first) = idempotency::first_answer(&call, key.as_ref()).await? {
        return Ok(first);
    }
    let request: CreateUser = call.read()?;
    isolation::parts_users(&call.parts().isolation, &call.parts().settings)
        .map_err(|why| Problem::new(Code::WeakIsolation, why))?;
    let limits = request.limits.unwrap_or_default();
    let new = NewUser {
        id: Uuid::now_v7(),
        name: plain(request.name)?,
        role: request.role.unwrap_or(Role::User),
        quota: Quota {
            max_instances: limits.max_instances.flatten(),
            max_running: limits.max_running.flatten(),
            max_credentials: limits.max_credentials.flatten(),
        },
        created_at: Utc::now(),
    };
    call.note("role", new.role.as_str());
    let user = view(&call, &new.row(), Some(me::Usage::default()))?;
    let answer = key.as_ref().map(|key| key.remembered(&call, None, &user)).transpose()?;
    match call.parts().store.create_user_once(new, answer).await {
        Ok(_) => created(&format!("/v1/users/{}", user.id), &user),
        // Another request with the same key was faster.
        Err(error @ StoreError::Conflict { what: Conflict::IdempotencyKey | Conflict::UserName }) => {
            idempotency::first_answer(&call, key.as_ref()).await?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// One user with what they have. For administrators.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "users", security(("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = User), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let row = call.parts().store.user(id(&text)?).await?;
    shown(&call, &row).await
}

/// Changes name, role or limits; null takes a limit back to the daemon's default. A role that is taken away is
/// gone at once, for open streams too. For administrators, who cannot take their own role away.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "users", security(("token" = ["admin"])), params(("id" = Uuid, Path)),
    request_body = ChangeUser,
    responses((status = 200, body = User), (status = 404, body = ProblemDocument)))]
pub(super) async fn change(text: String, call: Call) -> Answer {
    let caller = call.caller()?;
    caller.administers()?;
    call.no_query()?;
    let id = id(&text)?;
    let request: ChangeUser = call.read()?;
    if id == caller.user_id && request.role.is_some_and(|role| role != Role::Admin) {
        let detail = "you would lock yourself out; have another administrator change your role";
        return Err(Problem::new(Code::OwnAccount, detail));
    }
    let limits = match request.limits {
        None => WantedLimits::default(),
        Some(Some(limits)) => limits,
        Some(None) => {
            WantedLimits { max_instances: Some(None), max_running: Some(None), max_credentials: Some(None) }
        }
    };
    let change = UserChange {
        name: request.name.map(plain).transpose()?,
        role: request.role,
        max_instances: limits.max_instances,
        max_running: limits.max_running,
        max_credentials: limits.max_credentials,
    };
    if let Some(role) = change.role {
        call.note("role", role.as_str());
    }
    let row = call.parts().store.update_user(id, change).await?;
    call.context.standing_changed();
    shown(&call, &row).await
}

/// Deletes a user with their tokens and credential sets. While they have instances this is a 409, unless
/// `delete_instances=true` ends all of them first: then the answer comes when every process has ended. For
/// administrators, who cannot delete themselves.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "users", security(("token" = ["admin"])),
    params(("id" = Uuid, Path), ("delete_instances" = Option<bool>, Query)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(text: String, call: Call) -> Answer {
    let caller = call.caller()?;
    caller.administers()?;
    let mut query = call.query();
    let forced = query.word("delete_instances", &[("true", true), ("false", false)])?.unwrap_or(false);
    query.end()?;
    let id = id(&text)?;
    if id == caller.user_id {
        let detail = "you would lock yourself out; have another administrator delete you";
        return Err(Problem::new(Code::OwnAccount, detail));
    }
    let parts = call.parts();
    parts.store.check_deletable(id).await?;
    if forced {
        call.restored()?;
        // From here on nothing new is asked for in this user's name but what is under way already.
        parts.store.revoke_tokens_of(id, Utc::now()).await?;
        call.context.standing_changed();
    }
    for _ in 0..ROUNDS {
        if forced {
            parts.instances.delete_all_of(id).await?;
        }
        match parts.store.delete_user(id).await {
            Err(StoreError::Conflict { what: Conflict::UserInUse { .. } }) if forced => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                call.context.standing_changed();
                parts.instances.clear_files_of(id).await;
                return no_content();
            }
        }
    }
    Err(Problem::new(Code::Unavailable, "the user goes on making instances; try again"))
}

async fn shown(call: &Call, row: &user::Model) -> Answer {
    let usage = call.parts().store.usage(row.id).await?;
    let usage =
        me::Usage { instances: usage.instances, running: usage.running, credentials: usage.credentials };
    ok(&view(call, row, Some(usage))?)
}

fn view(call: &Call, row: &user::Model, usage: Option<me::Usage>) -> Result<User, StoreError> {
    let own = Quota::of(row, Quota::default());
    let effective = Quota::of(row, call.parts().settings.quota);
    Ok(User {
        id: row.id,
        name: row.name.clone(),
        role: Role::of(row)?,
        limits: OwnLimits {
            max_instances: own.max_instances,
            max_running: own.max_running,
            max_credentials: own.max_credentials,
        },
        effective_limits: me::UserLimits {
            max_instances: effective.max_instances,
            max_running: effective.max_running,
            max_credentials: effective.max_credentials,
        },
        usage,
        created_at: row.created_at,
    })
}

/// A name that looks like what it is wherever it is written.
pub(super) fn plain(name: String) -> Result<String, Problem> {
    if name.trim() == name && !name.chars().any(char::is_control) {
        return Ok(name);
    }
    let detail = "it has to be without control characters and without space at its ends";
    Err(Problem::at(Code::InvalidBody, "/name", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_looks_like() {
        for good in ["una", "Una Ünal", "una@example.org", "ci (nightly)"] {
            assert_eq!(plain(good.into()).as_deref(), Ok(good));
        }
        for bad in [" una", "una ", "u\nna", "una\u{0}", "\u{1b}[2Jx"] {
            assert_eq!(plain(bad.into()).unwrap_err().code(), Code::InvalidBody, "{bad:?}");
        }
    }
}
