//! What callers do with instances. What is wanted is written down before it is done and before it is
//! answered, so a crash at any moment leaves either nothing or something the next daemon carries out.

pub(crate) mod client_config;
mod creation;
pub(crate) mod diagnosis;
mod installing;
mod lease;
pub(crate) mod logs;
mod renewal;
mod requirements;
pub(crate) mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use minimcp_actors::Supervision;
use minimcp_actors::message::Refused;
use minimcp_actors::state::{Command, Status};
use minimcp_entities::mcp_instance;
use slog::{Logger, error, warn};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::api::Page;
use crate::api::client_config::{ClientConfig, McpClient};
use crate::api::diagnosis::Diagnosis;
use crate::api::instance::{AccessToken, ExtendLease, Instance};
use crate::archive::Archives;
use crate::catalog::TypeDefinition;
use crate::catalog::plan::output_of;
use crate::config::Settings;
use crate::expiry::Bell;
use crate::gateway::{AccessTable, Grant};
use crate::packages::Packages;
use crate::problem::{Code, Problem};
use crate::provision::{self, Provisioner};
use crate::store::{Cursor, Desired, InstanceFilter, PageRequest, Store, StoreError};
use crate::traces;
use crate::vault::{TokenHash, TokenKind, Vault};
use lease::Wish;

/// Everything that is done with instances. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Instances {
    settings: Arc<Settings>,
    store: Store,
    vault: Vault,
    provisioner: Provisioner,
    supervision: Supervision,
    access: Arc<AccessTable>,
    bell: Bell,
    archives: Archives,
    /// Replacements under way at once.
    replacing: Arc<Semaphore>,
    log: Logger,
}

/// Each replacement is a second process for a while, so there are not many at once.
const REPLACEMENTS: usize = 2;

impl Instances {
    /// The service over these parts.
    #[must_use]
    pub fn new(
        settings: Arc<Settings>,
        store: Store,
        vault: Vault,
        provisioner: Provisioner,
        supervision: Supervision,
        access: Arc<AccessTable>,
        log: Logger,
    ) -> Self {
        let (bell, replacing) = (Bell::default(), Arc::new(Semaphore::new(REPLACEMENTS)));
        let archives = Archives::new(&settings.data_dir, settings.logs.retention, settings.logs.quota);
        Self { settings, store, vault, provisioner, supervision, access, bell, archives, replacing, log }
    }

    /// Where the logs of instances that are over lie.
    #[must_use]
    pub fn archives(&self) -> &Archives {
        &self.archives
    }

    /// What is installed for types that name a package.
    #[must_use]
    pub fn packages(&self) -> &Packages {
        self.provisioner.packages()
    }

    /// How the owner of the reminders hears of credential sets, and others of reminders.
    #[must_use]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Lets the holders of the instance's tokens in at the gateway. For every stored instance at the start of
    /// the daemon; the service itself does it from then on.
    pub fn admit(&self, row: &mcp_instance::Model, mcp_path: &str) {
        let Ok(token) = TokenHash::try_from(row.token_hash.as_slice()) else {
            error!(self.log, "a stored token hash has the wrong length"; "instance" => %row.id);
            return;
        };
        let previous = row.previous_token_hash.as_deref().and_then(|hash| TokenHash::try_from(hash).ok());
        let previous = previous.zip(row.previous_token_until);
        self.access.grant(row.id, Grant { token, previous, mcp_path: mcp_path.into() });
    }

    /// One instance of the owner, or of anybody with `None`.
    pub(crate) async fn get(&self, id: Uuid, owner: Option<Uuid>) -> Result<Instance, Problem> {
        Ok(self.shown(&self.store.instance(id, owner).await?))
    }

    /// The instance with this row as it stands.
    pub(crate) fn shown(&self, row: &mcp_instance::Model) -> Instance {
        let snapshot = self.supervision.registry().get(row.id);
        let route = self.supervision.routes().get(row.id);
        let exposure = self.provisioner.exposure(row);
        Instance {
            credentials_exposure: exposure,
            ..view::instance(&self.settings, row, snapshot.as_deref(), route.as_ref())
        }
    }

    /// Instances as they stand, newest first. A status is looked for in what is, not in the rows, which follow
    /// a moment behind.
    pub(crate) async fn list(
        &self,
        filter: &InstanceFilter,
        status: Option<Status>,
        page: &PageRequest,
    ) -> Result<Page<Instance>, Problem> {
        let Some(status) = status else {
            let rows = self.store.instances(filter, page).await?;
            let items = rows.items.iter().map(|row| self.shown(row)).collect();
            return Ok(Page { items, next_cursor: rows.next_cursor });
        };
        let wanted = usize::try_from(page.limit()).unwrap_or(usize::MAX);
        let (mut items, mut scanned) = (Vec::new(), page.widest());
        loop {
            let rows = self.store.instances(filter, &scanned).await?;
            for row in &rows.items {
                let instance = self.shown(row);
                if instance.status != status.into() {
                    continue;
                }
                if items.len() == wanted {
                    let last: Option<&Instance> = items.last();
                    let next_cursor = last.map(|last| Cursor::Id(last.id).text());
                    return Ok(Page { items, next_cursor });
                }
                items.push(instance);
            }
            match rows.next_cursor {
                Some(next) => scanned = PageRequest::new(None, Some(&next))?.widest(),
                None => return Ok(Page { items, next_cursor: None }),
            }
        }
    }

