//! Stores to try things on, and rows to begin with.

use chrono::{DateTime, SubsecRound, Utc};
use minimcp::expiry::Expiry;
use minimcp::store::{
    Location, NewCredential, NewInstance, NewUser, PageRequest, Quota, Role, SealedFields, Store,
};
use minimcp_entities::{mcp_type, user};
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

const POSTGRES: &str = "MINIMCP_TEST_POSTGRES_URL";

/// A database of its own for one test.
pub(crate) struct Scratch {
    pub(crate) store: Store,
    pub(crate) place: Place,
}

/// Where a database may be made, without one being there yet.
pub(crate) struct Place {
    pub(crate) location: Location,
    pub(crate) directory: TempDir,
    /// On PostgreSQL, the URL to make databases by and the name of this one.
    server: Option<(String, String)>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { location: Location::Sqlite(directory.path().join("minimcp.db")), directory, server: None }
    }

    pub(crate) async fn postgres() -> Self {
        let Ok(server) = std::env::var(POSTGRES) else {
            panic!(
                "{POSTGRES} is not set, so nothing is known about PostgreSQL. `make test` sets it; by hand: \
                 export {POSTGRES}=$(scripts/postgres start DIR), and scripts/postgres stop DIR in the end"
            );
        };
        let name = format!("test_{}", Uuid::now_v7().simple());
        let admin = Database::connect(&server).await.unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Self {
            location: Location::parse(url.as_str()).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            server: Some((server, name)),
        }
    }

    pub(crate) async fn remove(self) {
        if let Some((server, name)) = self.server {
            let admin = Database::connect(&server).await.unwrap();
            admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            admin.close().await.unwrap();
        }
    }
}

impl Scratch {
    pub(crate) async fn sqlite() -> Self {
        Self::at(Place::sqlite()).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(Place::postgres().await).await
    }

    async fn at(place: Place) -> Self {
        let store = Store::open(&place.location).await.unwrap();
        store.migrate().await.unwrap();
        store.ping().await.unwrap();
        Self { store, place }
    }

    pub(crate) async fn remove(self) {
        self.store.close().await.unwrap();
        self.place.remove().await;
    }
}

/// Now, as both databases keep it.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

pub(crate) fn page(limit: u32) -> PageRequest {
    PageRequest::new(Some(limit), None).unwrap()
}

pub(crate) fn next(limit: u32, cursor: Option<String>) -> PageRequest {
    PageRequest::new(Some(limit), Some(&cursor.expect("there is a next page"))).unwrap()
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        role: Role::User,
        quota: Quota::default(),
        created_at: now(),
    }
}

pub(crate) async fn user(store: &Store, name: &str) -> user::Model {
    store.create_user(new_user(name)).await.unwrap()
}

pub(crate) fn type_row(name: &str) -> mcp_type::Model {
    let definition: minimcp::catalog::TypeDefinition = serde_json::from_value(json!({
        "name": name, "display_name": name, "server_script": "x.mjs",
        "credential_fields": {"required": ["api_key"]},
    }))
    .unwrap();
    definition.to_row(false, now())
}

pub(crate) async fn mcp_type(store: &Store, name: &str) {
    store.create_type(type_row(name)).await.unwrap();
}

/// A user `joe` and a type `github`.
pub(crate) async fn joe_and_github(store: &Store) -> user::Model {
    mcp_type(store, "github").await;
    user(store, "joe").await
}

pub(crate) fn sealed(bytes: &[u8]) -> SealedFields {
    SealedFields {
        sealed: bytes.to_vec(),
        key_id: "0123456789abcdef".into(),
        hint: Some("wxyz".into()),
        field_names: vec!["api_key".into()],
    }
}

pub(crate) fn new_credential(user_id: Uuid, mcp_type: &str, name: &str) -> NewCredential {
    NewCredential {
        id: Uuid::now_v7(),
        user_id,
        mcp_type: mcp_type.to_owned(),
        name: name.to_owned(),
        fields: sealed(b"sealed"),
        expiry: Expiry::default(),
        created_at: now(),
    }
}

pub(crate) fn new_instance(user_id: Uuid) -> NewInstance {
    let mut token_hash = [0; 32];
    token_hash[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    NewInstance {
        id: Uuid::now_v7(),
        user_id,
        mcp_type: "github".into(),
        credential_id: None,
        name: None,
        config: json!({"timeout_ms": 5}),
        debug: false,
        restart: None,
        limits: None,
        idle_timeout_seconds: None,
        token_hash,
        created_at: now(),
        expires_at: now() + chrono::TimeDelta::hours(1),
    }
}
