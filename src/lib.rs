//! MiniMCP.

pub mod api;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod instances;
pub mod journal;
pub mod problem;
pub mod provision;
pub mod store;
pub mod vault;
