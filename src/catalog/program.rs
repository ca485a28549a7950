//! Where the program of a type is on this machine. The one place of the catalog that looks at files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::manifest::{MANIFEST, Manifest, START_PY};
use super::validate::stays_below;
use super::{Package, PackageRegistry, TypeDefinition};

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Absolute path of `node`, which runs scripts.
    pub node: PathBuf,
    /// The directory that scripts are below.
    pub servers_dir: PathBuf,
    /// The search path for commands, as in `PATH`; also what servers get as theirs.
    pub search_path: String,
    /// The directory that packages are installed in.
    pub packages_dir: PathBuf,
}

impl Places {
    /// Where a package is, or would be.
    #[must_use]
    pub fn package(&self, package: &Package) -> PathBuf {
        self.packages_dir.join(package.registry.as_str()).join(package.directory())
    }
}

/// What to execute, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Absolute path of the program.
    pub path: PathBuf,
    /// Absolute path of the script it is to run, if it runs one.
    pub script: Option<PathBuf>,
    /// What kind of program it is.
    pub runtime: Runtime,
}

/// What kind of program runs a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// Node.
    Node,
    /// Python, and the `module:function` that the script is to call.
    Python(String),
    /// Whatever the program is.
    Own,
}

/// Why there is nothing to execute. The words reach owners of instances and name no path of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The script is not there.
    #[error("the script {0} is not in the servers directory")]
    Script(String),
    /// The script is there, but a link leads out.
    #[error("the script {0} lies outside the servers directory")]
    Outside(String),
    /// The package is not installed, or what is left of it is no whole one.
    #[error("the package {0} is not installed")]
    Package(String),
    /// What is installed is not what the type asks for.
    #[error("the package {0} was installed with another content than the type's `integrity` asks for")]
    Altered(String),
    /// It is not clear which program of a package is meant, or it has none.
    #[error(
        "the type has to say in `package.bin` which program of the package {package} it means; there are: {programs}"
    )]
    Bin {
        /// The package.
        package: String,
        /// Its programs.
        programs: String,
    },
    /// No program of this name can be executed.
    #[error("the program {0} was not found or cannot be executed")]
    Program(String),
}

/// Finds the program of a type.
///
/// # Errors
/// [`Missing`] says what is not there.
pub fn locate(definition: &TypeDefinition, places: &Places) -> Result<Program, Missing> {
    let node = || executable(&places.node).ok_or_else(|| Missing::Program("node".to_owned()));
    match (&definition.server_script, &definition.command, &definition.package) {
        (Some(script), ..) => Ok(Program {
            path: node()?,
            script: Some(below(&places.servers_dir, script)?),
            runtime: Runtime::Node,
        }),
        (None, Some(command), _) if command == "node" => {
            Ok(Program { path: node()?, script: None, runtime: Runtime::Node })
        }
        (None, Some(command), _) => {
            let path = find(command, &places.search_path).ok_or_else(|| Missing::Program(command.clone()))?;
            Ok(Program { path, script: None, runtime: Runtime::Own })
        }
        (None, None, Some(package)) => packaged(package, places),
        (None, None, None) => Err(Missing::Program(String::new())),
    }
}

/// The program of an installed package.
fn packaged(package: &Package, places: &Places) -> Result<Program, Missing> {
    let missing = || Missing::Package(package.to_string());
    let directory = places.package(package);
    let manifest = read_manifest(&directory).ok_or_else(missing)?;
    let entry = manifest.program(package)?;
    match package.registry {
        PackageRegistry::Npm => Ok(Program {
            path: executable(&places.node).ok_or_else(|| Missing::Program("node".to_owned()))?,
            script: Some(below(&directory, entry).map_err(|_| missing())?),
            runtime: Runtime::Node,
        }),
        PackageRegistry::Pypi => {
            // Not its canonical path: a Python of a virtual environment knows itself by the link that leads to it.
            let python = directory.join(manifest.python.as_deref().unwrap_or_default());
            Ok(Program {
                path: executable(&python).ok_or_else(|| Missing::Program("python".to_owned()))?,
                script: Some(below(&directory, START_PY).map_err(|_| missing())?),
                runtime: Runtime::Python(entry.to_owned()),
            })
        }
    }
}

