//! Packages: programs that a type names in a registry instead of bringing them along.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fault::Faults;

/// A program in a package registry, pinned to one version. It is installed once and then run directly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Where it comes from. The address is the one that npm's or pip's own configuration has.
    pub registry: PackageRegistry,
    /// Its name there.
    #[schema(example = "@modelcontextprotocol/server-memory")]
    pub name: String,
    /// The exact version; no range and no tag.
    #[schema(example = "2026.8.31")]
    pub version: String,
    /// What has to come: `sha512-...` as npm's lock files have it, or `sha256:` with 64 hexadecimal digits. Without
    /// it, what came at the first installation is recorded and kept.
    #[serde(default)]
    pub integrity: Option<String>,
    /// Which of its programs; needed only where there are several and none is called like the package.
    #[serde(default)]
    pub bin: Option<String>,
}

/// A registry of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageRegistry {
    /// Node packages.
    Npm,
    /// Python packages.
    Pypi,
}

impl PackageRegistry {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        }
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{} from {}", self.name, self.version, self.registry.as_str())
    }
}

impl Package {
    /// What it is called on disk, below the directory of its registry: one name, without a slash.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("{}@{}", self.name.replace('/', "+"), self.version)
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        let npm = self.registry == PackageRegistry::Npm;
        faults.require(
            if npm { is_npm_name(&self.name) } else { is_pypi_name(&self.name) },
            &["package", "name"],
            "must be the name of a package in its registry",
        );
        faults.require(
            if npm { is_npm_version(&self.version) } else { is_pypi_version(&self.version) },
            &["package", "version"],
            "must be one exact version such as 1.2.3, not a range or a tag",
        );
        if let Some(integrity) = &self.integrity {
            faults.require(
                is_sha256(integrity) || npm && is_sha512(integrity),
                &["package", "integrity"],
                if npm {
                    "must be sha512- and the hash in base64, or sha256: and 64 hexadecimal digits"
                } else {
                    "must be sha256: and 64 hexadecimal digits"
                },
            );
        }
        if let Some(bin) = &self.bin {
            faults.require(
                is_plain(bin, 128) && !bin.starts_with('-'),
                &["package", "bin"],
                "must be the name of a program: letters, digits, dots, _ and -",
            );
        }
    }
}

fn is_plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// One part of a name that npm takes today: no capital letter, no dot or underscore first. A hyphen first would be
/// an option on a command line.
fn is_npm_part(part: &str) -> bool {
    is_plain(part, 214)
        && !part.starts_with(['.', '_', '-'])
        && !part.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_npm_name(name: &str) -> bool {
    let parts = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/'),
        None => Some((name, name)),
    };
    name.len() <= 214 && parts.is_some_and(|(scope, name)| is_npm_part(scope) && is_npm_part(name))
}

fn is_pypi_name(name: &str) -> bool {
    let ends_well = |end: Option<char>| end.is_some_and(|character| character.is_ascii_alphanumeric());
    is_plain(name, 214) && ends_well(name.chars().next()) && ends_well(name.chars().next_back())
}

/// Semantic versioning 2.0: three numbers, perhaps with what comes before a release or tells a build.
fn is_npm_version(version: &str) -> bool {
    let (version, build) = version.split_once('+').map_or((version, None), |(v, build)| (v, Some(build)));
    let (numbers, pre) = version.split_once('-').map_or((version, None), |(n, pre)| (n, Some(pre)));
    let parts: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &&str| (1..=16).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let tail = |tail: &str| is_plain(tail, 128) && !tail.contains('_') && !tail.split('.').any(str::is_empty);
    parts.len() == 3 && parts.iter().all(is_number) && pre.is_none_or(tail) && build.is_none_or(tail)
}

/// As much of PEP 440 as tells a version from a range, a tag or an option.
fn is_pypi_version(version: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'!' | b'+' | b'_' | b'-');
    (1..=128).contains(&version.len())
        && version.starts_with(|first: char| first.is_ascii_digit())
        && version.bytes().all(plain)
}

fn is_sha256(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_sha512(text: &str) -> bool {
    text.strip_prefix("sha512-").is_some_and(|base64| {
        base64.len() == 88
            && base64.ends_with("==")
            && base64[..86].bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(registry: PackageRegistry, name: &str, version: &str) -> Vec<String> {
        let package =
            Package { registry, name: name.into(), version: version.into(), integrity: None, bin: None };
        let mut faults = Faults::default();
        package.check(&mut faults);
        match faults.or(()) {
            Ok(()) => Vec::new(),
            Err(invalid) => invalid.faults.into_iter().map(|fault| fault.pointer).collect(),
        }
    }

    #[test]
    fn names_and_versions_are_exact_and_are_neither_a_path_nor_an_option() {
        use PackageRegistry::{Npm, Pypi};
        let sound = [
            (Npm, "@modelcontextprotocol/server-memory", "2026.8.31"),
            (Npm, "figma-developer-mcp", "0.6.4-beta.1+build.5"),
            (Pypi, "mcp-server-time", "2026.10.19"),
            (Pypi, "Zope.Interface", "1!2.0rc1.post2"),
        ];
        for (registry, name, version) in sound {
            assert_eq!(faults(registry, name, version), [""; 0], "{name} {version}");
        }
        for name in [
            "",
            "../x",
            "@a",
            "@a/",
            "@/b",
            "@a/b/c",
            "a/b",
            "-g",
            ".x",
            "_x",
            "X",
            "a b",
            "a@1",
            "git+ssh://x",
        ] {
            assert_eq!(faults(Npm, name, "1.0.0"), ["/package/name"], "{name}");
        }
        for name in ["", "-r", "x/y", "x==1", "x[extra]", ".x", "x.", "a b", "git+https://x"] {
            assert_eq!(faults(Pypi, name, "1.0"), ["/package/name"], "{name}");
        }
        for version in ["", "latest", "1", "1.2", "^1.2.3", "1.2.x", "1.2.3 || 2", "1.2.3-", "*", "file:x"] {
            assert_eq!(faults(Npm, "x", version), ["/package/version"], "{version}");
        }
        for version in ["", "latest", ">=1", "1.*", "1,2", "1 ", "-1", "==1"] {
            assert_eq!(faults(Pypi, "x", version), ["/package/version"], "{version}");
        }
    }

    #[test]
    fn a_scoped_name_is_one_directory() {
        let package: Package = serde_json::from_value(serde_json::json!({
            "registry": "npm", "name": "@a/b", "version": "1.0.0"
        }))
        .unwrap();
        assert_eq!(package.directory(), "@a+b@1.0.0");
        assert_eq!(package.to_string(), "@a/b@1.0.0 from npm");
    }

    #[test]
    fn an_integrity_is_a_whole_hash() {
        let sha512 = format!("sha512-{}==", "A".repeat(86));
        let sha256 = format!("sha256:{}", "0a".repeat(32));
        for (registry, integrity, holds) in [
            (PackageRegistry::Npm, sha512.as_str(), true),
            (PackageRegistry::Npm, &sha256, true),
            (PackageRegistry::Pypi, &sha256, true),
            (PackageRegistry::Pypi, &sha512, false),
            (PackageRegistry::Npm, "sha1-abc", false),
            (PackageRegistry::Npm, "sha256:0A", false),
        ] {
            let package = Package {
                registry,
                name: "x".into(),
                version: "1.0.0".into(),
                integrity: Some(integrity.to_owned()),
                bin: None,
            };
            let mut faults = Faults::default();
            package.check(&mut faults);
            assert_eq!(faults.or(()).is_ok(), holds, "{integrity}");
        }
    }
}
