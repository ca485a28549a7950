//! Types of servers and the credential sets for them.

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
                    .table("mcp_types")
                    .col(ColumnDef::new("name").string_len(63).not_null().primary_key())
                    .col(ColumnDef::new("display_name").string_len(255).not_null())
                    .col(ColumnDef::new("description").text().not_null())
                    .col(ColumnDef::new("lane").string_len(16).not_null())
                    .col(ColumnDef::new("server_script").text())
                    .col(ColumnDef::new("command").text())
                    .col(ColumnDef::new("args").json_binary().not_null())
                    .col(ColumnDef::new("mcp_path").text().not_null())
                    .col(ColumnDef::new("config_template").json_binary().not_null())
                    .col(ColumnDef::new("config_locked").json_binary().not_null())
                    .col(ColumnDef::new("required_auth").string_len(63).not_null())
                    .col(ColumnDef::new("required_scopes").json_binary().not_null())
                    .col(ColumnDef::new("capabilities").json_binary().not_null())
                    .col(ColumnDef::new("credential_fields").json_binary().not_null())
                    .col(ColumnDef::new("resource_limits").json_binary().not_null())
                    .col(ColumnDef::new("health_check").json_binary().not_null())
                    .col(ColumnDef::new("env").json_binary().not_null())
                    .col(ColumnDef::new("env_map").json_binary().not_null())
                    .col(ColumnDef::new("warm").integer().not_null())
                    .col(ColumnDef::new("stateful").boolean().not_null())
                    .col(ColumnDef::new("builtin").boolean().not_null())
                    .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new("updated_at").timestamp_with_time_zone().not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("mcp_credentials")
                    .col(ColumnDef::new("id").uuid().not_null().primary_key())
                    .col(ColumnDef::new("user_id").uuid().not_null())
                    .col(ColumnDef::new("mcp_type").string_len(63).not_null())
                    .col(ColumnDef::new("name").string_len(255).not_null())
                    .col(ColumnDef::new("sealed").blob().not_null())
                    .col(ColumnDef::new("key_id").string_len(32).not_null())
                    .col(ColumnDef::new("hint").string_len(8))
                    .col(ColumnDef::new("field_names").json_binary().not_null())
                    .col(ColumnDef::new("version").big_integer().not_null())
                    .col(ColumnDef::new("expires_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new("updated_at").timestamp_with_time_zone().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_mcp_credentials_user")
                            .from("mcp_credentials", "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_mcp_credentials_type")
                            .from("mcp_credentials", "mcp_type")
                            .to("mcp_types", "name")
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ux_mcp_credentials_name")
                    .table("mcp_credentials")
                    .col("user_id")
                    .col("mcp_type")
                    .col("name")
                    .unique()
                    .to_owned(),
            )
            .await?;
        for (name, column) in
            [("ix_mcp_credentials_user", "user_id"), ("ix_mcp_credentials_type", "mcp_type")]
        {
            manager
                .create_index(
                    Index::create().name(name).table("mcp_credentials").col(column).col("id").to_owned(),
                )
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("mcp_credentials").to_owned()).await?;
        manager.drop_table(Table::drop().table("mcp_types").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
