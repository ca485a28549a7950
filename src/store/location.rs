//! Where the database is.

use std::fmt;
use std::path::PathBuf;

use super::StoreError;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file, made on first use.
    Sqlite(PathBuf),
    /// A `postgres://` URL, which may hold a password.
    Postgres(String),
}

impl Location {
    /// From a URL: `sqlite:PATH`, `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// [`StoreError::UnknownDatabase`] for any other. The words never repeat the URL.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")) {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreError::UnknownDatabase),
        }
    }
}

impl fmt::Debug for Location {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Location {
    /// The path, or the host and the database; never user, password or parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let host = url::Url::parse(url).ok();
                let host = host.as_ref().and_then(|url| Some((url.host_str()?, url.path())));
                match host {
                    Some((host, path)) => write!(f, "postgres://{host}{path}"),
                    None => f.write_str("postgres://"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn sqlite_and_postgres_urls_are_told_apart_and_others_refused() {
        assert_eq!(Location::parse("sqlite://a/b.db").unwrap(), Location::Sqlite("a/b.db".into()));
        assert_eq!(Location::parse("sqlite:/b.db").unwrap(), Location::Sqlite("/b.db".into()));
        assert!(matches!(Location::parse("postgresql://h/d").unwrap(), Location::Postgres(_)));
        for url in ["mysql://h/d", "sqlite:", "sqlite://", "/b.db", ""] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let location = Location::parse("postgres://joe:pa55@db.example:5432/mini?password=pa55").unwrap();
        assert_eq!(
            format!("{location} {location:?}"),
            "postgres://db.example/mini postgres://db.example/mini"
        );
    }
}
