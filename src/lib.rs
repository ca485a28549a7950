//! MiniMCP.

pub mod api;
pub mod bootstrap;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod gateway;
pub mod http;
pub mod instances;
pub mod journal;
pub mod logging;
pub mod problem;
pub mod provision;
mod restore;
pub mod runtime;
pub mod store;
pub mod vault;
