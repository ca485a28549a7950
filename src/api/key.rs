//! The keys that everything secret is encrypted under. Never a key itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The state of the keys, and a page of the data keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// The id of the master key that every data key is wrapped under.
    pub master_key_id: String,
    /// Where the master key is: the daemon's own file, another file, or the variable.
    pub master_key_place: String,
    /// The master key that the next rotation moves to, where it is given already.
    pub next_master_key_id: Option<String>,
    /// The rotation that is under way; null if none is.
    pub rotation: Option<RotationProgress>,
    /// How many records are encrypted: credential sets and remembered answers.
    pub records: u64,
    /// Data keys.
    pub items: Vec<DataKey>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationProgress {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How many records are still under an old key.
    pub records_left: u64,
    /// How many users still have an old key.
    pub users_left: u64,
}

/// A data key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataKey {
    /// The key. Credential sets name it in `key_id`.
    pub id: String,
    /// `user`, or `pepper`, `audit` or `rows` of the whole deployment.
    pub purpose: String,
    /// Whose records it encrypts.
    pub user_id: Option<Uuid>,
    /// Whether new records are encrypted under it.
    pub active: bool,
    /// The id of the master key that it is wrapped under.
    pub master_key_id: String,
    /// How many records were ever encrypted under it; a new one is made long before 4,294,967,296.
    pub seals: u64,
    /// How many records are encrypted under it now.
    pub records: u64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}
