//! MiniMCP.

pub mod api;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod journal;
pub mod problem;
pub mod store;
pub mod vault;
