//! Supervision of child processes as actors.
#[cfg(feature = "fake")]
pub mod fake;
mod instance;
pub mod launch;
pub mod lifecycle;
pub mod message;
pub mod meter;
pub mod policy;
mod ports;
pub mod routes;
mod sampler;
pub mod snapshot;
pub mod state;
mod supervision;
mod supervisor;
mod system;
mod timers;

pub use supervision::Supervision;
pub use supervisor::Config;
pub use system::{ActorThread, start};
