//! The keys of the data, and what proves that nobody else changed a row that gives somebody a right.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, ForeignKey, ForeignKeyAction, Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

/// The tables whose rows give somebody a right.
const PROTECTED: [&str; 4] = ["users", "api_tokens", "mcp_credentials", "mcp_instances"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("keyring")
                    .col(ColumnDef::new("id").string_len(32).not_null().primary_key())
                    .col(ColumnDef::new("purpose").string_len(16).not_null())
                    .col(ColumnDef::new("user_id").uuid())
                    .col(ColumnDef::new("wrapped").blob().not_null())
                    .col(ColumnDef::new("kek_id").string_len(16).not_null())
                    .col(ColumnDef::new("seals").big_integer().not_null())
                    .col(ColumnDef::new("active").boolean().not_null())
                    .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_keyring_user")
                            .from("keyring", "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(Index::create().name("ix_keyring_user").table("keyring").col("user_id").to_owned())
            .await?;
        // An empty proof holds for no row, so one that was there before is refused.
        for table in PROTECTED {
            let column = ColumnDef::new("mac").var_binary(32).not_null().default(Vec::<u8>::new()).to_owned();
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        let column = ColumnDef::new("key_id").string_len(32).not_null().default("").to_owned();
        manager.alter_table(Table::alter().table("idempotency_keys").add_column(column).to_owned()).await?;
        for table in ["mcp_credentials", "idempotency_keys"] {
            let name = format!("ix_{table}_key");
            let index = Index::create().name(name).table(table).col("key_id").to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["mcp_credentials", "idempotency_keys"] {
            let name = format!("ix_{table}_key");
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        manager
            .alter_table(Table::alter().table("idempotency_keys").drop_column("key_id").to_owned())
            .await?;
        for table in PROTECTED {
            manager.alter_table(Table::alter().table(table).drop_column("mac").to_owned()).await?;
        }
        manager.drop_table(Table::drop().table("keyring").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
