//! Types: everybody reads them, administrators change them.

use chrono::Utc;
use minimcp_entities::mcp_type;

use super::call::{Answer, Call, accepted, created, no_content, ok, page};
use crate::api::import::{ImportType, ImportedType};
use crate::api::mcp_type::{McpType, TypeDefinition};
use crate::api::problem::ProblemDocument;
use crate::packages::Packages;
use crate::problem::{Code, Problem};
use crate::registry;

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
    let packages = call.parts().instances.packages();
    let items = rows.items.iter().map(|row| view(row, packages)).collect::<Result<Vec<_>, _>>()?;
    ok(&crate::api::Page { items, next_cursor: rows.next_cursor })
}

/// One type.
#[utoipa::path(get, path = "/v1/types/{name}", tag = "types", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])), params(("name" = String, Path)),
    responses((status = 200, body = McpType), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(name: String, call: Call) -> Answer {
    call.caller()?;
    call.no_query()?;
    ok(&view(&call.parts().store.type_named(&name).await?, call.parts().instances.packages())?)
}

/// Registers a type. For administrators.
#[utoipa::path(post, path = "/v1/types", tag = "types", security(("token" = ["admin"])), request_body = TypeDefinition,
    responses((status = 201, body = McpType), (status = 422, body = ProblemDocument)))]
pub(super) async fn create(call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let row = checked(&call)?;
    let row = call.parts().store.create_type(row).await?;
    created(&format!("/v1/types/{}", row.name), &view(&row, call.parts().instances.packages())?)
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
    ok(&view(&row, call.parts().instances.packages())?)
}

/// Removes a type that nothing uses. For administrators.
#[utoipa::path(delete, path = "/v1/types/{name}", tag = "types", security(("token" = ["admin"])), params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(name: String, call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let store = &call.parts().store;
    let definition = TypeDefinition::from_row(&store.type_named(&name).await?);
    store.delete_type(&name).await?;
    if let Ok(TypeDefinition { package: Some(package), .. }) = definition {
        call.parts().instances.drop_package(&package).await;
    }
    no_content()
}

/// Installs the package of a type now instead of at the start of its first instance. Answers at once; the type's
/// `installation` says how it stands. For administrators.
#[utoipa::path(post, path = "/v1/types/{name}/install", tag = "types", security(("token" = ["admin"])), params(("name" = String, Path)),
    responses((status = 202, body = McpType), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
pub(super) async fn install(name: String, call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let row = call.parts().store.type_named(&name).await?;
    let packages = call.parts().instances.packages();
    let Some(package) = TypeDefinition::from_row(&row)?.package else {
        return Err(Problem::new(Code::NoPackage, "only a type that names a package has one to install"));
    };
    packages.look_again(&package).await;
    packages.install(&package);
    accepted(&view(&row, packages)?)
}

/// Imports a type from the description that a registry of MCP servers has of it. Answers the exact command that would
/// run, and stores nothing until `approve` says so. For administrators.
#[utoipa::path(post, path = "/v1/types/import", tag = "types", security(("token" = ["admin"])), request_body = ImportType,
    responses((status = 200, body = ImportedType), (status = 201, body = ImportedType), (status = 409, body = ProblemDocument),
        (status = 422, body = ProblemDocument), (status = 502, body = ProblemDocument)))]
pub(super) async fn import(call: Call) -> Answer {
    call.caller()?.administers()?;
    call.no_query()?;
    let request: ImportType = call.read()?;
    let parts = call.parts();
    let mut imported = registry::look(&request, parts.settings.registry_url.as_deref()).await?;
    if !request.approve {
        return ok(&imported);
    }
    if request.digest.as_ref().is_some_and(|approved| *approved != imported.digest) {
        let detail = "what would be imported is not what was approved; look at it again without `approve`";
        return Err(Problem::new(Code::Changed, detail));
    }
    let row = parts.store.create_type(imported.definition.to_row(false, Utc::now())).await?;
    imported.stored = true;
    imported.mcp_type = Some(view(&row, parts.instances.packages())?);
    created(&format!("/v1/types/{}", row.name), &imported)
}

fn checked(call: &Call) -> Result<mcp_type::Model, Problem> {
    let definition: TypeDefinition = call.read()?;
    definition.check().map_err(|invalid| Problem::invalid(Code::InvalidType, invalid))?;
    Ok(definition.to_row(false, Utc::now()))
}

fn view(row: &mcp_type::Model, packages: &Packages) -> Result<McpType, Problem> {
    let definition = TypeDefinition::from_row(row)?;
    Ok(McpType {
        name: definition.name,
        display_name: definition.display_name,
        description: definition.description,
        lane: definition.lane,
        sessions: definition.sessions,
        server_script: definition.server_script,
        command: definition.command,
        installation: definition.package.as_ref().map(|package| packages.installation(package)),
        package: definition.package,
        args: definition.args,
        mcp_path: definition.mcp_path,
        config_template: definition.config_template,
        config_locked: definition.config_locked,
        config_fields: definition.config_fields,
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
        source: definition.source,
        builtin: row.builtin,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
