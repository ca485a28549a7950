//! HTTP: the accept loop and the management API.

mod head;
mod intake;
mod json;
mod listener;
mod outgoing;
mod query;
mod stall;
mod throttle;

pub use listener::{Bounds, serve};
pub use outgoing::{BodyError, Outgoing};

pub(crate) use auth::bearer;
pub(crate) use head::sole;
pub(crate) use listener::BUFFER;

mod auth;
