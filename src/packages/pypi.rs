//! Installing from PyPI: what pip would take first, which is read before anything is installed, then exactly that by
//! its hashes. Only wheels: building one would run code of the package.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::time::Instant;

use super::tool::{Said, Tool, ToolError, shortly};
use super::{Failure, Found, Tools};
use crate::catalog::Package;
use crate::catalog::manifest::{Resolved, START_PY};

/// What begins a program: `start.py MODULE:FUNCTION ARGS`.
const START: &str = include_str!("start.py");
/// Tells the programs of an installed package.
const PROGRAMS: &str = include_str!("programs.py");

const QUIET: [&str; 3] = ["--disable-pip-version-check", "--no-input", "--only-binary=:all:"];

/// Where pip puts packages.
enum Place {
    /// A virtual environment without a pip of its own, which Debian keeps in another package.
    Environment,
    /// A directory, for a Python that makes no environments.
    Directory,
}

/// Installs into an empty directory.
pub(super) async fn install(
    package: &Package,
    into: &Path,
    tools: &Tools,
    deadline: Instant,
) -> Result<Found, Failure> {
    let python = real_python(&tools.python()?, into).await?;
    let environment = run(&python, into, ["-m", "venv", "--without-pip", "venv"], deadline).await;
    let place = match environment {
        Ok(_) => Place::Environment,
        Err(ToolError::Failed { .. }) => {
            let half = into.join("venv");
            if half.exists() {
                tokio::fs::remove_dir_all(half)
                    .await
                    .map_err(Failure::file("removing half an environment"))?;
            }
            Place::Directory
        }
        Err(error) => return Err(error.into()),
    };
    let version = run(&python, into, ["-m", "pip", "--version"], shortly()).await?.out;

    let wanted = format!("{}=={}", package.name, package.version);
    let look = ["--dry-run", "--ignore-installed", "--quiet", "--report", "report.json", &wanted];
    pip(&python, into, &place, &look, deadline).await?;
    let report = tokio::fs::read_to_string(into.join("report.json")).await;
    let report = report.map_err(Failure::file("reading what pip found"))?;
    let (resolved, integrity) = reported(&report, package).map_err(Failure::Content)?;
    if let Some(wanted) = package.integrity.as_ref().filter(|wanted| **wanted != integrity) {
        return Err(Failure::Altered { wanted: wanted.clone(), found: integrity });
    }
    let text = requirements(&resolved);
    tokio::fs::write(into.join("requirements.txt"), text).await.map_err(Failure::file("writing for pip"))?;
    let take = ["--require-hashes", "--no-deps", "--no-warn-script-location", "-r", "requirements.txt"];
    pip(&python, into, &place, &take, deadline).await?;

    let (runner, shown) = match place {
        Place::Environment => (into.join("venv/bin/python"), "venv/bin/python".to_owned()),
        Place::Directory => (python.clone(), python.display().to_string()),
    };
    let asked = run(&runner, into, ["-I", "-c", PROGRAMS, &package.name, "lib"], shortly()).await?.out;
    let programs = programs(&asked).map_err(Failure::Content)?;
    tokio::fs::write(into.join(START_PY), START).await.map_err(Failure::file("writing the start of it"))?;
    let installed_by = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(Found { integrity: vec![integrity], programs, python: Some(shown), resolved, installed_by })
}

/// The Python behind what is on the search path, which may be a script that looks for one.
async fn real_python(python: &Path, cwd: &Path) -> Result<PathBuf, Failure> {
    let said = run(python, cwd, ["-I", "-c", "import sys; print(sys.executable)"], shortly()).await?;
    Ok(said.out.trim().into())
}

async fn run<'a>(
    python: &Path,
    cwd: &Path,
    args: impl IntoIterator<Item = &'a str>,
    deadline: Instant,
) -> Result<Said, ToolError> {
    let args = args.into_iter().map(OsString::from).collect();
    Tool { program: python, args, cwd, env: Vec::new() }.run(deadline).await
}

async fn pip(
    python: &Path,
    into: &Path,
    place: &Place,
    args: &[&str],
    deadline: Instant,
) -> Result<Said, ToolError> {
    let begin: &[&str] = match place {
        Place::Environment => &["-m", "pip", "--python", "venv/bin/python", "install"],
        Place::Directory => &["-m", "pip", "install", "--target", "lib"],
    };
    run(python, into, begin.iter().chain(&QUIET).chain(args).copied(), deadline).await
}

#[derive(Deserialize)]
struct Report {
    install: Vec<Reported>,
}

