//! Every kind of problem: a stable word, a status and a title. Words are never changed, because programs
//! decide by them.

use http::StatusCode;

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
    /// No such webhook
    WebhookNotFound = NOT_FOUND, "webhook_not_found";
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
    /// The webhook is disabled
    WebhookDisabled = CONFLICT, "webhook_disabled";
    /// The credentials have expired
    CredentialExpired = CONFLICT, "credential_expired";
    /// The user still has instances
    UserInUse = CONFLICT, "user_in_use";
    /// Nobody would be left to administer
    LastAdministrator = CONFLICT, "last_administrator";
    /// It would lock the caller out
    OwnAccount = CONFLICT, "own_account";
    /// The servers of several users would not be kept apart
    WeakIsolation = CONFLICT, "weak_isolation";
    /// It was changed in the meantime
    Changed = CONFLICT, "changed";
    /// The stored record was changed by something else
    RowAltered = CONFLICT, "row_altered";
    /// What is stored encrypted cannot be opened
    Unreadable = CONFLICT, "unreadable";
    /// The instance is being deleted
    BeingDeleted = CONFLICT, "being_deleted";
    /// The type is in use
    TypeInUse = CONFLICT, "type_in_use";
    /// No registry of MCP servers is configured
    NoRegistry = CONFLICT, "no_registry";
    /// The type names no package
    NoPackage = CONFLICT, "no_package";
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
    /// The type does not hold
    InvalidType = UNPROCESSABLE_ENTITY, "invalid_type";
    /// The configuration does not hold
    InvalidConfig = UNPROCESSABLE_ENTITY, "invalid_config";
    /// What is described cannot run here
    NotImportable = UNPROCESSABLE_ENTITY, "not_importable";
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
    /// Nothing may be sent there
    ForbiddenTarget = UNPROCESSABLE_ENTITY, "forbidden_target";
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
    /// The registry did not answer as it should
    RegistryFailed = BAD_GATEWAY, "registry_failed";
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
    /// The master key cannot be replaced
    KeyFile = SERVICE_UNAVAILABLE, "key_file";
    /// The database is damaged
    StoreDamaged = SERVICE_UNAVAILABLE, "store_damaged";
    /// The disk is full
    StorageFull = INSUFFICIENT_STORAGE, "storage_full";
    /// The audit trail cannot be written
    AuditUnavailable = SERVICE_UNAVAILABLE, "audit_unavailable";
}
