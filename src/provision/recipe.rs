//! The planner of one instance.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path};
use std::sync::Arc;

use minimcp_actors::launch::{Launch, NoPlan, Plan, Planner, Wait};
use minimcp_entities::mcp_credential;
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, fstat, mkdirat, open, openat};
use rustix::io::Errno;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Ground, home_dir, log_dir, preload};
use crate::api::audit::{Actor, AuditResult};
use crate::audit::{Entry, Trail};
use crate::catalog::TypeDefinition;
use crate::catalog::credentials::Credentials;
use crate::catalog::plan::{Host, Subject, directories, plan};
use crate::catalog::program::{Missing, belongings, locate};
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
        let json = opened.map_err(|error| never(format!("the credentials cannot be opened: {error}")))?;
        Credentials::from_json(&json).map_err(never)
    }

    /// Opens the set for a launch. Nobody gets to use what is opened before the trail has it.
    fn open_for(&self, launch: &Launch, vault: &Vault, trail: &Trail) -> Result<Credentials, NoPlan> {
        let opened = self.open(vault);
        let result = if opened.is_ok() { AuditResult::Done } else { AuditResult::Failed };
        let entry = Entry::new(Actor::daemon(Some(self.user_id)), "credential.open", result)
            .about("credential", Some(&self.id.to_string()))
            .with("version", self.version)
            .with("instance_id", launch.id.to_string())
            .with("run", launch.run.0);
        let recorded = trail.record_now(entry);
        let credentials = opened?;
        recorded
            .map_err(|unavailable| NoPlan::NotNow(format!("the credentials stay closed: {unavailable}")))?;
        Ok(credentials)
    }
}

impl Planner for Recipe {
    fn plan(&self, launch: &Launch) -> Result<Plan, NoPlan> {
        let ground = &self.ground;
        let program = locate(&self.definition, &ground.places).map_err(|missing| self.not_there(&missing))?;
        let credentials = match &self.credential {
            Some(sealed) => Some(sealed.open_for(launch, &ground.vault, &ground.trail)?),
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
        let mut plan = plan(&subject, &host, launch).map_err(never)?;
        plan.reach.readable.extend(belongings(&self.definition, &ground.data_dir));
        plan.reach
            .readable
            .extend(self.definition.package.iter().map(|package| ground.places.package(package)));
        for directory in directories(&self.definition, &self.config).map_err(never)? {
            make_below(&host.home, &directory)
                .map_err(|error| NoPlan::NotNow(format!("making {}: {error}", directory.display())))?;
        }
        Ok(plan)
    }

    fn wait(&self) -> Option<Wait> {
        self.ground.packages.wait_for(self.definition.package.as_ref()?)
    }
}

impl Recipe {
    /// Why there is no program to run. A package that is not whole is installed again by the next start.
    fn not_there(&self, missing: &Missing) -> NoPlan {
        let (Some(package), Missing::Package(_)) = (&self.definition.package, missing) else {
            return never(missing);
        };
        match self.ground.packages.failure(package) {
            Some(words) => never(words),
            None => {
                self.ground.packages.forget(package);
                never(format!("{missing} any more; a restart of the instance installs it again"))
            }
        }
    }
}

/// Makes a directory below the one of an instance, for whoever that one belongs to. The server may have put links
/// there, which lead anywhere: none is followed.
fn make_below(home: &Path, directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home)?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut above = open(home, flags, Mode::empty())?;
    for part in directory.components().filter(|part| matches!(part, Component::Normal(_))) {
        let made = match mkdirat(&above, part.as_os_str(), Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let below = match openat(&above, part.as_os_str(), flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => return Ok(()),
            below => below?,
        };
        if made {
            let owner = fstat(&above)?;
            fchown(&below, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
        }
        above = below;
    }
    Ok(())
}

fn never(why: impl std::fmt::Display) -> NoPlan {
    NoPlan::Never(why.to_string())
}

#[cfg(test)]
mod tests {
    use minimcp_actors::state::Run;
    use serde_json::json;

    use super::*;
    use crate::audit::{Head, Options, Wanted};
    use crate::vault::MasterKey;

    fn vault() -> Vault {
        Vault::found(MasterKey::random().unwrap()).unwrap().0
    }

    fn sealed(vault: &Vault) -> Sealed {
        let (id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
        vault.hold(vault.new_user_key(user_id, chrono::Utc::now()).unwrap());
        let scope = Scope::credential(user_id, &id, "github", 1);
        let bytes = vault.seal(&scope, br#"{"token":"canary"}"#).unwrap();
        Sealed { id, user_id, mcp_type: "github".into(), version: 1, bytes }
    }

    fn launch() -> Launch {
        Launch { id: Uuid::now_v7(), run: Run(3), port: None, nonce: String::new() }
    }

    #[test]
    fn who_opens_credentials_is_on_record_whether_they_open_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let (vault, launch) = (vault(), launch());
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let options = Options::new(dir.path().join("audit"), vault.audit_key(), Some(Head::GENESIS), log);
        let trail = Trail::start(options).unwrap();
        let mut sealed = sealed(&vault);
        assert!(sealed.open_for(&launch, &vault, &trail).is_ok());
        // A row that was put in the place of another does not open.
        let changes: [fn(&mut Sealed); 3] =
            [|set| set.version = 2, |set| set.user_id = Uuid::nil(), |set| set.mcp_type.push('x')];
        for change in changes {
            change(&mut sealed);
            assert!(matches!(sealed.open_for(&launch, &vault, &trail), Err(NoPlan::Never(_))));
        }
        let records = trail.part(&Wanted { limit: 9, ..Wanted::default() }).unwrap().records;
        let results: Vec<AuditResult> = records.iter().rev().map(|record| record.result).collect();
        let failed = AuditResult::Failed;
        assert_eq!(results, [AuditResult::Done, failed, failed, failed]);
        let first = json!(records[3]);
        assert_eq!(first["object"], json!({"kind": "credential", "id": sealed.id}));
        assert_eq!(first["detail"], json!({"instance_id": launch.id, "run": 3, "version": 1}));
        assert!(!std::fs::read_to_string(dir.path().join("audit/audit.jsonl")).unwrap().contains("canary"));
    }

    #[test]
    fn without_a_record_the_credentials_stay_closed_for_now() {
        let vault = vault();
        let opened = sealed(&vault).open_for(&launch(), &vault, &Trail::broken());
        let Err(NoPlan::NotNow(words)) = opened else { panic!("{:?}", opened.is_ok()) };
        assert!(words.contains("audit trail cannot be written"), "{words}");
    }
}