/// The record of the package in this directory, if it is a whole one.
#[must_use]
pub fn read_manifest(directory: &Path) -> Option<Manifest> {
    serde_json::from_slice(&std::fs::read(directory.join(MANIFEST)).ok()?).ok()
}

/// The first executable file of this name on a search path; an absolute path is its own answer.
#[must_use]
pub fn find(command: &str, search_path: &str) -> Option<PathBuf> {
    if Path::new(command).is_absolute() {
        return executable(Path::new(command));
    }
    if command.is_empty() || command.contains('/') {
        return None;
    }
    // An empty or relative entry would mean the working directory, where anybody may have put a program.
    std::env::split_paths(search_path)
        .filter(|directory| directory.is_absolute())
        .find_map(|directory| executable(&directory.join(command)))
}

fn executable(path: &Path) -> Option<PathBuf> {
    let file = std::fs::metadata(path).ok()?;
    (path.is_absolute() && file.is_file() && file.permissions().mode() & 0o111 != 0).then(|| path.to_owned())
}

fn below(directory: &Path, script: &str) -> Result<PathBuf, Missing> {
    if !stays_below(script) {
        return Err(Missing::Outside(script.to_owned()));
    }
    let missing = |_| Missing::Script(script.to_owned());
    let directory = directory.canonicalize().map_err(missing)?;
    let path = directory.join(script).canonicalize().map_err(missing)?;
    if !path.starts_with(&directory) {
        return Err(Missing::Outside(script.to_owned()));
    }
    if path.is_file() { Ok(path) } else { Err(Missing::Script(script.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::super::TypeDefinition;
    use super::{Missing, Places, Program, Runtime, find, locate};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn program(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn script(script: &str) -> TypeDefinition {
        let json = serde_json::json!({"name": "x", "display_name": "X", "server_script": script});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn scripts_are_found_below_the_servers_directory_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let servers = root.join("servers");
        fs::create_dir_all(servers.join("dist")).unwrap();
        for file in ["servers/dist/a.mjs", "secret.mjs"] {
            fs::write(root.join(file), "").unwrap();
        }
        symlink("dist/a.mjs", servers.join("inner.mjs")).unwrap();
        symlink("../secret.mjs", servers.join("outer.mjs")).unwrap();
        program(&root.join("node"), 0o755);
        let places = Places {
            node: root.join("node"),
            servers_dir: servers.clone(),
            search_path: String::new(),
            packages_dir: root.join("packages"),
        };

        let found = Program {
            path: root.join("node"),
            script: Some(servers.join("dist/a.mjs")),
            runtime: Runtime::Node,
        };
        assert_eq!(locate(&script("dist/a.mjs"), &places), Ok(found.clone()));
        assert_eq!(locate(&script("inner.mjs"), &places), Ok(found));
        for (path, error) in [
            ("outer.mjs", Missing::Outside("outer.mjs".into())),
            ("../secret.mjs", Missing::Outside("../secret.mjs".into())),
            ("dist/b.mjs", Missing::Script("dist/b.mjs".into())),
            ("dist", Missing::Script("dist".into())),
        ] {
            let refused = locate(&script(path), &places).unwrap_err();
            assert!(!refused.to_string().contains(root.to_str().unwrap()), "no path of the machine");
            assert_eq!(refused, error);
        }
        fs::remove_file(root.join("node")).unwrap();
        assert_eq!(locate(&script("dist/a.mjs"), &places), Err(Missing::Program("node".into())));
    }

    #[test]
    fn commands_are_found_on_the_search_path_if_they_can_be_executed() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        program(&one.join("tool"), 0o644);
        program(&two.join("tool"), 0o755);
        let search_path = format!("{}::{}", one.display(), two.display());
        assert_eq!(find("tool", &search_path), Some(two.join("tool")));
        assert_eq!(find(two.join("tool").to_str().unwrap(), ""), Some(two.join("tool")));
        assert_eq!(find(one.join("tool").to_str().unwrap(), &search_path), None);
        for command in ["", "two/tool", "../tool", "absent"] {
            assert_eq!(find(command, &search_path), None, "{command}");
        }
    }
}
