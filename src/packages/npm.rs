//! Installing from npm: a lock file first, which is read before anything of the package is there, then exactly what it
//! says. No script of any package runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::tool::{Tool, shortly};
use super::{Failure, Found, Tools};
use crate::catalog::Package;
use crate::catalog::manifest::Resolved;

/// What keeps npm from running, asking and telling anything.
const QUIET: [&str; 4] = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"];

/// Installs into an empty directory.
pub(super) async fn install(
    package: &Package,
    into: &Path,
    tools: &Tools,
    deadline: Instant,
) -> Result<Found, Failure> {
    let program = tools.npm()?;
    let npm = |first: &[&str]| Tool {
        program: &program,
        args: first.iter().chain(&QUIET).map(|arg| (*arg).into()).collect(),
        cwd: into,
        // npm runs by the Node that servers run by.
        env: vec![("PATH", tools.path_with_node())],
    };
    let version = npm(&["--version"]).run(shortly()).await?.out;
    let project = serde_json::json!({
        "name": "package", "version": "0.0.0", "private": true, "dependencies": {&package.name: &package.version},
    });
    write(into, "package.json", project.to_string()).await?;
    npm(&["install", "--package-lock-only", "--omit-lockfile-registry-resolved=false"]).run(deadline).await?;
    let lock = read(into, "package-lock.json").await?;
    let (resolved, mut integrity) = locked(&lock, package).map_err(Failure::Content)?;
    if let Some(wanted) = &package.integrity
        && !integrity.contains(wanted)
    {
        // npm's own hashes are of another kind, so the archive itself is asked.
        let archive = format!("{}@{}", package.name, package.version);
        let said = npm(&["pack", &archive, "--json"]).run(deadline).await?.out;
        let name =
            packed(&said).ok_or_else(|| Failure::Content("npm does not say what it fetched".into()))?;
        let path = into.join(&name);
        let bytes = tokio::fs::read(&path).await.map_err(Failure::file("reading what npm fetched"))?;
        let hash = format!("sha256:{}", hex(&Sha256::digest(&bytes)));
        tokio::fs::remove_file(&path).await.map_err(Failure::file("removing what npm fetched"))?;
        if *wanted != hash {
            return Err(Failure::Altered { wanted: wanted.clone(), found: integrity.swap_remove(0) });
        }
        integrity.push(hash);
    }
    npm(&["ci"]).run(deadline).await?;
    let root = format!("node_modules/{}", package.name);
    let about = read(into, &format!("{root}/package.json")).await?;
    let programs = programs(&about, &root, &package.name).map_err(Failure::Content)?;
    Ok(Found { integrity, programs, python: None, resolved, installed_by: format!("npm {}", version.trim()) })
}

async fn read(into: &Path, name: &str) -> Result<String, Failure> {
    tokio::fs::read_to_string(into.join(name)).await.map_err(Failure::file("reading what npm wrote"))
}

async fn write(into: &Path, name: &str, text: String) -> Result<(), Failure> {
    tokio::fs::write(into.join(name), text).await.map_err(Failure::file("writing for npm"))
}

#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    link: bool,
}

/// What a lock file is about to install, and the hash of the package itself. Everything in it has to come as an
/// archive with a hash: what comes from a repository or a directory is whatever it is on that day.
fn locked(lock: &str, package: &Package) -> Result<(Vec<Resolved>, Vec<String>), String> {
    let lock: Lock =
        serde_json::from_str(lock).map_err(|error| format!("npm's lock file cannot be read: {error}"))?;
    let mut resolved = Vec::new();
    for (path, entry) in lock.packages.iter().filter(|(path, _)| !path.is_empty()) {
        let name = path.rsplit_once("node_modules/").map_or(path.as_str(), |(_, name)| name);
        let archive = entry
            .resolved
            .as_deref()
            .is_some_and(|from| from.starts_with("https://") || from.starts_with("http://"));
        let strong = entry.integrity.as_deref().filter(|hash| {
            hash.starts_with("sha512-") || hash.starts_with("sha384-") || hash.starts_with("sha256-")
        });
        match (&entry.version, strong) {
            (Some(version), Some(integrity)) if archive && !entry.link => resolved.push(Resolved {
                name: name.to_owned(),
                version: version.clone(),
                integrity: integrity.to_owned(),
            }),
            _ => {
                return Err(format!(
                    "it needs {name}, which does not come as an archive with a hash from a registry"
                ));
            }
        }
    }
    let own = lock.packages.get(&format!("node_modules/{}", package.name));
    let own = own.filter(|own| own.version.as_deref() == Some(package.version.as_str()));
    let integrity = own.and_then(|own| own.integrity.clone());
    let integrity = integrity.ok_or_else(|| "npm found another version than the one asked for".to_owned())?;
    Ok((resolved, vec![integrity]))
}

