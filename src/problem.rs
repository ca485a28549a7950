//! Every error a caller can get: one stable code each, with its status, and one mapping from each domain
//! error to it.
//!
//! Nothing here shows a path, a statement or a version: what a caller cannot mend is logged where it is
//! found and comes out as `internal`.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use minimcp_actors::message::Refused;
use minimcp_actors::state::Denied;

use crate::api::problem::{FieldError, ProblemDocument};
use crate::catalog::program::Missing;
use crate::catalog::{self, Unreadable};
use crate::provision::ProvisionError;
use crate::store::{Conflict, Noun, StoreError};
use crate::vault::SealError;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident, $word:literal;)*) => {
        /// The kind of a problem: a stable word, a status and a title.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name),* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in the `code` field.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// The HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// The kind in words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON
    MalformedJson = BAD_REQUEST, "malformed_json";
    /// The id is not a UUID
    InvalidId = BAD_REQUEST, "invalid_id";
    /// The query does not hold
    InvalidQuery = BAD_REQUEST, "invalid_query";
    /// A header does not hold
    InvalidHeader = BAD_REQUEST, "invalid_header";
    /// Exactly one Host header is needed
    InvalidHost = BAD_REQUEST, "invalid_host";
    /// The request was not received as it should be
    IncompleteRequest = BAD_REQUEST, "incomplete_request";
    /// No valid token
    Unauthorized = UNAUTHORIZED, "unauthorized";
    /// Not allowed
    Forbidden = FORBIDDEN, "forbidden";
    /// The host is not one of ours
    ForbiddenHost = FORBIDDEN, "forbidden_host";
    /// The origin is not one of ours
    ForbiddenOrigin = FORBIDDEN, "forbidden_origin";
    /// No such route
    RouteNotFound = NOT_FOUND, "route_not_found";
    /// No such instance
    InstanceNotFound = NOT_FOUND, "instance_not_found";
    /// No such user
    UserNotFound = NOT_FOUND, "user_not_found";
    /// No such token
    TokenNotFound = NOT_FOUND, "token_not_found";
    /// No such type
    TypeNotFound = NOT_FOUND, "type_not_found";
    /// No such credential set
    CredentialNotFound = NOT_FOUND, "credential_not_found";
    /// No such actor
    ActorNotFound = NOT_FOUND, "actor_not_found";
    /// No such session
    SessionNotFound = NOT_FOUND, "session_not_found";
    /// The route does not take this method
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed";
    /// Not in time
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout";
    /// The status was not reached in time
    WaitTimeout = REQUEST_TIMEOUT, "wait_timeout";
    /// It exists already
    Exists = CONFLICT, "exists";
    /// The idempotency key was used with another request
    IdempotencyConflict = CONFLICT, "idempotency_conflict";
    /// A request with this idempotency key is under way
    IdempotencyInProgress = CONFLICT, "idempotency_in_progress";
    /// The credential set is in use
    CredentialInUse = CONFLICT, "credential_in_use";
    /// The user still has instances
    UserInUse = CONFLICT, "user_in_use";
    /// It was changed in the meantime
    Changed = CONFLICT, "changed";
    /// The instance is being deleted
    BeingDeleted = CONFLICT, "being_deleted";
    /// The type is in use
    TypeInUse = CONFLICT, "type_in_use";
    /// Only a disconnected instance can be restored
    NotDisconnected = CONFLICT, "not_disconnected";
    /// Only a hibernated instance can be woken
    NotHibernated = CONFLICT, "not_hibernated";
    /// Only a running instance can be hibernated
    NotRunning = CONFLICT, "not_running";
    /// The instance is stopping
    Stopping = CONFLICT, "stopping";
    /// The lease is over
    LeaseEnded = CONFLICT, "lease_ended";
    /// The instance cannot be reached
    InstanceNotServing = GONE, "instance_not_serving";
    /// The body is too large
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large";
    /// The body has to be JSON
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type";
    /// The body holds fields that are not known
    UnknownField = UNPROCESSABLE_ENTITY, "unknown_field";
    /// The body does not hold
    InvalidBody = UNPROCESSABLE_ENTITY, "invalid_body";
    /// The type is not known
    UnknownType = UNPROCESSABLE_ENTITY, "unknown_type";
    /// The program or script of the type is not there
    ScriptNotFound = UNPROCESSABLE_ENTITY, "script_not_found";
    /// The type's servers cannot be reached yet
    LaneNotSupported = UNPROCESSABLE_ENTITY, "lane_not_supported";
    /// The type does not hold
    InvalidType = UNPROCESSABLE_ENTITY, "invalid_type";
    /// The configuration does not hold
    InvalidConfig = UNPROCESSABLE_ENTITY, "invalid_config";
    /// The limits do not hold
    InvalidLimits = UNPROCESSABLE_ENTITY, "invalid_limits";
    /// The type needs a credential set
    CredentialRequired = UNPROCESSABLE_ENTITY, "credential_required";
    /// The credential set is not known
    UnknownCredential = UNPROCESSABLE_ENTITY, "unknown_credential";
    /// The credential set is for another type
    CredentialTypeMismatch = UNPROCESSABLE_ENTITY, "credential_type_mismatch";
    /// A credential field is missing
    CredentialFieldMissing = UNPROCESSABLE_ENTITY, "credential_field_missing";
    /// A credential field is not known
    CredentialFieldUnknown = UNPROCESSABLE_ENTITY, "credential_field_unknown";
    /// A credential field has the wrong type
    CredentialFieldInvalid = UNPROCESSABLE_ENTITY, "credential_field_invalid";
    /// The lease would be over at once
    LeaseInPast = UNPROCESSABLE_ENTITY, "lease_in_past";
    /// The lease would be too long
    LeaseTooLong = UNPROCESSABLE_ENTITY, "lease_too_long";
    /// The lease is given twice
    LeaseAmbiguous = UNPROCESSABLE_ENTITY, "lease_ambiguous";
    /// The lease is missing
    LeaseMissing = UNPROCESSABLE_ENTITY, "lease_missing";
    /// Too many requests
    TooManyRequests = TOO_MANY_REQUESTS, "too_many_requests";
    /// A limit of the user is reached
    QuotaExceeded = TOO_MANY_REQUESTS, "quota_exceeded";
    /// The head of the request is too large
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large";
    /// Something of ours is broken
    Internal = INTERNAL_SERVER_ERROR, "internal";
    /// The server ended before it was ready
    StartFailed = BAD_GATEWAY, "start_failed";
    /// The server was not ready in time
    NeverReady = BAD_GATEWAY, "never_ready";
    /// The server did not answer as it should
    BadUpstream = BAD_GATEWAY, "bad_upstream";
    /// The server took too long
    UpstreamTimeout = GATEWAY_TIMEOUT, "upstream_timeout";
    /// No port is free
    PortsExhausted = SERVICE_UNAVAILABLE, "ports_exhausted";
    /// The instance is not ready yet
    InstanceNotReady = SERVICE_UNAVAILABLE, "instance_not_ready";
    /// The instance is busy
    InstanceBusy = SERVICE_UNAVAILABLE, "instance_busy";
    /// The daemon is shutting down
    ShuttingDown = SERVICE_UNAVAILABLE, "shutting_down";
    /// The daemon is busy or starting
    Unavailable = SERVICE_UNAVAILABLE, "unavailable";
    /// The store cannot be reached
    StoreUnavailable = SERVICE_UNAVAILABLE, "store_unavailable";
    /// The audit trail cannot be written
    AuditUnavailable = SERVICE_UNAVAILABLE, "audit_unavailable";
}

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

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::NotDisconnected(_) => Code::NotDisconnected,
            Denied::NotHibernated(_) => Code::NotHibernated,
            Denied::NotRunning(_) => Code::NotRunning,
            Denied::Stopping => Code::Stopping,
            Denied::LeaseEnded => Code::LeaseEnded,
        };
        Self::new(code, denied.to_string())
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown(_) => Self::no_instance(),
            Refused::Exists(_) => Self::new(Code::Exists, "there is an instance with this id already"),
            Refused::Denied(denied) => denied.into(),
            Refused::PortsExhausted(_) => Self::new(
                Code::PortsExhausted,
                format!("{refused}; end an instance or have the range widened"),
            )
            .retry_after(30),
            Refused::LeaseInThePast(_) => Self::new(Code::LeaseInPast, refused.to_string()),
            Refused::ShuttingDown => {
                Self::new(Code::ShuttingDown, "try again once it is back").retry_after(5)
            }
            Refused::Unavailable => Self::new(Code::Unavailable, refused.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(noun) => match noun {
                Noun::Instance => Self::no_instance(),
                Noun::User => Self::new(Code::UserNotFound, "there is no such user"),
                Noun::Token => Self::new(Code::TokenNotFound, "you have no token with this id"),
                Noun::Type => {
                    Self::new(Code::TypeNotFound, "there is no type of this name; `GET /v1/types` lists them")
                }
                Noun::Credential => Self::new(
                    Code::CredentialNotFound,
                    "you have no credential set with this id; `GET /v1/credentials` lists yours",
                ),
            },
            StoreError::Conflict { what } => what.into(),
            StoreError::LimitReached { .. } => {
                Self::new(Code::QuotaExceeded, format!("{error}; delete or stop what you need no more"))
                    .retry_after(60)
            }
            StoreError::InvalidCursor => {
                Self::new(Code::InvalidQuery, "`cursor` has to be the `next_cursor` of the page before")
            }
            StoreError::Unavailable(_) => {
                Self::new(Code::StoreUnavailable, "servers go on running; try again shortly")
                    .retry_after(5)
                    .because(&error)
            }
            StoreError::UnknownDatabase
            | StoreError::Unsafe { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Rejected(_) => Self::internal(&error),
        }
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        let code = match conflict {
            Conflict::UserName | Conflict::TypeName | Conflict::CredentialName => Code::Exists,
            Conflict::IdempotencyKey => Code::IdempotencyConflict,
            Conflict::UserInUse { .. } => Code::UserInUse,
            Conflict::TypeInUse { .. } => Code::TypeInUse,
            Conflict::CredentialInUse { .. } => Code::CredentialInUse,
            Conflict::CredentialOfOtherType => Code::CredentialTypeMismatch,
            Conflict::Version { .. } => Code::Changed,
            Conflict::BeingDeleted => Code::BeingDeleted,
            Conflict::Deployment => return Self::internal(&conflict),
        };
        Self::new(code, conflict.to_string())
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        Self::internal(&error)
    }
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        Self::internal(&error)
    }
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        let detail = format!("{missing}; an administrator has to install it or change the type");
        Self::at(Code::ScriptNotFound, "/mcp_type", detail)
    }
}

impl From<ProvisionError> for Problem {
    fn from(error: ProvisionError) -> Self {
        match error {
            ProvisionError::NoBridge => Self::at(Code::LaneNotSupported, "/mcp_type", error.to_string()),
            ProvisionError::Rules(invalid) => Self::new(Code::InvalidLimits, invalid.to_string()),
            ProvisionError::Type(unreadable) => unreadable.into(),
            ProvisionError::Instance(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    /// A document that does not hold, with every place of it.
    #[must_use]
    pub fn invalid(code: Code, invalid: catalog::Invalid) -> Self {
        let detail = invalid.to_string();
        let place = |fault: catalog::Fault| FieldError { pointer: fault.pointer, detail: fault.detail };
        Self::new(code, detail).with_errors(invalid.faults.into_iter().map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
