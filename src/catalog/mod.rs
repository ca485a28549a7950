//! The types of servers: what a recipe may say, and how recipe, configuration and credentials become a process.
//!
//! Everything here is pure but [`program`], which looks at files. No request names a program, an argument or a
//! variable: those come from a type, and types come from administrators.

pub mod config;
pub mod credentials;
mod definition;
mod fault;
mod fields;
pub mod manifest;
mod package;
pub mod plan;
pub mod program;
mod row;
mod seeds;
mod template;
mod validate;
pub mod variables;

pub use definition::{
    ConfigField, ConfigKind, CredentialFields, CredentialHandover, CredentialsExposure, FieldType,
    HealthCheck, HealthKind, Lane, Malformed, ResourceLimits, Source, TypeDefinition,
};
pub use fault::{Fault, FaultKind, Invalid};
pub use package::{Package, PackageRegistry};
pub use row::Unreadable;
pub use seeds::seeds;
