//! Types from the descriptions that the registry of MCP servers has: read, held against what can run here, and shown
//! with the exact command before anything is stored.

mod dangers;
mod document;
mod draft;
mod fetch;
mod mapping;
mod transport;

use sha2::{Digest, Sha256};

use crate::api::import::{ImportType, ImportedType};
use crate::problem::{Code, Problem};
use fetch::FetchError;
use mapping::{Proposal, Refusal, propose};

/// What an import would amount to. Stores nothing.
///
/// # Errors
/// A problem if it is not said what to import, if the registry does not have it, or if it cannot run here.
pub(crate) async fn look(request: &ImportType, registry: Option<&str>) -> Result<ImportedType, Problem> {
    let (value, from) = match (&request.server, &request.name) {
        (Some(server), None) => (server.clone(), None),
        (None, Some(name)) => {
            let base = registry.ok_or_else(|| {
                let detail = "no registry is configured: send the `server.json` itself in `server`, or have an \
                              administrator set `registry.url`";
                Problem::new(Code::NoRegistry, detail)
            })?;
            (fetch::fetch(base, name, request.version.as_deref()).await?, Some(base))
        }
        _ => {
            let detail = "give either `server`, a `server.json`, or `name`, that of a server in the registry";
            return Err(Problem::new(Code::InvalidBody, detail));
        }
    };
    let listed =
        document::read(&value).map_err(|invalid| Problem::invalid(Code::NotImportable, below(invalid)))?;
    if request.name.as_deref().is_some_and(|name| name != listed.document.name) {
        return Err(Problem::new(Code::RegistryFailed, "the registry answered with another server"));
    }
    let proposal = propose(&listed, request.type_name.as_deref(), from)?;
    Ok(shown(proposal))
}

/// Faults of a document have their places in it.
fn below(mut invalid: crate::catalog::Invalid) -> crate::catalog::Invalid {
    for fault in &mut invalid.faults {
        fault.pointer.insert_str(0, "/server");
    }
    invalid
}

fn shown(proposal: Proposal) -> ImportedType {
    let Proposal { definition, command, environment, dangers, warnings } = proposal;
    let text = serde_json::json!([definition, command, environment]).to_string();
    let digest = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    ImportedType {
        stored: false,
        definition,
        command,
        environment,
        dangers,
        warnings,
        digest,
        mcp_type: None,
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NotFound => Self::at(Code::NotImportable, "/name", error.to_string()),
            FetchError::Failed(_) => Self::new(Code::RegistryFailed, error.to_string()),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(invalid) => Self::invalid(Code::NotImportable, invalid),
            Refusal::Deleted | Refusal::Nothing(_) => Self::new(Code::NotImportable, refusal.to_string()),
        }
    }
}
