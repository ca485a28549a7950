//! From rows to what the supervisor can run: the rules an instance lives by, how its health is seen, and a
//! planner that builds each launch.
//!
//! The planner keeps the credentials sealed and opens them at each launch on the launching thread, so a
//! restart needs no store and no secret lies open in memory between two launches.

mod recipe;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use minimcp_actors::launch::{Probe, Spec};
use minimcp_actors::policy::{self, Budget, Policy, Timing};
use minimcp_entities::{mcp_credential, mcp_instance, mcp_type};
use serde_json::Value;
use uuid::Uuid;

use crate::api::instance::{DeclaredLimits, RestartPolicy, RestartRules};
use crate::audit::Trail;
use crate::bootstrap::write_private;
use crate::catalog::plan::PRELOAD;
use crate::catalog::program::{Missing, Places, locate};
use crate::catalog::{
    CredentialsExposure, HealthCheck, HealthKind, Lane, ResourceLimits, TypeDefinition, Unreadable,
};
use crate::config::Settings;
use crate::packages::Packages;
use crate::stdio::Note;
use crate::vault::Vault;
use recipe::{Recipe, Sealed};

/// Why rows cannot be made into something to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// The stored type cannot be read.
    #[error(transparent)]
    Type(#[from] Unreadable),
    /// The stored instance cannot be read.
    #[error("column {0} of the stored instance cannot be read")]
    Instance(&'static str),
    /// The rules are out of range.
    #[error(transparent)]
    Rules(#[from] policy::Invalid),
}

/// Makes specifications. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Provisioner(Arc<Ground>);

/// What is the same for every instance.
#[derive(Debug)]
struct Ground {
    vault: Vault,
    trail: Trail,
    places: Places,
    packages: Packages,
    data_dir: PathBuf,
    grace: Duration,
    most_tasks: u32,
    /// The definition of each type as it was last read, for all of its instances.
    definitions: DashMap<String, (DateTime<Utc>, Arc<TypeDefinition>)>,
}

impl Provisioner {
    /// A provisioner for the daemon with these settings. Whenever a launch opens credentials, `trail` has it
    /// first. `search_path` is what servers get as their `PATH`. Has to be called within a runtime, which installs
    /// packages.
    ///
    /// # Errors
    /// If the data directory cannot be written into.
    pub fn new(settings: &Settings, vault: Vault, trail: Trail, search_path: String) -> io::Result<Self> {
        let file = preload(&settings.data_dir);
        write_private(&file, PRELOAD)?;
        // It holds no secret, and servers run as other users.
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        let (node, servers_dir) = (settings.node.clone(), settings.servers_dir.clone());
        let packages_dir = settings.data_dir.join("packages");
        let places = Places { node, servers_dir, search_path, packages_dir };
        let packages = Packages::open(&settings.packages, places.clone(), trail.clone())?;
        Ok(Self(Arc::new(Ground {
            vault,
            trail,
            places,
            packages,
            data_dir: settings.data_dir.clone(),
            grace: settings.grace,
            most_tasks: settings.max_processes,
            definitions: DashMap::new(),
        })))
    }

    /// What is installed for types that name a package.
    #[must_use]
    pub fn packages(&self) -> &Packages {
        &self.0.packages
    }

    /// Instances of one type share its definition.
    fn definition(&self, row: &mcp_type::Model) -> Result<Arc<TypeDefinition>, Unreadable> {
        let known = self.0.definitions.get(&row.name).map(|known| known.value().clone());
        if let Some((_, definition)) = known.filter(|(at, _)| *at == row.updated_at) {
            return Ok(definition);
        }
        let definition = Arc::new(TypeDefinition::from_row(row)?);
        self.0.definitions.insert(row.name.clone(), (row.updated_at, Arc::clone(&definition)));
        Ok(definition)
    }

    /// What the supervisor has to know about the instance.
    ///
    /// # Errors
    /// [`ProvisionError`] if the rows do not hold what this program wrote.
    pub fn spec(
        &self,
        instance: &mcp_instance::Model,
        mcp_type: &mcp_type::Model,
        credential: Option<&mcp_credential::Model>,
    ) -> Result<Spec, ProvisionError> {
        let definition = self.definition(mcp_type)?;
        let config = match &instance.config {
            Value::Object(config) => config.clone(),
            _ => return Err(ProvisionError::Instance("config")),
        };
        let restart = column("restart", instance.restart.as_ref())?;
        let limits = column("limits", instance.limits.as_ref())?;
        let probe = probe(&definition);
        let policy = policy(&definition, restart, limits, self.0.grace, self.0.most_tasks)?;
        let planner = Recipe {
            ground: Arc::clone(&self.0),
            user_id: instance.user_id,
            definition,
            config,
            credential: credential.map(Sealed::of),
            debug: instance.debug,
        };
        Ok(Spec {
            id: instance.id,
            owner: instance.user_id,
            kind: instance.mcp_type.as_str().into(),
            policy,
            probe,
            lease_ends_at: Some(instance.expires_at),
            part_of: None,
            idle_after: instance
                .idle_timeout_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            planner: Arc::new(planner),
        })
    }

    /// Whether a type has a program on this machine, or one that an instance may wait for. Looks at files, so it
    /// may block.
    ///
    /// # Errors
    /// [`Missing`] says what is not there.
    pub fn look_for_program(&self, definition: &TypeDefinition) -> Result<(), Missing> {
        match locate(definition, &self.0.places) {
            Ok(_) | Err(Missing::Package(_)) => Ok(()),
            Err(missing) => Err(missing),
        }
    }

    /// Where the credentials of an instance can be seen, if it has any. Known once the type was read for any
    /// instance, as the start of the daemon does for all.
    #[must_use]
    pub fn exposure(&self, instance: &mcp_instance::Model) -> Option<CredentialsExposure> {
        instance.credential_id?;
        self.0.definitions.get(&instance.mcp_type).map(|known| known.1.exposure())
    }

    /// Where the logs of an instance lie.
    #[must_use]
    pub fn log_dir(&self, user_id: Uuid, id: Uuid, mcp_type: &str) -> PathBuf {
        log_dir(&self.0.data_dir, user_id, id, mcp_type)
    }

    /// Where the server of an instance may write.
    #[must_use]
    pub fn home_dir(&self, id: Uuid) -> PathBuf {
        home_dir(&self.0.data_dir, id)
    }
}

fn log_dir(data_dir: &Path, user_id: Uuid, id: Uuid, mcp_type: &str) -> PathBuf {
    data_dir.join("logs/users").join(format!("user_{user_id}")).join(format!("mcp_{id}_{mcp_type}"))
}

fn home_dir(data_dir: &Path, id: Uuid) -> PathBuf {
    data_dir.join("run").join(id.to_string())
}

/// Where the file lies that Node runs before a server that finds its credentials sealed.
fn preload(data_dir: &Path) -> PathBuf {
    data_dir.join("preload.cjs")
}

fn column<T: serde::de::DeserializeOwned + Default>(
    name: &'static str,
    value: Option<&Value>,
) -> Result<T, ProvisionError> {
    match value {
        None => Ok(T::default()),
        Some(value) => T::deserialize(value).map_err(|_| ProvisionError::Instance(name)),
    }
}

/// How the health of a type's servers is seen.
pub(crate) fn probe(definition: &TypeDefinition) -> Probe {
    if definition.lane == Lane::Stdio {
        return Probe::Pipes { note: Note::of(definition).to_text() };
    }
    let HealthCheck { kind, endpoint, .. } = &definition.health_check;
    match kind {
        HealthKind::Http => Probe::Http { path: endpoint.clone().unwrap_or_else(|| "/health".to_owned()) },
        HealthKind::Mcp => Probe::Mcp { path: definition.mcp_path.clone() },
        HealthKind::Tcp | HealthKind::Process => Probe::Tcp,
    }
}

/// The rules of an instance: the type's, and where they are tighter or other, its own.
///
/// # Errors
/// [`policy::Invalid`] if a value is out of range.
pub(crate) fn policy(
    definition: &TypeDefinition,
    restart: RestartRules,
    limits: DeclaredLimits,
    grace: Duration,
    most_tasks: u32,
) -> Result<Policy, policy::Invalid> {
    let default = Policy::default();
    let health = &definition.health_check;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let timing = Timing {
        start_timeout: seconds(health.start_timeout_seconds),
        probe_interval: seconds(health.interval_seconds),
        probe_timeout: seconds(health.timeout_seconds),
        grace,
        ..default.timing
    };
    let crashes = Budget::new(
        restart.intensity.unwrap_or(default.crashes.intensity()),
        restart.period_seconds.map_or(default.crashes.period(), seconds),
    )?;
    let policy = Policy {
        restart: match restart.policy {
            None | Some(RestartPolicy::Permanent) => policy::RestartPolicy::Permanent,
            Some(RestartPolicy::Transient) => policy::RestartPolicy::Transient,
            Some(RestartPolicy::Temporary) => policy::RestartPolicy::Temporary,
        },
        crashes,
        timing,
        limits: tighter(definition.resource_limits, limits, most_tasks),
        overlap: !definition.stateful,
        ..default
    };
    policy.checked()
}

fn tighter(of_type: ResourceLimits, own: DeclaredLimits, most_tasks: u32) -> policy::Limits {
    let least = |one: Option<u32>, other: Option<u32>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    policy::Limits {
        memory_bytes: least(of_type.max_memory_mb, own.max_memory_mb).map(|mib| u64::from(mib) << 20),
        cpu_percent: least(of_type.max_cpu_percent, own.max_cpu_percent),
        // Always bounded: what forks for ever harms everybody.
        tasks: least(Some(of_type.max_processes.unwrap_or(most_tasks)), own.max_processes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> TypeDefinition {
        TypeDefinition::from_toml(
            "name = 'x'\ndisplay_name = 'X'\ncommand = 'node'\n\
             [resource_limits]\nmax_memory_mb = 512\n[health_check]\ninterval_seconds = 7\n",
        )
        .unwrap()
    }

    #[test]
    fn the_tighter_limit_of_type_and_instance_holds() {
        let own =
            DeclaredLimits { max_memory_mb: Some(1_024), max_cpu_percent: Some(50), max_processes: None };
        let policy = policy(&definition(), RestartRules::default(), own, Duration::from_secs(3), 64).unwrap();
        assert_eq!(policy.limits.memory_bytes, Some(512 << 20));
        assert_eq!(policy.limits.cpu_percent, Some(50));
        assert_eq!(policy.limits.tasks, Some(64));
        assert_eq!(policy.timing.grace, Duration::from_secs(3));
        assert_eq!(policy.timing.probe_interval, Duration::from_secs(7));
        assert_eq!(policy.crashes, Policy::default().crashes);
    }

    #[test]
    fn servers_that_keep_state_are_never_two_at_once() {
        for stateful in [false, true] {
            let definition = TypeDefinition { stateful, ..definition() };
            let rules = (RestartRules::default(), DeclaredLimits::default());
            let policy = policy(&definition, rules.0, rules.1, Duration::ZERO, 64).unwrap();
            assert_eq!(policy.overlap, !stateful);
        }
    }

    #[test]
    fn own_restart_rules_replace_the_default_ones() {
        let rules = RestartRules {
            policy: Some(RestartPolicy::Temporary),
            intensity: Some(1),
            period_seconds: Some(10),
        };
        let policy = policy(&definition(), rules, DeclaredLimits::default(), Duration::ZERO, 64).unwrap();
        assert_eq!(policy.restart, policy::RestartPolicy::Temporary);
        assert_eq!((policy.crashes.intensity(), policy.crashes.period()), (1, Duration::from_secs(10)));
    }

    #[test]
    fn servers_that_speak_over_standard_streams_are_asked_there() {
        let mut definition = definition();
        assert_eq!(probe(&definition), Probe::Http { path: "/health".into() });
        definition.lane = Lane::Stdio;
        assert!(probe(&definition).is_piped() && !probe(&definition).needs_port());
    }
}
