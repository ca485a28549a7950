//! Everything that touches real processes, files, sockets and databases. Nothing here pauses time.

#[cfg(test)]
mod store;
