//! What instances are made from has changed: their next run is by what is now.

use minimcp_actors::state::Command;
use minimcp_entities::{mcp_credential, mcp_type};
use slog::warn;

use super::{Instances, requirements};
use crate::problem::Problem;

impl Instances {
    /// The type has a new recipe: the next run of each of its instances is by it.
    pub(crate) async fn renew_type(&self, mcp_type: &mcp_type::Model) -> Result<(), Problem> {
        for id in requirements::of_type(&self.store, &mcp_type.name).await? {
            let row = self.store.instance(id, None).await?;
            let credential = match row.credential_id {
                Some(id) => Some(self.store.credential(id, None).await?),
                None => None,
            };
            self.admit(&row, &mcp_type.mcp_path);
            let amended = match self.provisioner.spec(&row, mcp_type, credential.as_ref()) {
                Ok(spec) => self.supervision.amend(spec).await.map_err(|refused| refused.to_string()),
                Err(unfit) => Err(unfit.to_string()),
            };
            if let Err(reason) = amended {
                warn!(self.log, "an instance keeps the recipe that its type had"; "instance" => %id, "reason" => reason);
            }
        }
        Ok(())
    }

    /// The instance has new credentials: its next run uses them, and one that runs is replaced now.
    pub(crate) async fn renew_credential(&self, credential: &mcp_credential::Model) -> Result<(), Problem> {
        for id in requirements::with_credential(&self.store, credential.id).await? {
            let row = self.store.instance(id, None).await?;
            let mcp_type = self.store.type_named(&row.mcp_type).await?;
            self.supervision.amend(self.provisioner.spec(&row, &mcp_type, Some(credential))?).await?;
            let lives = self.supervision.registry().get(id).is_some_and(|snapshot| snapshot.pid.is_some());
            if lives && let Err(refused) = self.supervision.order(id, Command::Restart).await {
                warn!(self.log, "an instance keeps its old credentials until its next run"; "instance" => %id, "reason" => %refused);
            }
        }
        Ok(())
    }
}
