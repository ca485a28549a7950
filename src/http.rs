//! HTTP: the accept loop and the management API.

mod head;
mod intake;
mod listener;
mod outgoing;
mod stall;

pub use listener::{Bounds, serve};
pub use outgoing::{BodyError, Outgoing};

pub(crate) use auth::bearer;
pub(crate) use head::sole;
pub(crate) use listener::BUFFER;

mod auth;
