//! What the process finds around itself: where it stands, what its environment says, where programs are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use zeroize::Zeroizing;

/// What the process finds around itself. A value, so that tests can make one up.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The working directory.
    pub working_dir: PathBuf,
    /// The running program, where known.
    pub executable: Option<PathBuf>,
    /// The variables whose names begin with `MINIMCP_`.
    pub environment: BTreeMap<String, String>,
    /// The `PATH`.
    pub search_path: Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                if name.as_bytes().starts_with(b"MINIMCP_MASTER_KEY") {
                    // No setting, and this copy of it is wiped.
                    drop(Zeroizing::new(value.into_vec()));
                    return None;
                }
                Some((name.into_string().ok()?, value.into_string().ok()?))
            })
            .filter(|(name, _)| name.starts_with("MINIMCP_"))
            .collect();
        Self {
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            executable: std::env::current_exe().ok(),
            environment,
            search_path: std::env::var_os("PATH"),
        }
    }

    pub(super) fn absolute(&self, text: &str) -> Result<PathBuf, String> {
        Ok(self.working_dir.join(text).components().collect())
    }

    /// A program by path or by name.
    pub(super) fn program(&self, text: &str) -> Result<PathBuf, String> {
        if text.contains('/') {
            return self.absolute(text);
        }
        self.search(text).ok_or_else(|| format!("there is no program `{text}` on the PATH; give its path"))
    }

    fn search(&self, name: &str) -> Option<PathBuf> {
        let path = self.search_path.as_deref()?;
        std::env::split_paths(path).map(|dir| dir.join(name)).find(|file| file.is_file())
    }

    /// `mcp-servers` beside the working directory's files, or beside the executable or above it.
    fn servers_dir(&self) -> PathBuf {
        let here = self.working_dir.join("mcp-servers");
        let above = self.executable.iter().flat_map(|program| program.ancestors().skip(1).take(4));
        let near = above.flat_map(|dir| [dir.join("mcp-servers"), dir.join("share/minimcp/mcp-servers")]);
        std::iter::once(here.clone()).chain(near).find(|dir| dir.is_dir()).unwrap_or(here)
    }

    pub(super) fn default_of(&self, key: &str, fixed: &str) -> String {
        match key {
            "servers-dir" => self.servers_dir().display().to_string(),
            // A missing Node is no mistake of the configuration: other types may need none.
            "node" => self.search("node").unwrap_or_else(|| "/usr/bin/node".into()).display().to_string(),
            _ => fixed.into(),
        }
    }
}