    /// Answers when the instance has the status, or `wait_timeout`.
    pub(crate) async fn wait(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        status: Status,
        timeout: Duration,
    ) -> Result<Instance, Problem> {
        let row = self.store.instance(id, owner).await?;
        let waited = self.supervision.wait_until(id, timeout, |snapshot| snapshot.status == status).await;
        let (snapshot, reached) = waited.ok_or_else(|| refusal(Refused::Unknown(id)))?;
        if reached {
            return Ok(self.shown(&row));
        }
        let detail = format!("it is {} ({}); `diagnose` says more", snapshot.status, snapshot.reason);
        Err(Problem::new(Code::WaitTimeout, detail))
    }

    /// Ends it and keeps the record.
    pub(crate) async fn stop(&self, id: Uuid, owner: Option<Uuid>) -> Result<Instance, Problem> {
        self.want(id, owner, Desired::Stopped, Command::Stop).await
    }

    /// Begins a new run.
    pub(crate) async fn restart(&self, id: Uuid, owner: Option<Uuid>) -> Result<Instance, Problem> {
        let row = self.store.instance(id, owner).await?;
        self.refuse_expired(&row).await?;
        self.store.request_restart(row.id, Utc::now()).await?;
        self.want(id, owner, Desired::Running, Command::Restart).await
    }

    /// Brings a disconnected instance back. The integration guide asks for 403 rather than 404 for those of
    /// others.
    pub(crate) async fn restore(&self, id: Uuid, owner: Option<Uuid>) -> Result<Instance, Problem> {
        let row = self.store.instance(id, None).await?;
        if owner.is_some_and(|owner| row.user_id != owner) {
            return Err(Problem::new(Code::Forbidden, "only its owner may restore an instance"));
        }
        self.refuse_expired(&row).await?;
        // Written down like a restart: if the daemon does not live to begin the run, the next one does.
        let present = self.supervision.registry().get(id).map(|snapshot| snapshot.status);
        if present == Some(Status::Disconnected) {
            self.store.request_restart(id, Utc::now()).await?;
        }
        self.want(id, owner, Desired::Running, Command::Restore).await
    }

    /// An instance whose credentials have expired begins no run, if its owner wants it so.
    async fn refuse_expired(&self, row: &mcp_instance::Model) -> Result<(), Problem> {
        match row.credential_id {
            Some(id) => requirements::refuse_expired(&self.store.credential(id, None).await?, Utc::now()),
            None => Ok(()),
        }
    }

    /// Writes down what the owner wants and has it done; what is refused is not wanted any more.
    async fn want(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        desired: Desired,
        command: Command,
    ) -> Result<Instance, Problem> {
        let before = Desired::of(&self.store.instance(id, owner).await?)?;
        let row = self.store.set_desired(id, desired, self.settings.quota).await?;
        traces::leads_to_start_of(id);
        if let Err(refused) = self.supervision.order(id, command).await {
            if let Err(error) = self.store.set_desired(id, before, self.settings.quota).await {
                warn!(self.log, "what a refused order had wanted could not be taken back"; "instance" => %id, "error" => %error);
            }
            return Err(refusal(refused));
        }
        Ok(self.shown(&row))
    }

    /// Moves the end of the lease.
    pub(crate) async fn extend(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        request: ExtendLease,
    ) -> Result<Instance, Problem> {
        let before = self.store.instance(id, owner).await?;
        let wish = Wish { minutes: request.expiration_minutes, at: request.expires_at };
        let at = lease::end(wish, None, self.settings.max_lease, Utc::now())?;
        let row = self.store.extend(id, at).await?;
        if let Err(refused) = self.supervision.extend(id, at).await {
            if let Err(error) = self.store.extend(id, before.expires_at).await {
                warn!(self.log, "a refused extension could not be taken back"; "instance" => %id, "error" => %error);
            }
            return Err(refusal(refused));
        }
        Ok(self.shown(&row))
    }

    /// Replaces the access token.
    pub(crate) async fn rotate_token(
        &self,
        id: Uuid,
        owner: Uuid,
        overlap: u32,
    ) -> Result<AccessToken, Problem> {
        let row = self.store.instance(id, Some(owner)).await?;
        let mcp_type = self.store.type_named(&row.mcp_type).await?;
        let minted = self.vault.mint(TokenKind::Instance)?;
        let until = (overlap > 0).then(|| Utc::now() + Duration::from_secs(overlap.into()));
        let row = self.store.replace_token(id, minted.hash, until).await?;
        self.admit(&row, &mcp_type.mcp_path);
        Ok(AccessToken {
            access_token: minted.token.expose().to_owned(),
            previous_valid_until: row.previous_token_until,
        })
    }

