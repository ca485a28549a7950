//! Making an instance: everything checked, then the row, then the process. Whatever is refused on the way is
//! taken back whole.

use std::time::Duration;

use chrono::Utc;
use minimcp_actors::message::Refused;
use minimcp_actors::snapshot::Snapshot;
use minimcp_actors::state::{Cause, Status};
use minimcp_entities::mcp_instance;
use slog::error;
use uuid::Uuid;

use super::lease::{self, Wish};
use super::{Instances, requirements};
use crate::api::instance::{CreateInstance, CreatedInstance, LastExit};
use crate::problem::{Code, Problem};
use crate::store::{Conflict, Desired, NewInstance, Remembered, StoreError};
use crate::traces;
use crate::vault::TokenKind;

/// How long a caller waits for a server to run before the answer says how far it got.
const PATIENCE: Duration = Duration::from_secs(120);

/// Remembers the answer to a request that creates, as the store keeps it.
pub(crate) type Remember<'a> = &'a (dyn Fn(&CreatedInstance) -> Result<Option<Remembered>, Problem> + Sync);

impl Instances {
    /// Makes an instance and starts it. With `wait`, answers once it runs; if its first start fails, the
    /// instance is gone again and the problem says why.
    pub(crate) async fn create(
        &self,
        user_id: Uuid,
        request: CreateInstance,
        wait: bool,
        remember: Remember<'_>,
    ) -> Result<CreatedInstance, Problem> {
        let now = Utc::now();
        let wish = Wish { minutes: request.expiration_minutes, at: request.expires_at };
        let expires_at = lease::end(wish, Some(self.settings.default_lease), self.settings.max_lease, now)?;
        let recipe = requirements::of(&self.store, &self.provisioner, user_id, &request).await?;
        let minted = self.vault.mint(TokenKind::Instance)?;
        let new = NewInstance {
            id: Uuid::now_v7(),
            user_id,
            mcp_type: request.mcp_type,
            credential_id: request.credential_id,
            name: request.name,
            config: request.config.unwrap_or_default().into(),
            debug: request.debug.unwrap_or(false),
            restart: request.restart.map(|rules| serde_json::json!(rules)),
            limits: request.limits.map(|limits| serde_json::json!(limits)),
            idle_timeout_seconds: request.idle_timeout_seconds,
            token_hash: minted.hash,
            created_at: now,
            expires_at,
        };
        let row = new.row();
        let spec = self.provisioner.spec(&row, &recipe.mcp_type, recipe.credential.as_ref())?;
        let access_token = minted.token.expose().to_owned();
        let promised = CreatedInstance { instance: self.shown(&row), access_token: access_token.clone() };

        let answer = remember(&promised)?;
        let key = answer.as_ref().map(|answer| answer.key.clone());
        let row = self.store.create_instance(&new, self.settings.quota, answer).await?;
        self.admit(&row, &recipe.mcp_type.mcp_path);
        traces::leads_to_start_of(row.id);
        if let Err(refused) = self.supervision.create(spec).await {
            self.undo(&row, key.as_deref()).await;
            return Err(refused.into());
        }
        if self.is_unwanted(row.id).await {
            self.access.revoke(row.id);
            match self.supervision.remove(row.id).await {
                Ok(()) | Err(Refused::Unknown(_)) => return Err(Conflict::BeingDeleted.into()),
                Err(refused) => return Err(refused.into()),
            }
        }
        if wait {
            self.first_start(&row, key.as_deref()).await?;
        }
        Ok(CreatedInstance { instance: self.shown(&row), access_token })
    }

    /// Whether it was deleted, perhaps with its owner, before there was anything to end.
    async fn is_unwanted(&self, id: Uuid) -> bool {
        match self.store.instance(id, None).await {
            Ok(row) => row.desired == Desired::Deleted.as_str(),
            Err(StoreError::NotFound(_)) => true,
            // Whoever deletes it finds it under supervision from now on.
            Err(_) => false,
        }
    }

    /// Waits for the first run to be ready. If it fails instead, the instance is taken back.
    async fn first_start(&self, row: &mcp_instance::Model, key: Option<&str>) -> Result<(), Problem> {
        let settled = |snapshot: &Snapshot| {
            snapshot.status == Status::Running || snapshot.status.is_ended() || snapshot.last_exit.is_some()
        };
        let Some((snapshot, _)) = self.supervision.wait_until(row.id, PATIENCE, settled).await else {
            return Err(Problem::no_instance());
        };
        let failed = snapshot.status != Status::Running
            && (snapshot.last_exit.is_some()
                || matches!(snapshot.status, Status::Failed | Status::Disconnected));
        if !failed {
            return Ok(());
        }
        self.access.revoke(row.id);
        match self.supervision.remove(row.id).await {
            Ok(()) | Err(Refused::Unknown(_)) => {}
            Err(refused) => return Err(refused.into()),
        }
        self.undo(row, key).await;
        Err(start_failed(&snapshot))
    }

    /// Forgets an instance that never came to be, and the answer that was promised for it.
    async fn undo(&self, row: &mcp_instance::Model, key: Option<&str>) {
        self.access.revoke(row.id);
        let forgotten = match key {
            Some(key) => self.store.forget_answer(row.user_id, key).await,
            None => Ok(()),
        };
        if let Err(error) = forgotten.and(self.store.delete_instance(row.id).await) {
            // It is wanted running, so the next daemon would start it; the log says that somebody should look.
            error!(self.log, "an instance that was refused could not be taken back"; "instance" => %row.id, "error" => %error);
        }
        self.clear_files(row).await;
    }
}

/// Why the first run of an instance did not become ready.
fn start_failed(snapshot: &Snapshot) -> Problem {
    let last = snapshot.last_exit.as_ref().map(LastExit::from);
    let code = match snapshot.last_exit.as_ref().map(|last| last.cause) {
        Some(Cause::StartTimeout) => Code::NeverReady,
        _ => Code::StartFailed,
    };
    let detail =
        snapshot.last_exit.as_ref().map(|last| last.detail.as_str()).filter(|detail| !detail.is_empty());
    let ended = match last.as_ref().map(|last| (last.code, last.signal)) {
        Some((Some(code), _)) => format!("it ended with exit code {code}"),
        Some((None, Some(signal))) => format!("it was ended by signal {signal}"),
        _ => "it never ran".into(),
    };
    let reason = match code {
        Code::NeverReady => "the server was not ready in time",
        _ => detail.unwrap_or("the server ended before it was ready"),
    };
    let tail = last.map(|last| last.stderr_tail).filter(|tail| !tail.trim().is_empty());
    let wrote = tail.map_or_else(String::new, |tail| format!("; it last wrote to stderr: {}", tail.trim()));
    Problem::new(code, format!("{reason}; {ended}; the instance was removed{wrote}"))
}
