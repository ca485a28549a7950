//! Every error a caller can get: one stable code each, with its status, and one mapping from each domain
//! error to it.
//!
//! Nothing here shows a path, a statement or a version: what a caller cannot mend is logged where it is
//! found and comes out as `internal`.

mod code;
mod mapping;

use std::error::Error;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::api::problem::{FieldError, ProblemDocument};

pub use code::Code;

/// An error on its way to a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    cause: Option<String>,
}

/// What led to a problem, for the log. Travels with the answer and not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForTheLog(pub(crate) String);

impl Problem {
    /// A problem of this kind; `detail` says what went wrong this time and what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        };
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after, cause: None }
    }

    /// A problem with one place of the body.
    #[must_use]
    pub fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let error = FieldError { pointer: pointer.into(), detail: detail.clone() };
        Self::new(code, detail).with_errors(vec![error])
    }

    /// The same with what is wrong place by place.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The same with the seconds after which a new try is worth while.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// There is no such instance, or it is none of the caller's business.
    #[must_use]
    pub fn no_instance() -> Self {
        Self::new(
            Code::InstanceNotFound,
            "you have no instance with this id; `GET /v1/instances` lists yours",
        )
    }

    /// Something of ours is broken. The cause is for the log, not for the caller.
    #[must_use]
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        Self::new(Code::Internal, "the daemon could not do this; its log says why").because(cause)
    }

    /// The same with what led to it, for the log.
    #[must_use]
    pub fn because(mut self, cause: &(dyn Error + 'static)) -> Self {
        let mut words = cause.to_string();
        let mut next = cause.source();
        while let Some(cause) = next {
            words.push_str(": ");
            words.push_str(&cause.to_string());
            next = cause.source();
        }
        self.cause = Some(words);
        self
    }

    /// The kind.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What went wrong this time.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The body of the answer.
    #[must_use]
    pub fn document(&self) -> ProblemDocument {
        ProblemDocument {
            kind: format!("urn:minimcp:problem:{}", self.code.as_str()),
            title: self.code.title().into(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().into(),
            errors: self.errors.clone(),
        }
    }

    /// The whole answer. Never to be stored: it may hold words about one caller's things.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let body = serde_json::to_vec(&self.document()).expect("a problem document is plain data");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.code.status();
        response.extensions_mut().insert(self.code);
        if let Some(cause) = &self.cause {
            response.extensions_mut().insert(ForTheLog(cause.clone()));
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == Code::Unauthorized {
            // No metadata and no scope: either would make MCP clients look for OAuth and drop their token.
            let challenge = HeaderValue::from_static("Bearer realm=\"minimcp\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl warp::Reply for Problem {
    fn into_response(self) -> warp::reply::Response {
        warp::Reply::into_response(self.response())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use minimcp_actors::message::Refused;
    use minimcp_actors::state::Denied;

    use super::*;

    #[test]
    fn every_code_is_a_word_of_its_own_with_an_error_status_and_a_title() {
        let words: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(!code.title().is_empty() && !code.title().ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn a_problem_is_a_document_with_the_headers_its_status_needs() {
        let response = Problem::from(Refused::PortsExhausted(3)).response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "30");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let document: ProblemDocument = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(document.code, "ports_exhausted");
        assert_eq!(document.status, 503);
        assert!(document.detail.contains("all 3 ports"), "{}", document.detail);

        let challenge = Problem::new(Code::Unauthorized, "").response();
        assert_eq!(challenge.headers()["www-authenticate"], "Bearer realm=\"minimcp\"");
        let busy = Problem::new(Code::TooManyRequests, "").response();
        assert_eq!(busy.headers()["retry-after"], "1");
    }

    #[test]
    fn refusals_of_the_lifecycle_are_conflicts_with_their_own_codes() {
        use minimcp_actors::state::Status;
        for (denied, code) in [
            (Denied::NotDisconnected(Status::Running), "not_disconnected"),
            (Denied::NotHibernated(Status::Running), "not_hibernated"),
            (Denied::NotRunning(Status::Stopped), "not_running"),
            (Denied::Stopping, "stopping"),
            (Denied::LeaseEnded, "lease_ended"),
        ] {
            let problem = Problem::from(Refused::Denied(denied));
            assert_eq!((problem.code().as_str(), problem.code().status()), (code, StatusCode::CONFLICT));
        }
    }
}
