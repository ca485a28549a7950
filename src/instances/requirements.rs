//! What a new instance needs to be there: its type, a program for it, and a credential set that fits. Each
//! thing that is missing has a code of its own.

use chrono::{DateTime, SecondsFormat, Utc};
use minimcp_entities::{mcp_credential, mcp_type};
use uuid::Uuid;

use crate::api::instance::{CreateInstance, DeclaredLimits};
use crate::catalog::{self, ResourceLimits, TypeDefinition};
use crate::expiry::OnExpiry;
use crate::problem::{Code, Problem};
use crate::provision::Provisioner;
use crate::store::{InstanceFilter, Noun, PageRequest, Store, StoreError};

/// What an instance is made from.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) mcp_type: mcp_type::Model,
    pub(super) credential: Option<mcp_credential::Model>,
}

/// Everything the request needs, found and checked.
pub(super) async fn of(
    store: &Store,
    provisioner: &Provisioner,
    user_id: Uuid,
    request: &CreateInstance,
) -> Result<Recipe, Problem> {
    let mcp_type = store.type_named(&request.mcp_type).await.map_err(|error| match error {
        StoreError::NotFound(_) => Problem::at(
            Code::UnknownType,
            "/mcp_type",
            "there is no type of this name; `GET /v1/types` lists them",
        ),
        error => error.into(),
    })?;
    let definition = TypeDefinition::from_row(&mcp_type)?;
    let credential = credential(store, user_id, request, &definition).await?;
    let wishes = request.config.clone().unwrap_or_default();
    catalog::config::merge(&definition, &wishes)
        .map_err(|invalid| Problem::invalid(Code::InvalidConfig, invalid))?;
    within(definition.resource_limits, request.limits.unwrap_or_default())?;
    let provisioner = provisioner.clone();
    let located = tokio::task::spawn_blocking(move || provisioner.look_for_program(&definition)).await;
    located.map_err(|error| Problem::internal(&error))??;
    Ok(Recipe { mcp_type, credential })
}

async fn credential(
    store: &Store,
    user_id: Uuid,
    request: &CreateInstance,
    definition: &TypeDefinition,
) -> Result<Option<mcp_credential::Model>, Problem> {
    const POINTER: &str = "/credential_id";
    let Some(id) = request.credential_id else {
        let required = &definition.credential_fields.required;
        if required.is_empty() {
            return Ok(None);
        }
        let detail = format!(
            "this type needs a credential set with {}; make one with `POST /v1/credentials`",
            required.join(", ")
        );
        return Err(Problem::at(Code::CredentialRequired, POINTER, detail));
    };
    let row = store.credential(id, Some(user_id)).await.map_err(|error| match error {
        StoreError::NotFound(Noun::Credential) => Problem::at(
            Code::UnknownCredential,
            POINTER,
            "you have no credential set with this id; `GET /v1/credentials` lists yours",
        ),
        error => error.into(),
    })?;
    if row.mcp_type != definition.name {
        let detail = format!("this credential set is for the type {}", row.mcp_type);
        return Err(Problem::at(Code::CredentialTypeMismatch, POINTER, detail));
    }
    refuse_expired(&row, Utc::now())?;
    Ok(Some(row))
}

/// No run is begun by request with credentials that have expired, unless their owner is only to be warned.
pub(super) fn refuse_expired(row: &mcp_credential::Model, now: DateTime<Utc>) -> Result<(), Problem> {
    let only_warned = OnExpiry::from_name(&row.on_expiry) == Some(OnExpiry::Warn);
    match row.expires_at.filter(|at| *at <= now && !only_warned) {
        Some(at) => Err(Problem::new(
            Code::CredentialExpired,
            format!(
                "the credential set {} expired at {}; replace its fields with `PUT /v1/credentials/{}`",
                row.name,
                at.to_rfc3339_opts(SecondsFormat::Secs, true),
                row.id
            ),
        )),
        None => Ok(()),
    }
}

/// An instance may be bound tighter than its type, never looser.
fn within(of_type: ResourceLimits, own: DeclaredLimits) -> Result<(), Problem> {
    let pairs = [
        ("max_memory_mb", of_type.max_memory_mb, own.max_memory_mb),
        ("max_cpu_percent", of_type.max_cpu_percent, own.max_cpu_percent),
        ("max_processes", of_type.max_processes, own.max_processes),
    ];
    for (name, allowed, wanted) in pairs {
        if let (Some(allowed), Some(wanted)) = (allowed, wanted)
            && wanted > allowed
        {
            let detail = format!("the type allows at most {allowed}");
            return Err(Problem::at(Code::InvalidLimits, format!("/limits/{name}"), detail));
        }
    }
    Ok(())
}

/// The instances that run with this credential set.
pub(super) async fn with_credential(store: &Store, id: Uuid) -> Result<Vec<Uuid>, Problem> {
    ids(store, InstanceFilter { credential_id: Some(id), ..InstanceFilter::default() }).await
}

/// The instances of this type.
pub(super) async fn of_type(store: &Store, name: &str) -> Result<Vec<Uuid>, Problem> {
    ids(store, InstanceFilter { mcp_type: Some(name.to_owned()), ..InstanceFilter::default() }).await
}

async fn ids(store: &Store, filter: InstanceFilter) -> Result<Vec<Uuid>, Problem> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.instances(&filter, &PageRequest::new(Some(500), cursor.as_deref())?).await?;
        ids.extend(page.items.iter().map(|row| row.id));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(ids),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_limits_may_be_tighter_but_not_looser() {
        let of_type = ResourceLimits { max_memory_mb: Some(512), ..ResourceLimits::default() };
        let own =
            |memory, cpu| DeclaredLimits { max_memory_mb: memory, max_cpu_percent: cpu, max_processes: None };
        assert!(within(of_type, own(Some(512), Some(10_000))).is_ok());
        assert!(within(of_type, own(None, None)).is_ok());
        let problem = within(of_type, own(Some(513), None)).unwrap_err();
        assert_eq!(problem.code(), Code::InvalidLimits);
        assert_eq!(problem.document().errors[0].pointer, "/limits/max_memory_mb");
    }
}
