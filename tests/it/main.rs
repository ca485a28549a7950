//! Everything that touches real processes, files, sockets and databases. Nothing here pauses time.

mod daemon;
mod ground;

mod adoption;
mod children;
mod faults;
mod gateway;
mod http_edge;
mod instances_api;
mod openapi;
mod output;
mod process;
#[cfg(test)]
mod store;
