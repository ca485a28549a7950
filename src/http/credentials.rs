//! Credential sets: sealed on the way in, never shown.

use chrono::Utc;
use minimcp_entities::mcp_credential;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Parts;
use super::call::{Answer, Call, created, id, no_content, ok, page, shown};
use super::idempotency::{self, Key};
use crate::api::credential::{CreateCredential, Credential, ReplaceCredential, ReplacedCredential};
use crate::api::problem::ProblemDocument;
use crate::catalog::credentials::Credentials;
use crate::catalog::{FaultKind, TypeDefinition};
use crate::expiry::{Expiry, OnExpiry};
use crate::problem::{Code, Problem};
use crate::store::{CredentialFilter, NewCredential, SealedFields, StoreError};
use crate::vault::Scope;

/// My credential sets.
#[utoipa::path(get, path = "/v1/credentials", tag = "credentials", security(("token" = ["user"]), ("token" = ["operator"]), ("token" = ["admin"])),
    params(("mcp_type" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = crate::api::Page<Credential>)))]
pub(super) async fn list(call: Call) -> Answer {
    let user_id = Some(call.caller()?.user_id);
    let mut query = call.query();
    let filter = CredentialFilter { user_id, mcp_type: query.text("mcp_type")? };
    let page = page(&mut query)?;
    query.end()?;
    ok(&shown(call.parts().store.credentials(&filter, &page).await?, |row| view(&call, row)))
}

/// Stores a credential set.
#[utoipa::path(post, path = "/v1/credentials", tag = "credentials", security(("token" = ["user"]), ("token" = ["admin"])), request_body = CreateCredential,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Credential), (status = 422, body = ProblemDocument)))]
pub(super) async fn create(call: Call) -> Answer {
    let user_id = call.caller()?.owns()?;
    call.no_query()?;
    let key = Key::of(&call, user_id)?;
    if let Some(first) = idempotency::first_answer(&call, key.as_ref()).await? {
        return Ok(first);
    }
    let request: CreateCredential = call.read()?;
    let store = &call.parts().store;
    let row = store.type_named(&request.mcp_type).await.map_err(|error| match error {
        StoreError::NotFound(_) => Problem::at(
            Code::UnknownType,
            "/mcp_type",
            "there is no type of this name; `GET /v1/types` lists them",
        ),
        error => error.into(),
    })?;
    let definition = TypeDefinition::from_row(&row)?;
    let fields = checked(request.fields.into_iter().collect(), &definition)?;
    let id = Uuid::now_v7();
    let new = NewCredential {
        id,
        user_id,
        mcp_type: request.mcp_type.clone(),
        name: request.name,
        fields: seal(&call, &Scope::credential(user_id, &id, &request.mcp_type, 1), &fields, &definition)?,
        expiry: Expiry { at: request.expires_at, then: request.on_expiry.unwrap_or_default() },
        created_at: Utc::now(),
    };
    call.note("mcp_type", request.mcp_type);
    let row = store.create_credential(new, call.parts().settings.quota).await?;
    call.parts().instances.bell().changed();
    let answer = view(&call, &row);
    idempotency::remember(&call, key, &answer).await?;
    created(&format!("/v1/credentials/{id}"), &answer)
}

/// One of my credential sets.
#[utoipa::path(get, path = "/v1/credentials/{id}", tag = "credentials", security(("token" = ["owner"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Credential), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(text: String, call: Call) -> Answer {
    let owner = call.caller()?.user_id;
    call.no_query()?;
    ok(&view(&call, &call.parts().store.credential_as_stored(id(&text)?, Some(owner)).await?))
}

