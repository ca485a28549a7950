//! Entities and migrations agree: a row with every column set reads back as it was written, and so does one in
//! which every column that may be empty is.

use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, Utc};
use minimcp::store::{Location, Store};
use minimcp_entities::{
    api_token, credential_reminder, idempotency_key, identity, keyring, lease_reminder, mcp_credential,
    mcp_instance, mcp_type, setting, transition, trend, user, webhook, webhook_delivery,
};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel,
    ModelTrait,
};
use serde_json::json;
use uuid::Uuid;

use super::scratch::{Place, now, type_row, vault};

#[tokio::test]
async fn every_row_reads_back_from_sqlite_as_it_was_written() {
    let place = Place::sqlite();
    round_trips(&place).await;
}

#[tokio::test]
async fn every_row_reads_back_from_postgres_as_it_was_written() {
    let place = Place::postgres().await;
    round_trips(&place).await;
    place.remove().await;
}

async fn round_trips(place: &Place) {
    let store = Store::open(&place.location, vault()).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await.unwrap();
    let url = match &place.location {
        Location::Sqlite(path) => format!("sqlite:{}", path.display()),
        Location::Postgres(url) => url.clone(),
    };
    let database = Database::connect(url).await.unwrap();
    for full in [true, false] {
        rows(&database, full).await;
    }
    database.close().await.unwrap();
}

/// The last microsecond of a second, so that nothing rounds.
fn time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 999_999_000).unwrap()
}

fn odd() -> serde_json::Value {
    json!({"ü🔑": [1, -2.5, true, null, "\"\\\n"], "": {}})
}

