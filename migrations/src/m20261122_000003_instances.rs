//! Instances and the history of their statuses.
//!
//! Neither a user, a type nor a credential set can go while an instance leans on it, because its process
//! would live on without an owner; an instance takes its own history along.

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
                    .table("mcp_instances")
                    .col(ColumnDef::new("id").uuid().not_null().primary_key())
                    .col(ColumnDef::new("user_id").uuid().not_null())
                    .col(ColumnDef::new("mcp_type").string_len(63).not_null())
                    .col(ColumnDef::new("credential_id").uuid())
                    .col(ColumnDef::new("name").string_len(255))
                    .col(ColumnDef::new("config").json_binary().not_null())
                    .col(ColumnDef::new("debug").boolean().not_null())
                    .col(ColumnDef::new("restart").json_binary())
                    .col(ColumnDef::new("limits").json_binary())
                    .col(ColumnDef::new("idle_timeout_seconds").big_integer())
                    .col(ColumnDef::new("desired").string_len(16).not_null())
                    .col(ColumnDef::new("status").string_len(16).not_null())
                    .col(ColumnDef::new("cause").string_len(32))
                    .col(ColumnDef::new("status_reason").text())
                    .col(ColumnDef::new("generation").big_integer().not_null())
                    .col(ColumnDef::new("process_id").integer())
                    .col(ColumnDef::new("assigned_port").integer())
                    .col(ColumnDef::new("token_hash").var_binary(32).not_null().unique_key())
                    .col(ColumnDef::new("previous_token_hash").var_binary(32))
                    .col(ColumnDef::new("previous_token_until").timestamp_with_time_zone())
                    .col(ColumnDef::new("restart_requested_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new("started_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("expires_at").timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new("stopped_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("restored_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("last_checked_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("last_accessed_at").timestamp_with_time_zone())
                    .col(ColumnDef::new("restarts_total").big_integer().not_null())
                    .col(ColumnDef::new("last_exit").json_binary())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_mcp_instances_user")
                            .from("mcp_instances", "user_id")
                            .to("users", "id")
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_mcp_instances_type")
                            .from("mcp_instances", "mcp_type")
                            .to("mcp_types", "name")
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_mcp_instances_credential")
                            .from("mcp_instances", "credential_id")
                            .to("mcp_credentials", "id")
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        for (name, column) in [
            ("ix_mcp_instances_user", "user_id"),
            ("ix_mcp_instances_type", "mcp_type"),
            ("ix_mcp_instances_status", "status"),
            ("ix_mcp_instances_credential", "credential_id"),
        ] {
            manager
                .create_index(
                    Index::create().name(name).table("mcp_instances").col(column).col("id").to_owned(),
                )
                .await?;
        }
        manager
            .create_table(
                Table::create()
                    .table("transitions")
                    .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new("instance_id").uuid().not_null())
                    .col(ColumnDef::new("user_id").uuid().not_null())
                    .col(ColumnDef::new("seq").big_integer().not_null())
                    .col(ColumnDef::new("run").big_integer().not_null())
                    .col(ColumnDef::new("from_status").string_len(16))
                    .col(ColumnDef::new("to_status").string_len(16).not_null())
                    .col(ColumnDef::new("cause").string_len(32))
                    .col(ColumnDef::new("reason").text().not_null())
                    .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_transitions_instance")
                            .from("transitions", "instance_id")
                            .to("mcp_instances", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ux_transitions_seq")
                    .table("transitions")
                    .col("instance_id")
                    .col("seq")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("ix_transitions_user")
                    .table("transitions")
                    .col("user_id")
                    .col("id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("transitions").to_owned()).await?;
        manager.drop_table(Table::drop().table("mcp_instances").to_owned()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
