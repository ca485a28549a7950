//! The way of the schema, up and down.

use minimcp::store::{Location, Quota, Store};
use sea_orm::{ConnectionTrait, Database, Statement};

use super::scratch::{Place, joe_and_github, new_instance, vault};

const OF_SQLITE: &str =
    "SELECT name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_%'";
const OF_POSTGRES: &str =
    "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace";

#[tokio::test]
async fn the_schema_goes_down_and_up_again_on_sqlite() {
    down_and_up(&Place::sqlite()).await;
}

#[tokio::test]
async fn the_schema_goes_down_and_up_again_on_postgres() {
    let place = Place::postgres().await;
    down_and_up(&place).await;
    place.remove().await;
}

async fn down_and_up(place: &Place) {
    let store = Store::open(&place.location, vault()).await.unwrap();
    store.migrate().await.unwrap();
    let first = names(place).await;
    assert!(first.iter().any(|name| name == "mcp_instances"), "{first:?}");

    let joe = joe_and_github(&store).await;
    store.create_instance(&new_instance(joe.id), Quota::default(), None).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.count_users().await.unwrap(), 1, "a second time changes nothing");

    store.unmigrate().await.unwrap();
    let left = names(place).await;
    assert!(left.iter().all(|name| name.starts_with("seaql_migrations")), "{left:?}");
    store.migrate().await.unwrap();
    assert_eq!(names(place).await, first);
    assert_eq!(store.count_users().await.unwrap(), 0);
    store.close().await.unwrap();
}

/// Names of all tables, indexes and sequences.
async fn names(place: &Place) -> Vec<String> {
    let (url, query) = match &place.location {
        Location::Sqlite(path) => (format!("sqlite:{}", path.display()), OF_SQLITE),
        Location::Postgres(url) => (url.clone(), OF_POSTGRES),
    };
    let database = Database::connect(url).await.unwrap();
    let statement = Statement::from_string(database.get_database_backend(), query);
    let rows = database.query_all_raw(statement).await.unwrap();
    database.close().await.unwrap();
    let mut names: Vec<String> = rows.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    names.sort();
    names
}
