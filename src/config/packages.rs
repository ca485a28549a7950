//! Where packages of servers come from: the package managers of this machine, and the registry of MCP servers.

use std::path::PathBuf;
use std::time::Duration;

use super::is_trustworthy;
use super::surroundings::Surroundings;
use super::values::Values;

/// The package managers of this machine. Which registries they ask is in their own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSettings {
    /// npm: a name to look for on the search path, or an absolute path.
    pub npm: PathBuf,
    /// The Python that Python packages are installed for and run by: the same.
    pub python: PathBuf,
    /// How long an installation may take.
    pub timeout: Duration,
}

pub(super) fn read(values: &mut Values, surroundings: &Surroundings) -> PackageSettings {
    let program = |text: &str| match text {
        "" => Err("it has to be the name or the path of a program".to_owned()),
        text if text.contains('/') => surroundings.absolute(text),
        text => Ok(text.into()),
    };
    PackageSettings {
        npm: values.read("packages.npm", program),
        python: values.read("packages.python", program),
        timeout: values.duration("packages.timeout", Duration::from_secs(1)..=Duration::from_secs(3_600)),
    }
}

/// The registry of MCP servers that types may be imported from by name, without a slash at the end.
pub(super) fn registry(values: &mut Values) -> Option<String> {
    values.optional("registry.url", |text| {
        let url = url::Url::parse(text).ok().filter(|_| is_trustworthy(text));
        let plain = |url: &url::Url| {
            url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match url.filter(plain) {
            Some(_) => Ok(text.trim_end_matches('/').to_owned()),
            None => {
                Err("a URL that begins with https://, or http:// on this machine, without a login".to_owned())
            }
        }
    })
}
