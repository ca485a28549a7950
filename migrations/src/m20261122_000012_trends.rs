//! What instances used over time, at falling resolution.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, ForeignKey, ForeignKeyAction, Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("trends")
                    .col(ColumnDef::new("instance_id").uuid().not_null())
                    .col(ColumnDef::new("step_seconds").integer().not_null())
                    .col(ColumnDef::new("begins_at").big_integer().not_null())
                    .col(ColumnDef::new("points").blob().not_null())
                    .primary_key(Index::create().col("instance_id").col("step_seconds").col("begins_at"))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_trends_instance")
                            .from("trends", "instance_id")
                            .to("mcp_instances", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_trends_age")
                    .table("trends")
                    .col("step_seconds")
                    .col("begins_at")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("trends").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
