//! The rows that MiniMCP keeps, one table per file.
//!
//! Plain data: who may write what, and when, is the store's business in the root crate. Columns that hold a
//! word from a fixed set are strings here; the root crate maps them to its enums, so that this crate knows
//! neither processes nor roles. Every timestamp is UTC with microseconds, which is what both databases keep.
//! Ids are UUIDv7: they grow with time, so their order is the order of creation.
//!
//! The derives of the ORM expand to bare names of its prelude, which is why each file imports that whole.

pub mod api_token;
pub mod credential_reminder;
pub mod idempotency_key;
pub mod identity;
pub mod keyring;
pub mod lease_reminder;
pub mod mcp_credential;
pub mod mcp_instance;
pub mod mcp_type;
pub mod setting;
pub mod transition;
pub mod trend;
pub mod user;
pub mod webhook;
pub mod webhook_delivery;