/// Replaces all fields. Running instances that use the set are replaced one after another, the recently used first:
/// a new process with the new fields takes over once it is ready, and calls go on meanwhile. Where it does not get
/// ready the old one goes on. Types that allow no two processes at once are restarted. The answer does not wait for
/// that unless told to.
#[utoipa::path(put, path = "/v1/credentials/{id}", tag = "credentials", security(("token" = ["owner"])),
    params(("id" = Uuid, Path), ("wait" = Option<bool>, Query)), request_body = ReplaceCredential,
    responses((status = 200, body = ReplacedCredential), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn replace(text: String, call: Call) -> Answer {
    let owner = call.caller()?.owns()?;
    let mut query = call.query();
    let wait = query.word("wait", &[("true", true), ("false", false)])?.unwrap_or(false);
    query.end()?;
    let store = &call.parts().store;
    let old = store.credential(id(&text)?, Some(owner)).await?;
    let request: ReplaceCredential = call.read()?;
    let definition = TypeDefinition::from_row(&store.type_named(&old.mcp_type).await?)?;
    let fields = checked(request.fields.into_iter().collect(), &definition)?;
    let scope = Scope::credential(owner, &old.id, &old.mcp_type, old.version + 1);
    let fields = seal(&call, &scope, &fields, &definition)?;
    let then = request.on_expiry.map_or_else(|| on_expiry(&old), Ok)?;
    let expiry = Expiry { at: request.expires_at, then };
    let name = request.name.unwrap_or(old.name);
    let row = store.replace_credential(old.id, old.version, name, fields, expiry, Utc::now()).await?;
    call.note("version", row.version);
    let instances = &call.parts().instances;
    instances.bell().changed();
    let renewal = instances.renew_credential(&row).await?;
    ok(&ReplacedCredential {
        credential: view(&call, &row),
        replacing: renewal.replacing,
        not_replaced: if wait { Some(renewal.done().await?) } else { None },
    })
}

/// Deletes a credential set that no instance uses.
#[utoipa::path(delete, path = "/v1/credentials/{id}", tag = "credentials", security(("token" = ["owner"])), params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
pub(super) async fn delete(text: String, call: Call) -> Answer {
    let owner = call.caller()?.owns()?;
    call.no_query()?;
    let store = &call.parts().store;
    let row = store.credential_as_stored(id(&text)?, Some(owner)).await?;
    if let Err(error) = store.delete_credential(row.id).await {
        let problem = Problem::from(error);
        if problem.code() != Code::CredentialInUse {
            return Err(problem);
        }
        return Err(call.parts().instances.credential_in_use(row.id).await?);
    }
    no_content()
}

/// Holds the fields against those of the type. The code says what is wrong first of all: a field that is
/// missing, one that is not known, or one of the wrong kind.
fn checked(fields: Map<String, Value>, definition: &TypeDefinition) -> Result<Credentials, Problem> {
    Credentials::check(fields, &definition.credential_fields).map_err(|invalid| {
        let any = |kind| invalid.faults.iter().any(|fault| fault.kind == kind);
        let code = if any(FaultKind::Missing) {
            Code::CredentialFieldMissing
        } else if any(FaultKind::Unknown) {
            Code::CredentialFieldUnknown
        } else {
            Code::CredentialFieldInvalid
        };
        Problem::invalid(code, invalid)
    })
}

fn seal(
    call: &Call,
    scope: &Scope<'_>,
    fields: &Credentials,
    definition: &TypeDefinition,
) -> Result<SealedFields, Problem> {
    let vault = &call.parts().vault;
    Ok(SealedFields {
        sealed: vault.seal(scope, fields.to_json().as_bytes())?,
        hint: fields.hint(&definition.credential_fields),
        field_names: fields.names(),
    })
}

fn on_expiry(row: &mcp_credential::Model) -> Result<OnExpiry, StoreError> {
    let corrupt = StoreError::Corrupt { table: "mcp_credentials", column: "on_expiry" };
    OnExpiry::from_name(&row.on_expiry).ok_or(corrupt)
}

/// Why the set cannot be used, if it cannot.
fn unreadable(call: &Call, row: &mcp_credential::Model) -> Option<String> {
    let Parts { store, vault, .. } = call.parts();
    if store.is_altered(row) {
        return Some("it was changed outside of MiniMCP; delete it and make it anew".into());
    }
    let lacking = vault.lacks_key_of(&row.sealed)?;
    Some(format!("{lacking}; bring the key back from a backup, or delete the set and make it anew"))
}

fn view(call: &Call, row: &mcp_credential::Model) -> Credential {
    let names = row.field_names.as_array().into_iter().flatten();
    Credential {
        id: row.id,
        user_id: row.user_id,
        mcp_type: row.mcp_type.clone(),
        name: row.name.clone(),
        hint: row.hint.clone(),
        field_names: names.filter_map(|name| name.as_str().map(Into::into)).collect(),
        key_id: row.key_id.clone(),
        unreadable: unreadable(call, row),
        expires_at: row.expires_at,
        on_expiry: OnExpiry::from_name(&row.on_expiry).unwrap_or_default(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_way_a_field_can_be_wrong_has_its_own_code_and_no_value_is_repeated() {
        let definition = TypeDefinition::from_toml(
            "name = 'x'\ndisplay_name = 'X'\ncommand = 'node'\n[credential_fields]\nrequired = ['api_key']\n\
             optional = ['size']\nfield_types = { size = 'number' }\n",
        )
        .unwrap();
        let check = |fields: Value| {
            let Value::Object(fields) = fields else { unreachable!("every case is an object") };
            checked(fields, &definition).map(|fields| fields.names())
        };
        assert_eq!(check(json!({"api_key": "k", "size": 2})).unwrap(), ["api_key", "size"]);
        for (fields, code, pointer) in [
            (json!({}), Code::CredentialFieldMissing, "/fields/api_key"),
            (json!({"api_key": "k", "other": "s3cret"}), Code::CredentialFieldUnknown, "/fields/other"),
            (json!({"api_key": "k", "size": "s3cret"}), Code::CredentialFieldInvalid, "/fields/size"),
            (json!({"api_key": ""}), Code::CredentialFieldInvalid, "/fields/api_key"),
        ] {
            let problem = check(fields).unwrap_err();
            assert_eq!(problem.code(), code);
            let document = problem.document();
            assert_eq!(document.errors[0].pointer, pointer);
            assert!(!json!(document).to_string().contains("s3cret"));
        }
    }
}
