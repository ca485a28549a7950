//! Everything that touches real processes, files, sockets and databases. Nothing here pauses time.

mod ground;

mod adoption;
mod children;
mod faults;
mod output;
mod store;
