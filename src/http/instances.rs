//! Instances: thin handlers over the service.

use std::time::Duration;

use uuid::Uuid;

use super::call::{Answer, Call, created, id, no_content, ok, page};
use super::idempotency::{self, Key};
use crate::api::client_config::{ClientConfig, McpClient};
use crate::api::diagnosis::Diagnosis;
use crate::api::instance::{
    AccessToken, CreateInstance, CreatedInstance, ExtendLease, Instance, RotateToken,
};
use crate::api::problem::ProblemDocument;
use crate::problem::{Code, Problem};
use crate::store::{Conflict, InstanceFilter};
use minimcp_actors::state::Status;

/// The longest wait that may be asked for.
const LONGEST_WAIT: u64 = 300;

/// My instances; everybody's for operators and administrators.
#[utoipa::path(get, path = "/v1/instances", tag = "instances", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("status" = Option<crate::api::instance::Status>, Query), ("mcp_type" = Option<String>, Query),
        ("user_id" = Option<Uuid>, Query), ("name" = Option<String>, Query), ("limit" = Option<u32>, Query),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<Instance>)))]
pub(super) async fn list(call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let statuses = Status::ALL.map(|status| (status.as_str(), status));
    let status = query.word("status", &statuses)?;
    let user_id = query.text("user_id")?.as_deref().map(id).transpose()?;
    let (mcp_type, name) = (query.text("mcp_type")?, query.text("name")?);
    let page = page(&mut query)?;
    query.end()?;
    if let (Some(own), Some(asked)) = (own, user_id)
        && own != asked
    {
        return ok(&crate::api::Page::<Instance> { items: Vec::new(), next_cursor: None });
    }
    let filter = InstanceFilter { user_id: own.or(user_id), mcp_type, name, ..InstanceFilter::default() };
    let parts = call.parts();
    ok(&parts.instances.list(&filter, status, &page).await?)
}

/// Makes an instance and starts it. With `wait=running` the answer comes when it runs or could not be started.
#[utoipa::path(post, path = "/v1/instances", tag = "instances", security(("token" = ["user"]), ("token" = ["admin"])), request_body = CreateInstance,
    params(("wait" = Option<String>, Query), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = CreatedInstance),
        (status = 422, body = ProblemDocument), (status = 429, body = ProblemDocument),
        (status = 502, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(super) async fn create(call: Call) -> Answer {
    let user_id = call.caller()?.owns()?;
    let mut query = call.query();
    let wait = query.word("wait", &[("running", ())])?.is_some();
    query.end()?;
    let key = Key::of(&call, user_id)?;
    if let Some(first) = idempotency::first_answer(&call, key.as_ref()).await? {
        return Ok(first);
    }
    let request: CreateInstance = call.read()?;
    call.restored()?;
    let remember = |promised: &CreatedInstance| match &key {
        Some(key) => key.remembered(&call, Some(promised.instance.id), promised).map(Some),
        None => Ok(None),
    };
    match call.parts().instances.create(user_id, request, wait, &remember).await {
        Ok(made) => {
            call.note("mcp_type", made.instance.mcp_type.as_str());
            call.note("credential_id", made.instance.credential_id.map(|id| id.to_string()));
            created(&format!("/v1/instances/{}", made.instance.id), &made)
        }
        // Another request with the same key was faster.
        Err(problem) if problem.code() == Problem::from(Conflict::IdempotencyKey).code() => {
            idempotency::first_answer(&call, key.as_ref()).await?.ok_or(problem)
        }
        Err(problem) => Err(problem),
    }
}

/// One instance.
#[utoipa::path(get, path = "/v1/instances/{id}", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Instance), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    call.no_query()?;
    ok(&call.parts().instances.get(id(&text)?, own).await?)
}

/// Answers when the instance has the status; 408 when not in time.
#[utoipa::path(get, path = "/v1/instances/{id}/wait", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("status" = Option<crate::api::instance::Status>, Query), ("timeout_seconds" = Option<u64>, Query)),
    responses((status = 200, body = Instance), (status = 404, body = ProblemDocument), (status = 408, body = ProblemDocument)))]
pub(super) async fn wait(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let statuses = Status::ALL.map(|status| (status.as_str(), status));
    let status = query.word("status", &statuses)?.unwrap_or(Status::Running);
    let wanted = "a number of seconds from 0 to 300";
    let seconds: u64 = query.parse("timeout_seconds", wanted)?.unwrap_or(30);
    query.end()?;
    if seconds > LONGEST_WAIT {
        return Err(Problem::new(Code::InvalidQuery, format!("`timeout_seconds` has to be {wanted}")));
    }
    let waited = call.parts().instances.wait(id(&text)?, own, status, Duration::from_secs(seconds));
    tokio::select! {
        waited = waited => ok(&waited?),
        () = call.parts().stop.cancelled() => Err(Problem::new(Code::ShuttingDown, "try again once it is back").retry_after(5)),
    }
}

