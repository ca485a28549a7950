//! How a command ends when it cannot do what it was asked: what went wrong, where, and what to do next.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::api::problem::{FieldError, ProblemDocument};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    what: String,
    code: Option<String>,
    places: Vec<FieldError>,
    next: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Refused or failed.
    Failed,
    /// The command line was wrong.
    Usage,
    /// The daemon is set up in a way that it cannot run with; EX_CONFIG of sysexits.h.
    Setup,
    /// Whoever read our output has enough. Nothing went wrong.
    OutputClosed,
}

impl Failure {
    /// It was refused or it failed.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, what: what.into(), code: None, places: Vec::new(), next: Vec::new() }
    }

    /// The command line was wrong in a way that only shows past its grammar.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::new(what) }
    }

    /// The daemon cannot run as it is set up, and starting it again will not help.
    pub(crate) fn setup(what: impl Into<String>) -> Self {
        Self { kind: Kind::Setup, ..Self::new(what) }
    }

    /// The daemon refused with this document.
    pub(crate) fn problem(problem: ProblemDocument) -> Self {
        let what = if problem.detail.is_empty() { problem.title } else { problem.detail };
        Self { code: Some(problem.code), places: problem.errors, ..Self::new(what) }
    }

    /// The same with one more thing to do next.
    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }

    /// The daemon's word for the problem, such as `instance_not_found`.
    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What went wrong, without what to do next.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Whether there is nothing to tell anyone.
    pub(crate) fn is_silent(&self) -> bool {
        self.kind == Kind::OutputClosed
    }

    /// 1 for refused or failed, 2 for wrong use, 78 for a set-up that cannot work.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::Setup => ExitCode::from(78),
            Kind::OutputClosed => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        for place in &self.places {
            // One place whose words are the whole problem adds only where it is.
            if place.detail == self.what {
                write!(f, "\n  at {}", place.pointer)?;
            } else {
                write!(f, "\n  at {}: {}", place.pointer, place.detail)?;
            }
        }
        for step in &self.next {
            write!(f, "\n  next: {step}")?;
        }
        Ok(())
    }
}

/// For writes to the output only; every other error is given its own words where it happens.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { kind: Kind::OutputClosed, ..Self::new("") };
        }
        Self::new(format!("the output could not be written: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_detail_its_code_every_place_and_what_to_do() {
        let failure = Failure::problem(ProblemDocument {
            kind: "urn:minimcp:problem:invalid_body".into(),
            title: "The body does not hold".into(),
            status: 422,
            detail: "two fields do not hold".into(),
            code: "invalid_body".into(),
            errors: vec![
                FieldError { pointer: "/name".into(), detail: "it is too long".into() },
                FieldError { pointer: "/config".into(), detail: "two fields do not hold".into() },
            ],
        })
        .next("minimcp create --help");
        assert_eq!(
            failure.to_string(),
            "error: two fields do not hold (invalid_body)\n  at /name: it is too long\n  at /config\n  \
             next: minimcp create --help"
        );
    }

    #[test]
    fn only_a_closed_output_is_silent() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(closed.is_silent());
        assert_eq!(closed.exit_code(), ExitCode::SUCCESS);
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(!full.is_silent());
        assert_eq!(full.exit_code(), ExitCode::from(1));
        assert_eq!(Failure::usage("no").exit_code(), ExitCode::from(2));
    }
}
