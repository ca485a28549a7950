//! What is wrong with something a person wrote: all of it at once, each with the place it is at.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort of thing.
    pub kind: FaultKind,
    /// Where, as a JSON pointer (RFC 6901), such as `/health_check/endpoint`.
    pub pointer: String,
    /// What, in words. Never repeats a secret.
    pub detail: String,
}

/// The sorts of things that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Something that has to be there is not.
    Missing,
    /// Something is there that is not known.
    Unknown,
    /// Something is not as it has to be.
    Misfit,
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
    /// Notes what is not as it has to be at `path`, whose parts are keys and indexes.
    pub(super) fn add(&mut self, path: &[&str], detail: impl Into<String>) {
        self.add_kind(FaultKind::Misfit, path, detail);
    }

    /// Notes something of a certain kind at `path`.
    pub(super) fn add_kind(&mut self, kind: FaultKind, path: &[&str], detail: impl Into<String>) {
        let pointer =
            path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
        self.0.push(Fault { kind, pointer, detail: detail.into() });
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
