//! Landlock: which files may be opened, which port listened on, which processes reached.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

use super::confinement::Confinement;
use super::report::Layer;

/// Newest set of rights that this was tried with.
const NEWEST: ABI = ABI::V7;
/// Programs, libraries and what they look at when they start. Not `/etc` as a whole: it names the users and says how
/// the machine is set up.
const SYSTEM: [&str; 43] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/crypto-policies",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/pki",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
    // Where the file behind `/etc/resolv.conf` is replaced.
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/dev/random",
    "/dev/urandom",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/version",
];
/// Written to and read from by everything.
const SINKS: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// A ruleset that waits to be put on, and what it cannot do on this kernel.
pub(super) struct Prepared {
    ruleset: RulesetCreated,
    pub(super) lacks: Vec<(Layer, String)>,
}

/// Makes the ruleset while everything can still be opened. `proc` says whether `/proc` hides the processes of others
/// by itself; `temporary` are directories that belong to the instance.
pub(super) fn prepare(
    wanted: &Confinement,
    proc: bool,
    temporary: &[&str],
) -> Result<Prepared, RulesetError> {
    let can = |attempt: fn(Ruleset) -> Result<Ruleset, RulesetError>| {
        attempt(Ruleset::default().set_compatibility(CompatLevel::HardRequirement)).map(|_| ())
    };
    // Without the right to truncate, what may only be read could be emptied.
    can(|ruleset| ruleset.handle_access(AccessFs::from_all(ABI::V3)))?;
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?;
    let mut lacks = Vec::new();
    match can(|ruleset| ruleset.handle_access(AccessNet::BindTcp)) {
        Ok(()) => ruleset = ruleset.handle_access(AccessNet::BindTcp)?,
        Err(error) => lacks.push((Layer::Ports, said(&error))),
    }
    match can(|ruleset| ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)) {
        Ok(()) => ruleset = ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)?,
        Err(error) => lacks.push((Layer::Scopes, said(&error))),
    }
    let (read, all) = (AccessFs::from_read(NEWEST), AccessFs::from_all(NEWEST));
    let own = wanted.writable.iter().map(PathBuf::as_path).chain(temporary.iter().map(Path::new));
    let mut created = ruleset
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(proc.then_some("/proc"), read))?
        .add_rules(path_beneath_rules(SINKS, AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&wanted.readable, read))?
        .add_rules(path_beneath_rules(own, all))?;
    if let Some(port) = wanted.port.filter(|_| !lacks.iter().any(|(layer, _)| *layer == Layer::Ports)) {
        created = created.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(Prepared { ruleset: created, lacks })
}

impl Prepared {
    /// Puts it on, for good.
    pub(super) fn put_on(self) -> Result<(), String> {
        match self.ruleset.restrict_self() {
            Ok(status) if status.ruleset == landlock::RulesetStatus::NotEnforced => {
                Err("the kernel enforces nothing of it".into())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(said(&error)),
        }
    }
}

/// An error with what is behind it.
pub(super) fn said(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        source = error.source();
    }
    words
}
