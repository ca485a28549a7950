//! What is on record of an installed package, and which of its programs a type means.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::package::{Package, PackageRegistry};
use super::program::Missing;

/// Name of the record in the directory of a package. It is written last.
pub const MANIFEST: &str = "manifest.json";
/// Name of the script that begins a Python program.
pub const START_PY: &str = "start.py";

/// The record of an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where it came from.
    pub registry: PackageRegistry,
    /// Its name there.
    pub name: String,
    /// The version.
    pub version: String,
    /// Its hashes, the one of its registry's kind first.
    pub integrity: Vec<String>,
    /// Its programs. For npm, name to script below the directory of the package; for Python, name to
    /// `module:function`.
    pub programs: BTreeMap<String, String>,
    /// What runs a Python program: below the directory of the package, or absolute.
    pub python: Option<String>,
    /// Everything that was installed, itself included.
    pub resolved: Vec<Resolved>,
    /// When it was installed.
    pub installed_at: DateTime<Utc>,
    /// What installed it, such as `npm 11.19.1`.
    pub installed_by: String,
}

/// One package that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its hash.
    pub integrity: String,
}

impl Manifest {
    /// The program that a type means: the one it names, the only one, or the one that is called like the package.
    ///
    /// # Errors
    /// [`Missing`] if there is none or it is not said which, or if what is installed has another hash than the
    /// type asks for.
    pub fn program(&self, package: &Package) -> Result<&str, Missing> {
        if package.integrity.as_ref().is_some_and(|wanted| !self.integrity.contains(wanted)) {
            return Err(Missing::Altered(package.to_string()));
        }
        let short = package.name.rsplit('/').next().unwrap_or(&package.name);
        let found = match (&package.bin, self.programs.len()) {
            (Some(bin), _) => self.programs.get(bin),
            (None, 1) => self.programs.values().next(),
            (None, _) => self.programs.get(short),
        };
        found.map(String::as_str).ok_or_else(|| Missing::Bin {
            package: package.to_string(),
            programs: self.programs.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(programs: &[(&str, &str)]) -> Manifest {
        Manifest {
            registry: PackageRegistry::Npm,
            name: "@a/tool".into(),
            version: "1.0.0".into(),
            integrity: vec!["sha512-x".into()],
            programs: programs.iter().map(|(name, path)| ((*name).into(), (*path).into())).collect(),
            python: None,
            resolved: Vec::new(),
            installed_at: DateTime::UNIX_EPOCH,
            installed_by: "npm 1".into(),
        }
    }

    fn package(bin: Option<&str>, integrity: Option<&str>) -> Package {
        Package {
            registry: PackageRegistry::Npm,
            name: "@a/tool".into(),
            version: "1.0.0".into(),
            integrity: integrity.map(Into::into),
            bin: bin.map(Into::into),
        }
    }

    #[test]
    fn the_program_is_the_named_one_the_only_one_or_the_one_called_like_the_package() {
        let one = manifest(&[("mcp-tool", "m.js")]);
        let two = manifest(&[("tool", "t.js"), ("other", "o.js")]);
        assert_eq!(one.program(&package(None, None)), Ok("m.js"));
        assert_eq!(two.program(&package(None, None)), Ok("t.js"));
        assert_eq!(two.program(&package(Some("other"), None)), Ok("o.js"));
        for (manifest, bin) in [(&two, Some("absent")), (&manifest(&[]), None)] {
            let missing = manifest.program(&package(bin, None)).unwrap_err();
            assert!(matches!(missing, Missing::Bin { .. }), "{missing}");
        }
        let unclear = manifest(&[("x", "x.js"), ("y", "y.js")]).program(&package(None, None)).unwrap_err();
        assert!(unclear.to_string().contains("x, y"), "{unclear}");
    }

    #[test]
    fn what_is_installed_has_to_be_what_the_type_asks_for() {
        let one = manifest(&[("mcp-tool", "m.js")]);
        assert!(one.program(&package(None, Some("sha512-x"))).is_ok());
        assert!(matches!(one.program(&package(None, Some("sha512-y"))), Err(Missing::Altered(_))));
    }
}
