//! A database opens with its own master key and no other, and a wrong one changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use minimcp::store::{Location, Store};
use minimcp::vault::{KeyRotation, KeySource, MasterKey, Scope, UnlockError, unlock};
use sea_orm::{ConnectionTrait, Database};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::scratch::{Place, user, vault};

const RIGHT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const WRONG: &str = "2222222222222222222222222222222222222222222222222222222222222222";

#[tokio::test]
async fn sqlite_opens_with_its_own_key_only() {
    opens_with_its_own_key_only(&Place::sqlite()).await;
}

#[tokio::test]
async fn postgres_opens_with_its_own_key_only() {
    let place = Place::postgres().await;
    opens_with_its_own_key_only(&place).await;
    place.remove().await;
}

async fn opens_with_its_own_key_only(place: &Place) {
    let (store, vault) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    let joe = user(&store, "joe").await;
    let record = Uuid::now_v7();
    let scope = Scope::credential(joe.id, &record, "github", 1);
    let sealed = vault.seal(&scope, b"secret").unwrap();
    store.close().await.unwrap();

    let error = unlock(&place.location, &variable(WRONG)).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, UnlockError::WrongKey { .. }), "{words}");
    for part in [&id(RIGHT), &id(WRONG), "MINIMCP_MASTER_KEY"] {
        assert!(words.contains(part), "{part} is not in: {words}");
    }
    assert!(!words.contains("1111") && !words.contains("2222"), "{words}");

    let (store, vault) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    assert_eq!(vault.open(&scope, &sealed).unwrap().as_slice(), b"secret");
    assert_eq!(store.count_users().await.unwrap(), 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_leaves_every_byte_as_it_was() {
    let place = Place::sqlite();
    let (store, _) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    user(&store, "joe").await;
    // Once with a log that holds commits, as after a crash, and once without.
    let open = contents(place.directory.path());
    assert!(open.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()));
    assert!(unlock(&place.location, &variable(WRONG)).await.is_err());
    assert_eq!(contents(place.directory.path()), open);

    store.close().await.unwrap();
    let closed = contents(place.directory.path());
    let written_at = modified(&place);
    assert!(unlock(&place.location, &variable(WRONG)).await.is_err());
    let after = contents(place.directory.path());
    assert_eq!(after["minimcp.db"], closed["minimcp.db"]);
    assert_eq!(modified(&place), written_at);
    assert!(after.get("minimcp.db-wal").is_none_or(Vec::is_empty));
}

