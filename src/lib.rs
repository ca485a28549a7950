//! Placeholder while the workspace is laid out.

pub mod catalog;
pub mod store;