async fn rows(database: &DatabaseConnection, full: bool) {
    let name = if full { "full" } else { "bare" };
    let byte = u8::from(full);
    let user = user::Model {
        id: Uuid::now_v7(),
        name: name.into(),
        role: "operator".into(),
        max_instances: full.then_some(i64::MAX),
        max_running: full.then_some(0),
        max_credentials: full.then_some(1),
        created_at: time(),
        mac: vec![byte; 32],
    };
    round_trip(database, user.clone()).await;
    let key = keyring::Model {
        id: format!("{byte:032x}"),
        purpose: "user".into(),
        user_id: full.then_some(user.id),
        wrapped: (0..=255).collect(),
        kek_id: "0123456789abcdef".into(),
        seals: i64::MAX,
        active: full,
        created_at: time(),
    };
    round_trip(database, key).await;
    let token = api_token::Model {
        id: Uuid::now_v7(),
        user_id: user.id,
        name: name.into(),
        token_hash: vec![byte; 32],
        hint: "wxyz".into(),
        created_at: time(),
        expires_at: full.then(time),
        last_used_at: full.then(time),
        revoked_at: full.then(time),
        mac: vec![byte; 32],
    };
    round_trip(database, token).await;
    let identity = identity::Model {
        id: Uuid::now_v7(),
        issuer: "i".repeat(512),
        subject: format!("{name}{}", "s".repeat(251)),
        user_id: user.id,
        created_at: time(),
        mac: vec![byte; 32],
    };
    round_trip(database, identity).await;
    let mcp_type = mcp_type::Model {
        description: "ü\n".into(),
        server_script: full.then(|| "x.mjs".into()),
        command: full.then(|| "x".into()),
        config_template: odd(),
        warm: i32::MAX,
        stateful: full,
        builtin: full,
        updated_at: time() + TimeDelta::microseconds(1),
        ..type_row(name)
    };
    round_trip(database, mcp_type).await;
    let credential = mcp_credential::Model {
        id: Uuid::now_v7(),
        user_id: user.id,
        mcp_type: name.into(),
        name: name.into(),
        sealed: (0..=255).collect(),
        key_id: "0123456789abcdef0123456789abcdef".into(),
        hint: full.then(|| "üöäß".into()),
        field_names: json!(["a", "b"]),
        version: i64::MAX,
        expires_at: full.then(time),
        on_expiry: "block_new".into(),
        created_at: time(),
        updated_at: now(),
        mac: vec![byte; 32],
    };
    round_trip(database, credential.clone()).await;
    let reminder = credential_reminder::Model {
        id: i64::from(byte) + 7,
        credential_id: credential.id,
        user_id: user.id,
        expires_at: time(),
        threshold_days: 30,
        at: time(),
    };
    round_trip(database, reminder).await;
    let instance = mcp_instance::Model {
        id: Uuid::now_v7(),
        user_id: user.id,
        mcp_type: name.into(),
        credential_id: full.then_some(credential.id),
        name: full.then(|| name.into()),
        config: odd(),
        debug: full,
        restart: full.then(odd),
        limits: full.then(odd),
        idle_timeout_seconds: full.then_some(i64::MAX),
        desired: "running".into(),
        status: "hibernated".into(),
        cause: full.then(|| "daemon_shutdown".into()),
        status_reason: full.then(|| "ü".repeat(5_000)),
        generation: i64::MAX,
        process_id: full.then_some(i32::MAX),
        assigned_port: full.then_some(65_535),
        token_hash: vec![byte; 32],
        previous_token_hash: full.then(|| vec![9; 32]),
        previous_token_until: full.then(time),
        restart_requested_at: full.then(time),
        created_at: time(),
        started_at: full.then(time),
        expires_at: time(),
        stopped_at: full.then(time),
        restored_at: full.then(time),
        last_checked_at: full.then(time),
        last_accessed_at: full.then(time),
        restarts_total: i64::MAX,
        last_exit: full.then(odd),
        mac: vec![byte; 32],
    };
    round_trip(database, instance.clone()).await;
    let transition = transition::Model {
        id: i64::from(byte) + 7,
        instance_id: instance.id,
        user_id: user.id,
        seq: i64::MAX,
        run: i64::MAX,
        from_status: full.then(|| "starting".into()),
        to_status: "running".into(),
        cause: full.then(|| "high_memory".into()),
        reason: "ü".into(),
        at: time(),
    };
    round_trip(database, transition).await;
    let told = lease_reminder::Model {
        id: i64::from(byte) + 7,
        instance_id: instance.id,
        user_id: user.id,
        expires_at: time(),
        lead_seconds: i64::MAX,
        at: time(),
    };
    round_trip(database, told).await;
    let trend = trend::Model {
        instance_id: instance.id,
        step_seconds: i32::MAX,
        begins_at: i64::MIN + i64::from(byte),
        points: if full { (0..=255).collect() } else { Vec::new() },
    };
    round_trip(database, trend).await;
    let webhook = webhook::Model {
        id: Uuid::now_v7(),
        user_id: user.id,
        name: name.into(),
        url: "u".repeat(2_048),
        scope: "own".into(),
        events: if full { "instance.failed,instance.expired".into() } else { String::new() },
        enabled: full,
        sealed: (0..=255).collect(),
        key_id: "0123456789abcdef0123456789abcdef".into(),
        version: i64::MAX,
        previous_until: full.then(time),
        failing_since: full.then(time),
        disabled_reason: full.then(|| "ü".into()),
        dropped: i64::MAX,
        created_at: time(),
        updated_at: time(),
        mac: vec![byte; 32],
    };
    round_trip(database, webhook.clone()).await;
    let delivery = webhook_delivery::Model {
        id: Uuid::now_v7(),
        webhook_id: webhook.id,
        event: "instance.disconnected".into(),
        event_key: "k".repeat(128),
        payload: odd().to_string(),
        state: "delivered".into(),
        attempts: i32::MAX,
        next_at: time(),
        last_attempt_at: full.then(time),
        last_status: full.then_some(599),
        last_error: full.then(|| "ü".into()),
        created_at: time(),
        finished_at: full.then(time),
    };
    round_trip(database, delivery).await;
    let answer = idempotency_key::Model {
        user_id: user.id,
        key: "k".repeat(255),
        request_hash: vec![byte; 32],
        status: 599,
        sealed_response: vec![0; 70_000],
        key_id: "k".repeat(32),
        created_at: time(),
    };
    round_trip(database, answer).await;
    round_trip(database, setting::Model { key: name.into(), value: vec![0, 255] }).await;
}

async fn round_trip<M>(database: &DatabaseConnection, row: M)
where
    M: ModelTrait
        + PartialEq
        + Debug
        + Clone
        + Sync
        + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::ActiveModel:
        ActiveModelTrait<Entity = M::Entity> + ActiveModelBehavior + Send,
{
    let inserted = row.clone().into_active_model().insert(database).await.unwrap();
    assert_eq!(inserted, row);
    let all = M::Entity::find().all(database).await.unwrap();
    assert!(all.contains(&row), "{row:?} is not among {all:?}");
}