#[tokio::test]
async fn a_key_is_made_beside_an_empty_database_only() {
    let place = Place::sqlite();
    let file = place.directory.path().join("master.key");
    let source = KeySource::file(file.clone());
    let (store, vault) = unlock(&place.location, &source).await.unwrap();
    store.close().await.unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(MasterKey::parse(&text).unwrap().id(), vault.key_id());

    fs::remove_file(&file).unwrap();
    let error = unlock(&place.location, &source).await.unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, UnlockError::NoKey { .. }), "{words}");
    assert!(words.contains(&vault.key_id().to_string()) && words.contains("master.key"), "{words}");
    assert!(!file.exists(), "no new key");

    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (store, again) = unlock(&place.location, &source).await.unwrap();
    assert_eq!((again.key_id(), again.deployment()), (vault.key_id(), vault.deployment()));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_start_that_was_cut_short_before_the_key_check_can_be_repeated() {
    let place = Place::sqlite();
    let source = KeySource::file(place.directory.path().join("master.key"));
    let store = Store::open(&place.location, vault()).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await.unwrap();
    let (store, _) = unlock(&place.location, &source).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn data_without_a_key_check_is_not_taken_for_an_empty_database() {
    let place = Place::sqlite();
    let store = Store::open(&place.location, vault()).await.unwrap();
    store.migrate().await.unwrap();
    user(&store, "joe").await;
    store.close().await.unwrap();
    let source = KeySource::file(place.directory.path().join("master.key"));
    assert!(matches!(unlock(&place.location, &source).await, Err(UnlockError::Damaged)));
    assert!(!place.directory.path().join("master.key").exists());
}

#[tokio::test]
async fn a_database_of_the_days_before_the_first_release_is_named_as_such() {
    let place = Place::sqlite();
    let (store, _) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    user(&store, "joe").await;
    store.close().await.unwrap();
    forge(&place, "UPDATE settings SET value = x'01' || substr(value, 2) WHERE key = 'key_check'").await;
    let error = unlock(&place.location, &variable(RIGHT)).await.unwrap_err();
    assert!(matches!(error, UnlockError::OldScheme), "{error}");
    assert!(error.to_string().contains("new data directory"));
}

#[tokio::test]
async fn a_damaged_key_of_one_user_keeps_nobody_else_out() {
    let place = Place::sqlite();
    let (store, vault) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    let (joe, ann) = (user(&store, "joe").await, user(&store, "ann").await);
    let record = Uuid::now_v7();
    let scopes = [joe.id, ann.id].map(|user| Scope::credential(user, &record, "github", 1));
    let sealed = scopes.map(|scope| vault.seal(&scope, b"secret").unwrap());
    store.close().await.unwrap();
    let damage = format!("UPDATE keyring SET wrapped = x'0000' WHERE user_id = x'{}'", joe.id.simple());
    forge(&place, &damage).await;
    let (store, vault) = unlock(&place.location, &variable(RIGHT)).await.unwrap();
    assert!(vault.open(&scopes[0], &sealed[0]).is_err() && vault.lacks_key_of(&sealed[0]).is_some());
    assert_eq!(vault.open(&scopes[1], &sealed[1]).unwrap().as_slice(), b"secret");
    store.close().await.unwrap();
    // One of the deployment is another matter: without it nobody could be let in.
    forge(&place, "UPDATE keyring SET wrapped = x'0000' WHERE purpose = 'pepper'").await;
    let error = unlock(&place.location, &variable(RIGHT)).await.unwrap_err();
    assert!(matches!(error, UnlockError::Damaged), "{error}");
}

#[tokio::test]
async fn whatever_files_a_rotation_left_when_it_was_cut_short_the_next_start_ends_it() {
    let place = Place::sqlite();
    let file = place.directory.path().join("master.key");
    let source = KeySource::file(&file);
    let (store, vault) = unlock(&place.location, &source).await.unwrap();
    let old = vault.key_id();
    let joe = user(&store, "joe").await;
    let record = Uuid::now_v7();
    let scope = Scope::credential(joe.id, &record, "github", 1);
    let sealed = vault.seal(&scope, b"secret").unwrap();
    store.close().await.unwrap();
    let kept = place.directory.path().join(format!("master.key.previous-{old}"));
    let write = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let text = fs::read_to_string(&file).unwrap();
    let log = || slog::Logger::root(slog::Discard, slog::o!());
    for replaced in [false, true] {
        // Cut short after the old key was kept, or after it was replaced, before the keyring moved.
        write(&kept, &text);
        if replaced {
            write(&file, WRONG);
        }
        let (store, vault) = unlock(&place.location, &source).await.unwrap();
        assert_eq!(vault.key_id(), old);
        assert_eq!(vault.open(&scope, &sealed).unwrap().as_slice(), b"secret");
        let rotation = KeyRotation::new(store.clone(), vault.clone(), source.clone(), log());
        rotation.go_on(&CancellationToken::new()).await.unwrap();
        assert!(!kept.exists());
        assert_eq!(vault.key_id().to_string(), if replaced { id(WRONG) } else { old.to_string() });
        assert_eq!(vault.open(&scope, &sealed).unwrap().as_slice(), b"secret");
        store.close().await.unwrap();
    }
    let (store, vault) = unlock(&place.location, &source).await.unwrap();
    assert_eq!(vault.key_id().to_string(), id(WRONG));
    assert_eq!(vault.next_key_id(), None);
    store.close().await.unwrap();
}

/// Changes the database as somebody would who has the file.
async fn forge(place: &Place, statement: &str) {
    let Location::Sqlite(path) = &place.location else { panic!("only on SQLite") };
    let database = Database::connect(format!("sqlite:{}", path.display())).await.unwrap();
    assert_eq!(database.execute_unprepared(statement).await.unwrap().rows_affected(), 1, "{statement}");
    database.close().await.unwrap();
}

fn variable(key: &str) -> KeySource {
    KeySource::variable(key)
}

fn id(key: &str) -> String {
    MasterKey::parse(key).unwrap().id().to_string()
}

/// Every file of the database but the index of its log, which holds no data.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| !path.ends_with("minimcp.db-shm"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn modified(place: &Place) -> std::time::SystemTime {
    let Location::Sqlite(path) = &place.location else { panic!("only on SQLite") };
    fs::metadata(path).unwrap().modified().unwrap()
}
