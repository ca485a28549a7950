//! Types: everybody reads them, administrators change them.

use chrono::Utc;
use minimcp_entities::mcp_type;

use super::call::{Answer, Call, created, no_content, ok, page};
use crate::api::mcp_type::{McpType, TypeDefinition};
use crate::api::problem::ProblemDocument;
use crate::problem::{Code, Problem};

/// Every type.
#[utoipa::path(get, path = "/v1/types", tag = "types", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<McpType>)))]
pub(super) async fn list(call: Call) -> Answer {
    call.caller()?;
    let mut query = call.query();
    let page = page(&mut query)?;
    query.end()?;
    let rows = call.parts().store.types(&page).await?;
    let items = rows.items.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    ok(&crate::api::Page { items, next_cursor: rows.next_cursor })
}

/// One type.
#[utoipa::path(get, path = "/v1/types/{name}", tag = "types", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])), params(("name" = String, Path)),
    responses((status = 200, body = McpType), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(name: String, call: Call) -> Answer {
    call.caller()?;
    call.no_query()?;
    ok(&view(&call.parts().store.type_named(&name).await?)?)
}

/// Registers a type. For administrators.
#[utoipa::path(post, path = "/v1/types", tag = "types", security(("token" = ["admin"])), request_body = TypeDefinition,
    responses((status = 201, body = McpType), (status = 422, body = ProblemDocument)))]
pub(super) async fn create(call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let row = checked(&call)?;
    let row = call.parts().store.create_type(row).await?;
    created(&format!("/v1/types/{}", row.name), &view(&row)?)
}

/// Replaces a type. Instances that run go on as they are until their next run. For administrators.
#[utoipa::path(put, path = "/v1/types/{name}", tag = "types", security(("token" = ["admin"])), params(("name" = String, Path)), request_body = TypeDefinition,
    responses((status = 200, body = McpType), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn replace(name: String, call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let row = checked(&call)?;
    if row.name != name {
        return Err(Problem::at(Code::InvalidType, "/name", "it has to be the name in the path"));
    }
    let row = call.parts().store.replace_type(row).await?;
    call.parts().instances.renew_type(&row).await?;
    ok(&view(&row)?)
}

/// Removes a type that nothing uses. For administrators.
#[utoipa::path(delete, path = "/v1/types/{name}", tag = "types", security(("token" = ["admin"])), params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(name: String, call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    call.parts().store.delete_type(&name).await?;
    no_content()
}

fn checked(call: &Call) -> Result<mcp_type::Model, Problem> {
    let definition: TypeDefinition = call.read()?;
    definition.check().map_err(|invalid| Problem::invalid(Code::InvalidType, invalid))?;
    Ok(definition.to_row(false, Utc::now()))
}

fn view(row: &mcp_type::Model) -> Result<McpType, Problem> {
    let definition = TypeDefinition::from_row(row)?;
    Ok(McpType {
        name: definition.name,
        display_name: definition.display_name,
        description: definition.description,
        lane: definition.lane,
        sessions: definition.sessions,
        server_script: definition.server_script,
        command: definition.command,
        args: definition.args,
        mcp_path: definition.mcp_path,
        config_template: definition.config_template,
        config_locked: definition.config_locked,
        required_auth: definition.required_auth,
        required_scopes: definition.required_scopes,
        capabilities: definition.capabilities,
        credential_fields: definition.credential_fields,
        resource_limits: definition.resource_limits,
        health_check: definition.health_check,
        env: definition.env,
        env_map: definition.env_map,
        warm: definition.warm,
        stateful: definition.stateful,
        builtin: row.builtin,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
