//! The audit trail as administrators read it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// One record of the trail. An operation has two with the same `request_id`: one from before its effect, with
/// the result `begun`, and one with what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The request it is about; the answer carries it as `X-Request-Id`. Null for what no request asked for.
    pub request_id: Option<Uuid>,
    /// Who did it.
    pub actor: Actor,
    /// What was done, such as `credential.create`.
    pub action: String,
    /// To what it was done.
    pub object: Option<Object>,
    /// What came of it.
    pub result: AuditResult,
    /// More about it. Never a secret.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub detail: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct Actor {
    /// How they showed who they are.
    pub kind: ActorKind,
    /// The user; for the daemon the one on whose behalf it acted.
    pub user_id: Option<Uuid>,
    /// The API token that was shown.
    pub token_id: Option<Uuid>,
    /// The address that the request came from.
    pub address: Option<String>,
}

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// As a user.
    User,
    /// By the access token of an instance.
    InstanceToken,
    /// Not at all, or not well enough.
    Nobody,
    /// It was the daemon by itself.
    Daemon,
}

/// Something that is acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Object {
    /// What it is, such as `credential`.
    pub kind: String,
    /// Its id or name, as far as it is known.
    pub id: Option<String>,
}

/// What came of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// It is about to be done.
    Begun,
    /// It was done.
    Done,
    /// It was refused, and nothing has changed.
    Refused,
    /// It failed; how far it got is not known.
    Failed,
}

/// A page of the trail, newest first, and whether the whole trail is as it was written. A page may hold fewer
/// records than asked for and still have a `next_cursor`, because each request looks through a bounded part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The records.
    pub items: Vec<AuditRecord>,
    /// What to send as `cursor` for the next page, or null on the last.
    pub next_cursor: Option<String>,
    /// The state of the whole trail, not only of this page.
    pub chain: Chain,
    /// Whether records can be written. While they cannot, operations that need them are refused.
    pub writable: bool,
}

/// Whether a trail is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chain {
    /// Whether nothing is wrong with it.
    pub verified: bool,
    /// The number of the first record that is there; 0 without any.
    pub from_seq: u64,
    /// The number of the last record that is there; 0 without any.
    pub to_seq: u64,
    /// Records whose own code is right.
    pub records: u64,
    /// What is wrong, at most 100 places.
    pub problems: Vec<Finding>,
    /// How many more there are.
    pub more_problems: u64,
}

/// Something that is wrong with the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The first record it is about.
    pub seq: u64,
    /// The last record it is about.
    pub to_seq: u64,
    /// The file.
    pub file: String,
    /// The line of that file, from 1; null if it is about no line.
    pub line: Option<u64>,
    /// The same in words.
    pub detail: String,
}

/// What can be wrong with a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A record is not what was written.
    Changed,
    /// Records are not there.
    Missing,
    /// A record is not at its place.
    Moved,
    /// A record is there once more.
    Repeated,
    /// A line that the daemon did not write, or not there.
    Inserted,
    /// A record of this daemon follows another record than the one before it.
    Detached,
    /// The newest records are not there.
    CutOff,
}
