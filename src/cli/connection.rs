//! Where the daemon is and who we are to it: from the command line and the environment, and on the daemon's
//! own machine from its data directory.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use url::Url;

use super::failure::Failure;
use crate::config;

/// The options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Globals {
    /// Print JSON as the API gives it, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Where the daemon is [default: what the data directory says, else http://127.0.0.1:7878]
    #[arg(long, global = true, value_name = "URL", env = "MINIMCP_URL", help_heading = "Connection")]
    pub(crate) url: Option<String>,
    /// The daemon's data directory, when it is on this machine [default: ./data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Connection")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Where the daemon is and who we are to it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Its base URL, without a slash at the end.
    pub(crate) url: String,
    /// The API token, where there is one.
    pub(crate) token: Option<SecretString>,
    /// Why there is no token, in words.
    pub(crate) no_token: Option<String>,
    /// The data directory of this machine's daemon, whether it exists or not.
    pub(crate) data_dir: PathBuf,
}

const DEFAULT_URL: &str = "http://127.0.0.1:7878";
/// The file in the data directory that holds the administrator's token.
pub(crate) const TOKEN_FILE: &str = "admin.token";
/// The file in the data directory that says where the daemon listens.
pub(crate) const URL_FILE: &str = "daemon.url";

impl Connection {
    /// Looks everywhere.
    ///
    /// # Errors
    /// A URL that is none.
    pub(crate) fn find(globals: &Globals) -> Result<Self, Failure> {
        Self::of(globals, data_dir(globals), std::env::var("MINIMCP_TOKEN").ok())
    }

    fn of(globals: &Globals, data_dir: PathBuf, token: Option<String>) -> Result<Self, Failure> {
        let known = read(&data_dir.join(URL_FILE)).ok();
        let url = checked(globals.url.as_deref().or(known.as_deref()).unwrap_or(DEFAULT_URL))?;
        let file = data_dir.join(TOKEN_FILE);
        let given = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        let (token, no_token) = match given {
            Some(token) => (Some(token), None),
            // The administrator's token of this machine is nobody else's business.
            None if !is_local(&url, known.as_deref()) => {
                (None, Some(format!("{url} is not the daemon of this data directory")))
            }
            None => match read(&file) {
                Ok(token) => (Some(token), None),
                Err(error) => (None, Some(format!("{}: {error}", file.display()))),
            },
        };
        Ok(Self { url, token: token.map(SecretString::from), no_token, data_dir })
    }

    /// Whether what we send can be read on the way.
    pub(crate) fn in_the_clear(&self) -> bool {
        Url::parse(&self.url).is_ok_and(|url| url.scheme() == "http") && !is_loopback(&self.url)
    }
}

/// The data directory that a daemon started here with these options would use.
fn data_dir(globals: &Globals) -> PathBuf {
    let flags = config::Flags { data_dir: globals.data_dir.clone(), ..config::Flags::default() };
    match config::load(&flags) {
        Ok(loaded) => loaded.settings.data_dir,
        // Mistakes in the daemon's configuration are told by `serve` and `doctor`; a client can do without.
        Err(_) => {
            let variable = std::env::var_os("MINIMCP_DATA_DIR").map(PathBuf::from);
            globals.data_dir.clone().or(variable).unwrap_or_else(|| "data".into())
        }
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    match text.trim() {
        "" => Err(std::io::Error::other("it is empty")),
        text => Ok(text.to_owned()),
    }
}

fn checked(text: &str) -> Result<String, Failure> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => {
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
        _ => Err(Failure::usage(format!("`{text}` is no URL of a daemon"))
            .next(format!("give one such as {DEFAULT_URL} in --url or MINIMCP_URL"))),
    }
}

/// Whether this is the daemon of the data directory. Another port of this machine may be another user's.
fn is_local(url: &str, known: Option<&str>) -> bool {
    match known.and_then(|known| checked(known).ok()) {
        Some(known) if is_loopback(&known) => is_loopback(url) && port(url) == port(&known),
        Some(known) => url == known || is_loopback(url),
        None => is_loopback(url),
    }
}

fn port(url: &str) -> Option<u16> {
    Url::parse(url).ok()?.port_or_known_default()
}

/// Whether a URL leads to this machine over the loopback interface.
pub(crate) fn is_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn found(url: Option<&str>, files: &[(&str, &str)], token: Option<&str>) -> Result<Connection, Failure> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let globals = Globals { url: url.map(str::to_owned), ..Globals::default() };
        Connection::of(&globals, dir.path().into(), token.map(str::to_owned))
    }

    fn token(connection: &Connection) -> Option<&str> {
        connection.token.as_ref().map(ExposeSecret::expose_secret)
    }

    #[test]
    fn the_data_directory_tells_where_the_daemon_is_and_who_we_are() {
        let here = found(None, &[(URL_FILE, "http://127.0.0.1:9\n"), (TOKEN_FILE, "local\n")], None).unwrap();
        assert_eq!((here.url.as_str(), token(&here)), ("http://127.0.0.1:9", Some("local")));
        let nothing = found(None, &[], None).unwrap();
        assert_eq!((nothing.url.as_str(), token(&nothing)), (DEFAULT_URL, None));
        assert!(nothing.no_token.unwrap().contains(TOKEN_FILE));
        let given = found(Some("http://localhost:1/"), &[(TOKEN_FILE, "local")], Some(" mine ")).unwrap();
        assert_eq!((given.url.as_str(), token(&given)), ("http://localhost:1", Some("mine")));
    }

    #[test]
    fn the_local_token_never_goes_to_another_machine() {
        let files = [(URL_FILE, "https://mcp.example.org"), (TOKEN_FILE, "local")];
        assert_eq!(token(&found(Some("https://mcp.example.org/"), &files, None).unwrap()), Some("local"));
        let other = found(Some("http://evil.example.org"), &files, None).unwrap();
        assert_eq!(token(&other), None);
        assert!(other.in_the_clear());
        assert_eq!(token(&found(Some("http://localhost.example.org"), &files, None).unwrap()), None);
        let files = [(URL_FILE, "http://127.0.0.1:7000"), (TOKEN_FILE, "local")];
        assert_eq!(token(&found(Some("http://localhost:7000"), &files, None).unwrap()), Some("local"));
        assert_eq!(token(&found(Some("http://127.0.0.1:7001"), &files, None).unwrap()), None);
    }

    #[test]
    fn what_is_no_url_is_wrong_use() {
        for text in ["127.0.0.1:7878", "ftp://x", "", "http://"] {
            let failure = found(Some(text), &[], None).unwrap_err();
            assert_eq!(failure.exit_code(), std::process::ExitCode::from(2), "{text}");
        }
    }
}
