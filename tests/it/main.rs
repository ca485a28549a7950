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
mod collector;
mod corner;
mod dashboard;
mod deploy;
mod diagnose;
mod examples;
mod faults;
mod gateway;
mod handover;
mod hogs;
mod http_edge;
mod importing;
mod instances_api;
mod isolation;
mod logs_api;
mod oidc;
mod openapi;
mod operating;
mod output;
mod packages;
mod process;
mod receiver;
mod replacement;
mod stdio;
#[cfg(test)]
mod store;
mod terminal;
mod traces;
mod transcripts;
mod tree;
mod users_api;
mod watching;
mod webhooks;
