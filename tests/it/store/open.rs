//! Files that are opened, made, or refused.

use std::os::unix::fs::PermissionsExt;

use bellboard::domain::time::SystemClock;
use bellboard::store::error::OpenError;
use bellboard::store::{Options, Store};
use sqlx::{ConnectOptions, Connection};

use crate::support::TestStore;

async fn open(options: &Options) -> Result<Store, OpenError> {
    Store::open(options, SystemClock::shared()).await
}

#[tokio::test]
async fn folder_file_and_key_are_the_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/deep/bellboard.db");
    let store = open(&Options::at(&path)).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("key")), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    store.close().await;
}

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, but more than sixteen bytes").unwrap();
    assert!(matches!(open(&Options::at(&text)).await, Err(OpenError::Foreign(_))));
    assert_eq!(std::fs::read(&text).unwrap().len(), 43);
    let other = folder.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&other).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE theirs (x)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert!(matches!(open(&Options::at(&other)).await, Err(OpenError::Foreign(_))));
    let missing = Options { read_only: true, ..Options::at(folder.path().join("none.db")) };
    assert!(matches!(open(&missing).await, Err(OpenError::Missing(_))));
    assert!(!folder.path().join("none.db").exists());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let test = TestStore::acme().await;
    let path = test.store.path().to_owned();
    test.store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for read_only in [false, true] {
        let refused = open(&Options { read_only, ..Options::at(&path) }).await;
        assert!(matches!(refused, Err(OpenError::Newer { found: 9999, .. })), "read-only: {read_only}");
    }
}

#[tokio::test]
async fn a_store_for_reading_refuses_changes_and_sees_those_of_others() {
    let test = TestStore::acme().await;
    let options = Options { read_only: true, ..Options::at(test.store.path()) };
    let reader = open(&options).await.unwrap();
    assert!(reader.is_read_only());
    let command = bellboard::domain::command::Command::RemoveAccount { key: crate::support::acme() };
    assert!(reader.run(&crate::support::actor(), command).await.is_err());
    let mut revision = reader.revision();
    revision.mark_unchanged();
    test.webhook().await;
    tokio::time::timeout(std::time::Duration::from_secs(10), revision.changed()).await.unwrap().unwrap();
    assert_eq!(reader.destinations(&crate::support::acme(), None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn sqlite_is_one_without_the_wal_reset_race() {
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap();
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(parts >= vec![3, 51, 3], "{version}");
}

#[tokio::test]
async fn two_processes_that_start_at_once_make_one_schema() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::at(folder.path().join("bellboard.db"));
    let (one, other) = tokio::join!(open(&options), open(&options));
    assert!(one.is_ok(), "{:?}", one.err());
    assert!(other.is_ok(), "{:?}", other.err());
}
