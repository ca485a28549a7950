//! Supervision of child processes as actors.
pub mod launch;
pub mod lifecycle;
pub mod message;
pub mod policy;
pub mod routes;
pub mod snapshot;
pub mod state;
