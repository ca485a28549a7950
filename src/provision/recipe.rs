//! The planner of one instance.

use std::sync::Arc;

use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner};
use minimcp_entities::mcp_credential;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Ground, home_dir, log_dir, preload};
use crate::catalog::TypeDefinition;
use crate::catalog::credentials::Credentials;
use crate::catalog::plan::{Host, Subject, plan};
use crate::catalog::program::locate;
use crate::vault::{Scope, Vault};

/// What to execute for one instance, built anew at each launch.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) ground: Arc<Ground>,
    pub(super) user_id: Uuid,
    pub(super) definition: Arc<TypeDefinition>,
    pub(super) config: Map<String, Value>,
    pub(super) credential: Option<Sealed>,
    pub(super) debug: bool,
}

/// A credential set as the store keeps it.
pub(super) struct Sealed {
    id: Uuid,
    user_id: Uuid,
    mcp_type: String,
    version: i64,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sealed").field(&self.id).field(&self.version).finish()
    }
}

impl Sealed {
    pub(super) fn of(row: &mcp_credential::Model) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            mcp_type: row.mcp_type.clone(),
            version: row.version,
            bytes: row.sealed.clone(),
        }
    }

    fn open(&self, vault: &Vault) -> Result<Credentials, NoPlan> {
        let scope = Scope::credential(self.user_id, &self.id, &self.mcp_type, self.version);
        let opened = vault.open(&scope, &self.bytes);
        let json = opened.map_err(|error| NoPlan(format!("the credentials cannot be opened: {error}")))?;
        Credentials::from_json(&json).map_err(|error| NoPlan(error.to_string()))
    }
}

impl Planner for Recipe {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        let ground = &self.ground;
        let program = locate(&self.definition, &ground.places);
        let program = program.map_err(|missing| NoPlan(missing.to_string()))?;
        let credentials = match &self.credential {
            Some(sealed) => Some(sealed.open(&ground.vault)?),
            None => None,
        };
        let subject = Subject {
            user_id: self.user_id,
            definition: &self.definition,
            config: &self.config,
            credentials: credentials.as_ref(),
            debug: self.debug,
        };
        let host = Host {
            program,
            servers_dir: ground.places.servers_dir.clone(),
            search_path: ground.places.search_path.clone(),
            home: home_dir(&ground.data_dir, launch.id),
            log_dir: log_dir(&ground.data_dir, self.user_id, launch.id, &self.definition.name),
            preload: preload(&ground.data_dir),
        };
        plan(&subject, &host, launch).map_err(|error| NoPlan(error.to_string()))
    }
}
