//! What is wrong with something a person wrote: all of it at once, each with the place it is at.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901), such as `/health_check/endpoint`.
    pub pointer: String,
    /// What, in words. Never repeats a secret.
    pub detail: String,
}

/// Everything that is wrong with one thing. Holds at least one fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// What is wrong, in the order of the fields.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.faults.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", fault.pointer, fault.detail)?;
        }
        Ok(())
    }
}

/// Collects faults below one place of a document.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Notes what is wrong at `path`, whose parts are keys and indexes.
    pub(super) fn add(&mut self, path: &[&str], detail: impl Into<String>) {
        let pointer = path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
        self.0.push(Fault { pointer, detail: detail.into() });
    }

    /// Notes what is wrong at `path` unless `holds`.
    pub(super) fn require(&mut self, holds: bool, path: &[&str], detail: &str) {
        if !holds {
            self.add(path, detail);
        }
    }

    /// `value`, if nothing is wrong with it.
    pub(super) fn or<T>(self, value: T) -> Result<T, Invalid> {
        if self.0.is_empty() { Ok(value) } else { Err(Invalid { faults: self.0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;

    #[test]
    fn pointers_escape_what_rfc_6901_escapes() {
        let mut faults = Faults::default();
        faults.add(&["config", "a/b~c"], "odd");
        faults.add(&[], "whole");
        let invalid = faults.or(()).unwrap_err();
        assert_eq!(invalid.faults[0].pointer, "/config/a~1b~0c");
        assert_eq!(invalid.to_string(), "/config/a~1b~0c: odd; : whole");
    }
}
