//! The schema of MiniMCP's store, as a history of steps with up and down.
//!
//! A step that was released is never edited; a change is a new step. Steps name tables and columns by string
//! and never import the entities, because those describe the schema of today and a step that of its day.
//! Everything here runs on SQLite and on PostgreSQL, each step in one transaction.

mod m20261122_000001_users;
mod m20261122_000002_types;
mod m20261122_000003_instances;
mod m20261122_000004_deployment;
mod m20261122_000005_keyring;
mod m20261122_000006_identities;
mod m20261122_000007_handover;
mod m20261122_000008_credential_expiry;
mod m20261122_000009_stdio_sessions;
mod m20261122_000010_packages;
mod m20261122_000011_webhooks;
mod m20261122_000012_trends;

use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::MigratorTrait;

/// All steps, in the order they are taken.
#[derive(Debug)]
pub struct Migrator;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_users::Migration),
            Box::new(m20261122_000002_types::Migration),
            Box::new(m20261122_000003_instances::Migration),
            Box::new(m20261122_000004_deployment::Migration),
            Box::new(m20261122_000005_keyring::Migration),
            Box::new(m20261122_000006_identities::Migration),
            Box::new(m20261122_000007_handover::Migration),
            Box::new(m20261122_000008_credential_expiry::Migration),
            Box::new(m20261122_000009_stdio_sessions::Migration),
            Box::new(m20261122_000010_packages::Migration),
            Box::new(m20261122_000011_webhooks::Migration),
            Box::new(m20261122_000012_trends::Migration),
        ]
    }
}
