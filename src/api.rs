//! The JSON that callers send and get, one resource per file. The HTTP side and the command line share these
//! types, and the OpenAPI document is made from them, so that the three cannot disagree.
//!
//! Field names are `snake_case`, timestamps RFC 3339 in UTC, ids UUIDv7, durations in the unit their name
//! ends with. Requests refuse fields they do not know.

pub mod actor;
pub mod audit;
pub mod client_config;
pub mod credential;
pub mod diagnosis;
pub mod event;
pub mod import;
pub mod instance;
pub mod isolation;
pub mod key;
pub mod mcp_type;
pub mod me;
pub mod problem;
pub mod readiness;
pub mod stats;
pub mod user;
pub mod webhook;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the order of their creation.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page, or null on the last.
    pub next_cursor: Option<String>,
}