/// Ends it gracefully and keeps the record.
#[utoipa::path(post, path = "/v1/instances/{id}/stop", tag = "instances", security(("token" = ["owner"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Instance), (status = 404, body = ProblemDocument)))]
pub(super) async fn stop(text: String, call: Call) -> Answer {
    let (id, own) = (id(&text)?, order(&call)?);
    ok(&call.parts().instances.stop(id, own).await?)
}

/// Begins a new run, at no cost to the restart budget.
#[utoipa::path(post, path = "/v1/instances/{id}/restart", tag = "instances", security(("token" = ["owner"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Instance), (status = 404, body = ProblemDocument)))]
pub(super) async fn restart(text: String, call: Call) -> Answer {
    let (id, own) = (id(&text)?, order(&call)?);
    ok(&call.parts().instances.restart(id, own).await?)
}

/// Brings a disconnected instance back.
#[utoipa::path(post, path = "/v1/instances/{id}/restore", tag = "instances", security(("token" = ["owner"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Instance), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn restore(text: String, call: Call) -> Answer {
    let (id, own) = (id(&text)?, order(&call)?);
    ok(&call.parts().instances.restore(id, own).await?)
}

/// Moves the end of its lease.
#[utoipa::path(post, path = "/v1/instances/{id}/extend", tag = "instances", security(("token" = ["owner"]), ("token" = ["admin"])), params(("id" = Uuid, Path)), request_body = ExtendLease,
    responses((status = 200, body = Instance), (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument)))]
pub(super) async fn extend(text: String, call: Call) -> Answer {
    let (id, own) = (id(&text)?, order(&call)?);
    ok(&call.parts().instances.extend(id, own, call.read()?).await?)
}

/// Replaces the access token. For its owner only.
#[utoipa::path(post, path = "/v1/instances/{id}/token", tag = "instances", security(("token" = ["owner"])), params(("id" = Uuid, Path)), request_body = RotateToken,
    responses((status = 200, body = AccessToken), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn token(text: String, call: Call) -> Answer {
    order(&call)?;
    let owner = call.caller()?.owns()?;
    let request: RotateToken = call.read()?;
    ok(&call.parts().instances.rotate_token(id(&text)?, owner, request.overlap_seconds.unwrap_or(0)).await?)
}

/// Ends it, waits for its end and deletes it with its logs.
#[utoipa::path(delete, path = "/v1/instances/{id}", tag = "instances", security(("token" = ["owner"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("delete_credential" = Option<bool>, Query)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(text: String, call: Call) -> Answer {
    let own = call.caller()?.writes()?;
    let mut query = call.query();
    let with_credential = query.word("delete_credential", &[("true", true), ("false", false)])?;
    query.end()?;
    call.restored()?;
    call.note("delete_credential", with_credential.unwrap_or(false));
    call.parts().instances.delete(id(&text)?, own, with_credential.unwrap_or(false)).await?;
    no_content()
}

/// What is wrong with it and what to do next.
#[utoipa::path(get, path = "/v1/instances/{id}/diagnose", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Diagnosis), (status = 404, body = ProblemDocument)))]
pub(super) async fn diagnose(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    call.no_query()?;
    ok(&call.parts().instances.diagnose(id(&text)?, own).await?)
}

/// What to paste into an MCP client so that it finds the instance: Claude Code unless another is named. Holds no token.
#[utoipa::path(get, path = "/v1/instances/{id}/client-config", tag = "instances", security(("token" = ["owner"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("id" = Uuid, Path), ("client" = Option<McpClient>, Query)),
    responses((status = 200, body = ClientConfig), (status = 404, body = ProblemDocument)))]
pub(super) async fn client_config(text: String, call: Call) -> Answer {
    let own = call.caller()?.reads();
    let mut query = call.query();
    let client = query.word("client", &McpClient::ALL.map(|client| (client.as_str(), client)))?;
    query.end()?;
    let client = client.unwrap_or(McpClient::ClaudeCode);
    ok(&call.parts().instances.client_config(id(&text)?, own, client).await?)
}

/// What every order needs: somebody who may give it, and a daemon that has found its instances again.
fn order(call: &Call) -> Result<Option<Uuid>, Problem> {
    let own = call.caller()?.writes()?;
    call.no_query()?;
    call.restored()?;
    Ok(own)
}
