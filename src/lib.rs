//! MiniMCP gives every user their own Model Context Protocol servers: it starts them, keeps them alive inside their
//! limits for as long as asked, and is the authenticated way to them.
//!
//! This crate is the daemon and the command line; supervision itself is [`minimcp_actors`]. The way of a request:
//! [`http`] hears it, [`instances`] writes down what is wanted in the [`store`] and hands it to the supervisor,
//! [`provision`] turns rows into what the supervisor has to know, and [`journal`] writes down what happened.
//! MCP traffic goes through the [`gateway`], which asks no database; [`stdio`] serves those who speak over their
//! standard streams. [`catalog`] knows the types of servers, [`vault`] every secret, [`webhooks`] who wants to be
//! told, [`audit`] who did what, [`traces`] how long it took, [`isolation`] how well servers are kept apart, [`machine`] what there is to share, [`problem`] the words for every
//! refusal, [`runtime`] how it is all brought up and down.
//!
//! # In another program
//!
//! [`Runtime`] is all of it as a handle: a program of one's own starts it, adds types, routes and what stands around
//! its launcher, follows its events and ends it. The programs in `examples/` do this, and tests run them.

pub mod api;
pub mod archive;
pub mod audit;
pub mod bootstrap;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod expiry;
pub mod gateway;
pub mod http;
pub mod instances;
pub mod isolation;
pub mod journal;
pub mod logging;
pub mod machine;
pub mod memory;
pub mod oidc;
pub mod packages;
pub mod problem;
pub mod provision;
mod registry;
mod restore;
pub mod runtime;
pub mod stdio;
pub mod store;
mod tidy;
pub mod traces;
pub mod trends;
pub mod vault;
pub mod webhooks;

pub use runtime::Runtime;