    /// Ends it, waits for its end and forgets it, with its credential set if that is wanted and nothing else
    /// uses it.
    pub(crate) async fn delete(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        with_credential: bool,
    ) -> Result<(), Problem> {
        let row = self.store.instance_as_stored(id, owner).await?;
        self.store.set_desired(id, Desired::Deleted, self.settings.quota).await?;
        self.finish_deletion(&row).await?;
        // A row that somebody else changed may name the credential set of another user.
        let credential = row.credential_id.filter(|_| with_credential);
        if let (Some(credential), Ok(_)) = (credential, self.store.proven(row)) {
            match self.store.delete_credential(credential).await {
                Ok(()) | Err(StoreError::Conflict { .. } | StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Carries out a deletion that was written down. For the start of the daemon, too.
    ///
    /// # Errors
    /// A problem while its process has not ended or the store is away; then it is carried out later.
    pub async fn finish_deletion(&self, row: &mcp_instance::Model) -> Result<(), Problem> {
        self.access.revoke(row.id);
        match self.supervision.remove(row.id).await {
            Ok(()) | Err(Refused::Unknown(_)) => {}
            Err(refused) => return Err(refused.into()),
        }
        self.store.delete_instance(row.id).await?;
        self.clear_files(row).await;
        Ok(())
    }

    /// Ends every instance of a user, waits for the ends and forgets them.
    pub(crate) async fn delete_all_of(&self, user_id: Uuid) -> Result<(), Problem> {
        let filter = InstanceFilter { user_id: Some(user_id), ..InstanceFilter::default() };
        loop {
            let rows = self.store.instances(&filter, &PageRequest::new(None, None)?).await?.items;
            if rows.is_empty() {
                return Ok(());
            }
            let endings = rows.into_iter().map(|row| async move {
                match self.delete(row.id, None, false).await {
                    // Its owner was faster.
                    Err(problem) if problem.code() == Code::InstanceNotFound => Ok(()),
                    ended => ended,
                }
            });
            futures::future::try_join_all(endings).await?;
        }
    }

    /// Removes what is left of the files of a user who is gone.
    pub(crate) async fn clear_files_of(&self, user_id: Uuid) {
        let of_an_instance = self.provisioner.log_dir(user_id, Uuid::nil(), "");
        let live = of_an_instance.parent().map(Path::to_owned);
        for directory in live.into_iter().chain([self.archives.of_user(user_id)]) {
            if let Err(error) = tokio::fs::remove_dir_all(directory).await
                && error.kind() != std::io::ErrorKind::NotFound
            {
                warn!(self.log, "files of a deleted user are left"; "user" => %user_id, "error" => %error);
            }
        }
    }

    async fn clear_files(&self, row: &mcp_instance::Model) {
        let logs = self.provisioner.log_dir(row.user_id, row.id, &row.mcp_type);
        let archive = self.archives.of_instance(row.user_id, row.id, &row.mcp_type);
        for directory in [output_of(&logs), logs, archive, self.provisioner.home_dir(row.id)] {
            match tokio::fs::remove_dir_all(&directory).await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    warn!(self.log, "files of a deleted instance are left"; "instance" => %row.id, "error" => %error);
                }
            }
        }
    }

    /// Where the logs of an instance of the owner lie: those it writes, and those that were put away after its end.
    pub(crate) async fn log_dirs(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
    ) -> Result<(PathBuf, PathBuf), Problem> {
        let row = self.store.instance(id, owner).await?;
        let live = self.provisioner.log_dir(row.user_id, row.id, &row.mcp_type);
        Ok((live, self.archives.of_instance(row.user_id, row.id, &row.mcp_type)))
    }

    /// What its owner pastes into a client.
    pub(crate) async fn client_config(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        client: McpClient,
    ) -> Result<ClientConfig, Problem> {
        let row = self.store.instance(id, owner).await?;
        let name = row.name.as_deref().unwrap_or(&row.mcp_type);
        Ok(client_config::of(client, name, &self.settings.access_url(id), None))
    }

    /// What is wrong with it and what to do.
    pub(crate) async fn diagnose(&self, id: Uuid, owner: Option<Uuid>) -> Result<Diagnosis, Problem> {
        let row = self.store.instance(id, owner).await?;
        let mcp_type = self.store.type_named(&row.mcp_type).await?;
        let probe = provision::probe(&TypeDefinition::from_row(&mcp_type)?);
        let instance = self.shown(&row);
        let findings = diagnosis::look(&instance, &probe).await;
        // What it used while it started says nothing of how it serves.
        let registry = self.supervision.registry();
        let since = registry.get(id).map(|snapshot| snapshot.since);
        let samples = since.map_or_else(Vec::new, |since| registry.trend(id, Some(since)));
        Ok(diagnosis::conclude(&instance, &findings, &samples))
    }
}

/// An order was refused. An instance that is stored but unknown to the supervisor is still being restored.
fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown(_) => {
            Problem::new(Code::Unavailable, "the instance is being restored; try again").retry_after(2)
        }
        refused => refused.into(),
    }
}