/// The name of the archive that `npm pack --json` made.
fn packed(said: &str) -> Option<String> {
    let said: Value = serde_json::from_str(said).ok()?;
    let name = said.get(0)?.get("filename")?.as_str()?;
    (!name.contains('/')).then(|| name.to_owned())
}

/// The programs of a package by its `package.json`, as scripts below the directory of the installation.
fn programs(about: &str, root: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
    let about: Value =
        serde_json::from_str(about).map_err(|error| format!("its package.json cannot be read: {error}"))?;
    let short = name.rsplit('/').next().unwrap_or(name);
    let bins: Vec<(String, &str)> = match &about["bin"] {
        Value::String(path) => vec![(short.to_owned(), path)],
        Value::Object(bins) => {
            bins.iter().filter_map(|(name, path)| Some((name.clone(), path.as_str()?))).collect()
        }
        _ => Vec::new(),
    };
    let clean = |path: &str| {
        let path = path.trim_start_matches("./");
        let stays = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        stays.then(|| format!("{root}/{path}"))
    };
    let programs: BTreeMap<String, String> =
        bins.into_iter().filter_map(|(name, path)| Some((name, clean(path)?))).collect();
    if programs.is_empty() {
        return Err("it has no program to run: its package.json has no `bin`".into());
    }
    Ok(programs)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package() -> Package {
        serde_json::from_value(json!({"registry": "npm", "name": "@a/tool", "version": "1.2.3"})).unwrap()
    }

    fn entry(version: &str) -> Value {
        json!({"version": version, "resolved": "https://registry.example.org/x.tgz", "integrity": "sha512-abc"})
    }

    fn lock(change: impl FnOnce(&mut Value)) -> Result<(Vec<Resolved>, Vec<String>), String> {
        let mut lock = json!({"lockfileVersion": 3, "packages": {
            "": {"dependencies": {"@a/tool": "1.2.3"}},
            "node_modules/@a/tool": entry("1.2.3"),
            "node_modules/@a/tool/node_modules/left": entry("0.1.0"),
        }});
        change(&mut lock["packages"]);
        locked(&lock.to_string(), &package())
    }

    #[test]
    fn a_lock_file_tells_everything_with_its_hash() {
        let (resolved, integrity) = lock(|_| {}).unwrap();
        let names: Vec<_> = resolved.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
        assert_eq!(names, [("@a/tool", "1.2.3"), ("left", "0.1.0")]);
        assert_eq!(integrity, ["sha512-abc"]);
    }

    #[test]
    fn what_is_no_archive_with_a_strong_hash_is_refused_before_it_is_there() {
        let left = "node_modules/@a/tool/node_modules/left";
        let changes: [(&str, Value); 5] = [
            ("resolved", json!("git+ssh://git@example.org/left.git#0123")),
            ("resolved", json!("file:../left")),
            ("integrity", json!(null)),
            ("integrity", json!("sha1-abc")),
            ("link", json!(true)),
        ];
        for (key, value) in changes {
            let refused = lock(|packages| packages[left][key] = value.clone()).unwrap_err();
            assert!(refused.contains("left") && refused.contains("hash"), "{key} {value}: {refused}");
        }
        assert!(lock(|packages| packages["node_modules/@a/tool"]["version"] = json!("1.2.4")).is_err());
        assert!(locked("[]", &package()).is_err());
    }

    #[test]
    fn programs_are_scripts_inside_of_the_package() {
        let of = |about: Value| programs(&about.to_string(), "node_modules/@a/tool", "@a/tool");
        let one = of(json!({"bin": "./dist/index.js"})).unwrap();
        assert_eq!(one["tool"], "node_modules/@a/tool/dist/index.js");
        let two = of(json!({"bin": {"a": "a.js", "b": "../../../etc/passwd", "c": 1}})).unwrap();
        assert_eq!(two.keys().collect::<Vec<_>>(), ["a"]);
        for about in [json!({}), json!({"bin": {}}), json!({"bin": "/etc/passwd"})] {
            assert!(of(about).unwrap_err().contains("`bin`"));
        }
    }

    #[test]
    fn the_archive_is_the_one_that_npm_names() {
        assert_eq!(packed(r#"[{"filename": "a-tool-1.2.3.tgz"}]"#).as_deref(), Some("a-tool-1.2.3.tgz"));
        for said in ["", "[]", r#"[{"filename": "../x"}]"#] {
            assert_eq!(packed(said), None);
        }
    }
}