#[derive(Deserialize)]
struct Reported {
    metadata: Metadata,
    download_info: Download,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Download {
    archive_info: Option<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// What pip is about to install, and the hash of the package itself.
fn reported(report: &str, package: &Package) -> Result<(Vec<Resolved>, String), String> {
    let report: Report =
        serde_json::from_str(report).map_err(|error| format!("pip's report cannot be read: {error}"))?;
    let mut resolved = Vec::new();
    for Reported { metadata: Metadata { name, version }, download_info } in report.install {
        let hash = download_info.archive_info.and_then(|mut archive| archive.hashes.remove("sha256"));
        let Some(hash) = hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
        else {
            return Err(format!("it needs {name}, which does not come as a wheel with a hash from an index"));
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+!".contains(&b));
        if !plain(&name) || !plain(&version) {
            return Err("pip found a package whose name or version is none".into());
        }
        resolved.push(Resolved { name, version, integrity: format!("sha256:{hash}") });
    }
    let own = resolved.iter().find(|one| normalized(&one.name) == normalized(&package.name));
    let integrity = own.map(|own| own.integrity.clone());
    let integrity = integrity.ok_or_else(|| "pip found something else than what was asked for".to_owned())?;
    Ok((resolved, integrity))
}

/// A name as PEP 503 compares names.
fn normalized(name: &str) -> String {
    name.to_ascii_lowercase()
        .split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// What is to be installed, as pip reads it: nothing else fits the hashes.
fn requirements(resolved: &[Resolved]) -> String {
    resolved.iter().map(|one| format!("{}=={} --hash={}\n", one.name, one.version, one.integrity)).collect()
}

/// The programs of a package: name to `module:function`.
fn programs(said: &str) -> Result<BTreeMap<String, String>, String> {
    let all: BTreeMap<String, String> =
        serde_json::from_str(said).map_err(|error| format!("its programs cannot be read: {error}"))?;
    let is_name = |name: &str| {
        name.split('.').all(|part| {
            part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    let sound =
        |entry: &String| entry.split_once(':').is_some_and(|(module, call)| is_name(module) && is_name(call));
    let programs: BTreeMap<String, String> = all.into_iter().filter(|(_, entry)| sound(entry)).collect();
    if programs.is_empty() {
        Err("it has no program to run: it has no console script".into())
    } else {
        Ok(programs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn report(change: impl FnOnce(&mut Value)) -> Result<(Vec<Resolved>, String), String> {
        let one = |name: &str, digit: &str| {
            json!({
                "metadata": {"name": name, "version": "1.0"},
                "download_info": {"url": "https://x", "archive_info": {"hashes": {"sha256": digit.repeat(64)}}},
            })
        };
        let mut report = json!({"install": [one("My.Tool", "a"), one("dep", "b")]});
        change(&mut report["install"]);
        let package =
            serde_json::from_value(json!({"registry": "pypi", "name": "my-tool", "version": "1.0"})).unwrap();
        reported(&report.to_string(), &package)
    }

    #[test]
    fn what_pip_takes_is_told_with_its_hashes_and_required_by_them() {
        let (resolved, integrity) = report(|_| {}).unwrap();
        assert_eq!(integrity, format!("sha256:{}", "a".repeat(64)));
        assert_eq!(
            requirements(&resolved),
            format!(
                "My.Tool==1.0 --hash=sha256:{}\ndep==1.0 --hash=sha256:{}\n",
                "a".repeat(64),
                "b".repeat(64)
            )
        );
    }

    #[test]
    fn what_comes_without_a_hash_or_is_no_package_is_refused() {
        let refused = report(|all| all[1]["download_info"]["archive_info"] = json!({})).unwrap_err();
        assert!(refused.contains("dep") && refused.contains("hash"), "{refused}");
        assert!(report(|all| all[1]["download_info"] = json!({"vcs_info": {}})).is_err());
        assert!(report(|all| all[1]["metadata"]["name"] = json!("dep -r /etc/x")).is_err());
        assert!(report(|all| all[0]["metadata"]["name"] = json!("other")).is_err());
        assert!(
            reported(
                "{}",
                &serde_json::from_value(json!({"registry": "pypi", "name": "x", "version": "1"})).unwrap()
            )
            .is_err()
        );
    }

    #[test]
    fn a_program_is_a_function_of_a_module() {
        let all =
            programs(r#"{"a": "pkg.server:main", "b": "pkg:App.run", "c": "pkg", "d": "os;x:y"}"#).unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(programs("{}").unwrap_err().contains("console script"));
    }
}
