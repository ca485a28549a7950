//! Keeping instances to themselves: what is asked of the kernel for each, and what it grants.

mod confinement;
mod report;

pub use confinement::User;
pub(in crate::launch) use confinement::Confinement;
pub use report::{Layer, LayerReport, Level, Report};
