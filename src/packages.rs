//! Packages of npm and PyPI that types name: installed once for each version, by the daemon and not by a start, and
//! run directly from then on. A server never needs the network to begin.
//!
//! An installation happens in a directory of its own, which takes its place by one rename when it is whole, so
//! whatever ends it leaves nothing half. What is installed is told before it is there: every part of it by its hash.

mod npm;
mod pypi;
mod staging;
mod tool;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use dashmap::DashMap;
use futures::FutureExt;
use minimcp_actors::launch::Wait;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::api::audit::AuditResult;
use crate::api::mcp_type::{Installation, InstallationStatus};
use crate::audit::{Entry, Trail};
use crate::catalog::manifest::{Manifest, Resolved};
use crate::catalog::program::{Places, read_manifest};
use crate::catalog::{Package, PackageRegistry};
use crate::config::PackageSettings;
use tool::ToolError;

/// Installations under way at once: each is a download and a process that writes many files.
const AT_ONCE: usize = 2;

/// Everything that is installed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Packages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    tools: Tools,
    timeout: Duration,
    /// What is not shown to owners of instances: where things are on this machine.
    private: Vec<String>,
    trail: Trail,
    turns: Semaphore,
    runtime: Handle,
    states: DashMap<(PackageRegistry, String), watch::Sender<State>>,
}

/// How a package stands.
#[derive(Debug, Clone)]
enum State {
    Absent,
    Installing,
    Installed(Arc<Manifest>),
    /// Why, and what to do.
    Failed(Arc<str>),
}

/// The package managers.
#[derive(Debug)]
struct Tools {
    npm: PathBuf,
    python: PathBuf,
    node: PathBuf,
    search_path: String,
}

/// What an installation found and did.
#[derive(Debug)]
struct Found {
    integrity: Vec<String>,
    programs: BTreeMap<String, String>,
    python: Option<String>,
    resolved: Vec<Resolved>,
    installed_by: String,
}

