//! Types whose program is in a package registry, what their configuration may hold, and what they were imported from.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

const COLUMNS: [&str; 3] = ["package", "config_fields", "source"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for name in COLUMNS {
            let column = ColumnDef::new(name).json_binary().to_owned();
            manager.alter_table(Table::alter().table("mcp_types").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in COLUMNS {
            manager.alter_table(Table::alter().table("mcp_types").drop_column(name).to_owned()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
