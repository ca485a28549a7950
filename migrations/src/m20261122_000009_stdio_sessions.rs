//! Who has a process of their own among the clients of a server on standard streams.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("sessions").string_len(16).not_null().default("per_session").to_owned();
        manager.alter_table(Table::alter().table("mcp_types").add_column(column).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("mcp_types").drop_column("sessions").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
