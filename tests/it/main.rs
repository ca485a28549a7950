//! Everything that touches real processes, files, sockets and databases. Nothing here pauses time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test needs and does not get is its failure")]

mod daemon;
mod ground;
mod shell;

mod adoption;
mod adoption_status;
mod architecture;
mod audit;
mod authorization;
mod children;
mod cli;
mod deploy;
mod faults;
mod gateway;
mod handover;
mod hogs;
mod http_edge;
mod instances_api;
mod oidc;
mod openapi;
mod output;
mod process;
mod replacement;
#[cfg(test)]
mod store;
mod tree;
mod users_api;