/// Why a package was not installed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("there is no program {0}; install it, or say where it is in `packages.{0}`")]
    NoTool(&'static str),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("{0}")]
    Content(String),
    #[error("it is another than the type asks for: {found} instead of {wanted}")]
    Altered { wanted: String, found: String },
    #[error("{what}: {source}")]
    File { what: &'static str, source: io::Error },
    #[error("{0}")]
    Unrecorded(#[from] crate::audit::Unavailable),
}

impl Failure {
    fn file(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { what, source }
    }

    /// What its owner is told.
    fn told(&self, package: &Package, private: &[String]) -> String {
        let (lines, advice) = match self {
            Self::Tool(ToolError::Failed { output }) => {
                let lines = words::tail(output, private);
                let advice = words::advice(package, &lines);
                (lines, advice)
            }
            Self::Tool(ToolError::TimedOut) => (
                vec![self.to_string()],
                "see whether its registry is slow, or raise `packages.timeout`".to_owned(),
            ),
            Self::Content(_) | Self::Altered { .. } => (
                vec![self.to_string()],
                "look at the package before you use it, and mend the type".to_owned(),
            ),
            Self::NoTool(_)
            | Self::Tool(ToolError::Spawn { .. })
            | Self::File { .. }
            | Self::Unrecorded(_) => {
                (words::tail(&self.to_string(), private), "an administrator has to mend that".to_owned())
            }
        };
        format!(
            "{package} could not be installed: {}; {advice}; a restart of the instance or `minimcp types install` \
             tries again",
            lines.join(" | ")
        )
    }
}

impl Tools {
    fn npm(&self) -> Result<PathBuf, Failure> {
        tool::found(&self.npm, &self.search_path).ok_or(Failure::NoTool("npm"))
    }

    fn python(&self) -> Result<PathBuf, Failure> {
        tool::found(&self.python, &self.search_path).ok_or(Failure::NoTool("python"))
    }

    /// The search path with the directory of our Node first.
    fn path_with_node(&self) -> OsString {
        let node = self.node.parent().filter(|parent| parent.is_absolute());
        let mut path = node.map_or_else(OsString::new, |node| node.as_os_str().to_owned());
        if !path.is_empty() && !self.search_path.is_empty() {
            path.push(":");
        }
        path.push(&self.search_path);
        path
    }
}

impl Packages {
    /// Everything that is installed below `places.packages_dir`. What an earlier daemon did not finish is removed.
    /// Has to be called within a runtime, which then does the work.
    ///
    /// # Errors
    /// If the directory cannot be made or read.
    pub fn open(settings: &PackageSettings, places: Places, trail: Trail) -> io::Result<Self> {
        staging::open(&places.packages_dir)?;
        let states = DashMap::new();
        for registry in [PackageRegistry::Npm, PackageRegistry::Pypi] {
            for (name, directory) in staging::directories(&places.packages_dir.join(registry.as_str()))? {
                if let Some(manifest) = read_manifest(&directory) {
                    let state = State::Installed(Arc::new(manifest));
                    states.insert((registry, name), watch::Sender::new(state));
                }
            }
        }
        let tools = Tools {
            npm: settings.npm.clone(),
            python: settings.python.clone(),
            node: places.node.clone(),
            search_path: places.search_path.clone(),
        };
        let home = std::env::var("HOME").unwrap_or_default();
        let private = vec![places.packages_dir.display().to_string(), home];
        let (timeout, turns, runtime) = (settings.timeout, Semaphore::new(AT_ONCE), Handle::current());
        Ok(Self(Arc::new(Inner { places, tools, timeout, private, trail, turns, runtime, states })))
    }

    /// What a start has to wait for, if the package is not there: its installation, which has begun with this.
    #[must_use]
    pub fn wait_for(&self, package: &Package) -> Option<Wait> {
        let mut state = self.begin(package)?;
        let over = async move {
            // An error says that nobody will tell any more, which is an end as well.
            let _ = state.wait_for(|state| !matches!(state, State::Installing)).await;
        };
        Some(Wait { words: format!("installing {package}"), over: over.boxed() })
    }

    /// Begins the installation of a package that is neither there nor under way.
    pub fn install(&self, package: &Package) {
        let _ = self.begin(package);
    }

    /// How the installation stands while the package is not there. It is the only one of this version.
    fn begin(&self, package: &Package) -> Option<watch::Receiver<State>> {
        let slot = self.0.states.entry(key(package)).or_insert_with(|| watch::Sender::new(State::Absent));
        let begins = slot.send_if_modified(|state| {
            let begins = matches!(state, State::Absent | State::Failed(_));
            if begins {
                *state = State::Installing;
            }
            begins
        });
        if matches!(*slot.borrow(), State::Installed(_)) {
            return None;
        }
        let receiver = slot.subscribe();
        drop(slot);
        if begins {
            let (packages, package) = (self.clone(), package.clone());
            self.0.runtime.spawn(async move {
                let installing = tokio::spawn(packages.clone().install_in_turn(package.clone()));
                let state = match installing.await {
                    Ok(Ok(manifest)) => State::Installed(Arc::new(manifest)),
                    Ok(Err(failure)) => State::Failed(failure.told(&package, &packages.0.private).into()),
                    Err(_) => {
                        State::Failed(format!("the installation of {package} broke off; try again").into())
                    }
                };
                packages.set(&package, state);
            });
        }
        Some(receiver)
    }

    async fn install_in_turn(self, package: Package) -> Result<Manifest, Failure> {
        // Never closed.
        let _turn = self.0.turns.acquire().await;
        let entry = |result| {
            let entry =
                Entry::by_daemon("package.install", result).with("registry", package.registry.as_str());
            entry.with("name", package.name.as_str()).with("version", package.version.as_str())
        };
        self.0.trail.record(entry(AuditResult::Begun)).await?;
        let installed = self.install_now(&package).await;
        let entry = match &installed {
            Ok(manifest) => entry(AuditResult::Done).with("integrity", manifest.integrity.join(" ")),
            Err(_) => entry(AuditResult::Failed),
        };
        // That it cannot be written is told by the trail itself.
        let _ = self.0.trail.record(entry).await;
        installed
    }

    async fn install_now(&self, package: &Package) -> Result<Manifest, Failure> {
        let Inner { places, tools, timeout, .. } = &*self.0;
        let deadline = Instant::now() + *timeout;
        let stage = staging::Stage::new(&places.packages_dir).map_err(Failure::file("making a directory"))?;
        let found = match package.registry {
            PackageRegistry::Npm => npm::install(package, stage.path(), tools, deadline).await?,
            PackageRegistry::Pypi => pypi::install(package, stage.path(), tools, deadline).await?,
        };
        let manifest = Manifest {
            registry: package.registry,
            name: package.name.clone(),
            version: package.version.clone(),
            integrity: found.integrity,
            programs: found.programs,
            python: found.python,
            resolved: found.resolved,
            installed_at: Utc::now(),
            installed_by: found.installed_by,
        };
        manifest.program(package).map_err(|missing| Failure::Content(missing.to_string()))?;
        let (record, place) = (manifest.clone(), places.package(package));
        let kept = tokio::task::spawn_blocking(move || stage.keep_as(&place, &record)).await;
        kept.map_err(io::Error::other).flatten().map_err(Failure::file("putting it in its place"))?;
        Ok(manifest)
    }

    fn set(&self, package: &Package, state: State) {
        if let Some(slot) = self.0.states.get(&key(package)) {
            slot.send_replace(state);
        }
    }

    /// Has the next start install it again: what is on the disk is not what is on record.
    pub fn forget(&self, package: &Package) {
        if let Some(slot) = self.0.states.get(&key(package)) {
            slot.send_if_modified(|state| {
                let installed = matches!(state, State::Installed(_));
                if installed {
                    *state = State::Absent;
                }
                installed
            });
        }
    }

    /// Why its last installation failed, if it did.
    #[must_use]
    pub fn failure(&self, package: &Package) -> Option<Arc<str>> {
        match &*self.0.states.get(&key(package))?.borrow() {
            State::Failed(words) => Some(Arc::clone(words)),
            State::Absent | State::Installing | State::Installed(_) => None,
        }
    }

    /// Forgets what is not on the disk any more. Looks at files.
    pub async fn look_again(&self, package: &Package) {
        let directory = self.0.places.package(package);
        let there = tokio::task::spawn_blocking(move || read_manifest(&directory).is_some()).await;
        if !there.unwrap_or(true) {
            self.forget(package);
        }
    }

    /// Removes a package that nothing uses. One that is just being installed stays.
    ///
    /// # Errors
    /// What the file system says; then it is not used any more, but files of it are left.
    pub async fn remove(&self, package: &Package) -> io::Result<()> {
        let installing =
            self.0.states.get(&key(package)).is_some_and(|slot| matches!(*slot.borrow(), State::Installing));
        if installing {
            return Ok(());
        }
        self.0.states.remove(&key(package));
        let (base, place) = (self.0.places.packages_dir.clone(), self.0.places.package(package));
        let removed = tokio::task::spawn_blocking(move || staging::remove(&base, &place)).await;
        removed.map_err(io::Error::other)?
    }

    /// How the installation stands.
    #[must_use]
    pub fn installation(&self, package: &Package) -> Installation {
        let state = self.0.states.get(&key(package)).map(|slot| slot.borrow().clone());
        let (status, manifest, detail) = match state {
            None | Some(State::Absent) => (InstallationStatus::Absent, None, None),
            Some(State::Installing) => (InstallationStatus::Installing, None, None),
            Some(State::Installed(manifest)) => (InstallationStatus::Installed, Some(manifest), None),
            Some(State::Failed(words)) => (InstallationStatus::Failed, None, Some(words.to_string())),
        };
        let manifest = manifest.as_deref();
        Installation {
            status,
            detail,
            installed_at: manifest.map(|manifest| manifest.installed_at),
            installed_by: manifest.map(|manifest| manifest.installed_by.clone()),
            integrity: manifest.and_then(|manifest| manifest.integrity.first().cloned()),
            packages: manifest.map(|manifest| manifest.resolved.len() as u64),
        }
    }
}

fn key(package: &Package) -> (PackageRegistry, String) {
    (package.registry, package.directory())
}

/// Every package below this directory. For `doctor`, without a daemon.
#[must_use]
pub fn on_disk(packages_dir: &Path) -> Vec<Manifest> {
    let of = |registry: PackageRegistry| staging::directories(&packages_dir.join(registry.as_str()));
    [PackageRegistry::Npm, PackageRegistry::Pypi]
        .into_iter()
        .flat_map(|registry| of(registry).unwrap_or_default())
        .filter_map(|(_, directory)| read_manifest(&directory))
        .collect()
}
