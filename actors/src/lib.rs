//! Supervision of child processes as actors: restarts, health, limits, leases, adoption. It knows no database and
//! no HTTP server.
//!
//! To read it, begin with [`state`] (the nouns) and [`lifecycle`] (the verbs): they are pure and decide everything.
//! [`policy`] holds the rules an instance lives by. [`launch`] is the seam to what executes processes, with the
//! launcher for this machine in [`launch::local`]. [`Supervision`] is the handle that a program uses; [`snapshot`]
//! and [`routes`] are what it may read at any time.
//!
//! A program that supervises begins its `main` with [`launch::gate::entry`], starts an [`ActorThread`] with a
//! launcher, and hands [`launch::Spec`]s to [`Supervision::create`]. `examples/supervise.rs` is a whole one.
//!
//! # What is promised
//!
//! - At most one process per instance, and none once the instance has ended: an end is reported when its whole
//!   tree is gone, whatever has left its session, and its control group is removed.
//! - Every report and timer carries the number of its run. What an old run says late changes nothing.
//! - Between actors every queue is bounded and every failure to send is seen.
//! - A panic in the actor of one instance ends that instance's process tree and is an exit like another.
//! - Processes outlive this program unless [`Supervision::shutdown`] ends them, and [`Supervision::recover`] finds
//!   them again.
//!
//! # What is not
//!
//! - Without control groups a process that clears its environment, leaves its session and whose parents have gone is
//!   not found.
//! - The exit status of a process that was adopted is [`state::Exit::Unknown`] before Linux 6.15.
pub mod clock;
mod corner;
#[cfg(feature = "fake")]
pub mod fake;
mod instance;
pub mod launch;
pub mod lifecycle;
pub mod message;
pub mod meter;
pub mod policy;
mod ports;
pub mod recovery;
pub mod routes;
mod sampler;
pub mod snapshot;
pub mod state;
mod status;
mod supervision;
mod supervisor;
mod system;
mod timers;

pub use supervision::Supervision;
pub use supervisor::Config;
pub use system::{ActorThread, start};
