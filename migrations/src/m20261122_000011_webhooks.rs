//! Who is told of events over HTTP, what is on its way to them, and which leases were said to end soon.

use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::sea_orm::DeriveMigrationName;
use sea_orm_migration::sea_query::{ColumnDef, ForeignKey, ForeignKeyAction, Index, Table};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        webhooks(manager).await?;
        deliveries(manager).await?;
        lease_reminders(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["lease_reminders", "webhook_deliveries", "webhooks"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn webhooks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("webhooks")
                .col(ColumnDef::new("id").uuid().not_null().primary_key())
                .col(ColumnDef::new("user_id").uuid().not_null())
                .col(ColumnDef::new("name").string_len(255).not_null())
                .col(ColumnDef::new("url").text().not_null())
                .col(ColumnDef::new("scope").string_len(16).not_null())
                .col(ColumnDef::new("events").text().not_null())
                .col(ColumnDef::new("enabled").boolean().not_null())
                .col(ColumnDef::new("sealed").blob().not_null())
                .col(ColumnDef::new("key_id").string_len(32).not_null())
                .col(ColumnDef::new("version").big_integer().not_null())
                .col(ColumnDef::new("previous_until").timestamp_with_time_zone())
                .col(ColumnDef::new("failing_since").timestamp_with_time_zone())
                .col(ColumnDef::new("disabled_reason").text())
                .col(ColumnDef::new("dropped").big_integer().not_null())
                .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                .col(ColumnDef::new("updated_at").timestamp_with_time_zone().not_null())
                .col(ColumnDef::new("mac").blob().not_null())
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_webhooks_user")
                        .from("webhooks", "user_id")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let by_user =
        Index::create().name("ix_webhooks_user").table("webhooks").col("user_id").col("id").to_owned();
    manager.create_index(by_user).await
}

async fn deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("webhook_deliveries")
                .col(ColumnDef::new("id").uuid().not_null().primary_key())
                .col(ColumnDef::new("webhook_id").uuid().not_null())
                .col(ColumnDef::new("event").string_len(32).not_null())
                .col(ColumnDef::new("event_key").string_len(128).not_null())
                .col(ColumnDef::new("payload").text().not_null())
                .col(ColumnDef::new("state").string_len(16).not_null())
                .col(ColumnDef::new("attempts").integer().not_null())
                .col(ColumnDef::new("next_at").timestamp_with_time_zone().not_null())
                .col(ColumnDef::new("last_attempt_at").timestamp_with_time_zone())
                .col(ColumnDef::new("last_status").integer())
                .col(ColumnDef::new("last_error").text())
                .col(ColumnDef::new("created_at").timestamp_with_time_zone().not_null())
                .col(ColumnDef::new("finished_at").timestamp_with_time_zone())
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_webhook_deliveries_webhook")
                        .from("webhook_deliveries", "webhook_id")
                        .to("webhooks", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let once = Index::create()
        .name("ux_webhook_deliveries_once")
        .table("webhook_deliveries")
        .col("webhook_id")
        .col("event_key")
        .unique()
        .to_owned();
    manager.create_index(once).await?;
    for (name, columns) in [
        ("ix_webhook_deliveries_due", ["state", "next_at"]),
        ("ix_webhook_deliveries_webhook", ["webhook_id", "id"]),
    ] {
        let mut index = Index::create();
        index.name(name).table("webhook_deliveries");
        for column in columns {
            index.col(column);
        }
        manager.create_index(index).await?;
    }
    Ok(())
}

async fn lease_reminders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("lease_reminders")
                .col(ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key())
                .col(ColumnDef::new("instance_id").uuid().not_null())
                .col(ColumnDef::new("user_id").uuid().not_null())
                .col(ColumnDef::new("expires_at").timestamp_with_time_zone().not_null())
                .col(ColumnDef::new("lead_seconds").big_integer().not_null())
                .col(ColumnDef::new("at").timestamp_with_time_zone().not_null())
                .foreign_key(
                    ForeignKey::create()
                        .name("fk_lease_reminders_instance")
                        .from("lease_reminders", "instance_id")
                        .to("mcp_instances", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .to_owned(),
        )
        .await?;
    let once = Index::create()
        .name("ux_lease_reminders_once")
        .table("lease_reminders")
        .col("instance_id")
        .col("expires_at")
        .col("lead_seconds")
        .unique()
        .to_owned();
    manager.create_index(once).await
}
