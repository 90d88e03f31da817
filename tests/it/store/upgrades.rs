//! Databases of every schema that there has been: opened, brought up to date with nothing lost, and copied before.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bellboard::domain::id::DestinationId;
use bellboard::domain::time::SystemClock;
use bellboard::store::accounts::AccountFilter;
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::error::OpenError;
use bellboard::store::progress::Progress;
use bellboard::store::{Options, Store};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sqlx::migrate::{Migration, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::support::acme;

const KEY: [u8; 32] = [7; 32];
const SECRETS: &str = r#"{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#;

/// Rows that the first schema takes, a few of each table.
const ROWS: &str = r#"
INSERT INTO account VALUES (1, 'acme', 'Acme Ltd', 'ops@acme.test', 'UTC', 'active', 1600000000000);
INSERT INTO event_type VALUES (1, 'disk.full', 'Disk full', 'servers', 'failure');
INSERT INTO preference VALUES (1, 'job.fail', 'webhook', 1, 'jane', 1600000000000);
INSERT INTO destination VALUES (1, 1, 'email', 'ops', '{"address":"ops@acme.test"}', NULL, '[]', 'enabled', NULL, NULL, NULL, 1600000000000, NULL);
INSERT INTO destination VALUES (2, 1, 'webhook', 'hooks', '{"url":"https://hooks.acme.test/in","secret":null}', $sealed, '[]', 'disabled', 'jane did', NULL, NULL, 1600000000000, NULL);
INSERT INTO event VALUES (1, x'0192f0c1a7b07d0e8a3b5c6d7e8f9a0b', 1, 'job.fail', 1600000000000, 0, '{}', '{"uid":"job-1"}');
INSERT INTO idempotency VALUES (1, 'order-17', 1, zeroblob(32));
INSERT INTO delivery VALUES (1, 1, 1, 'failed', 3, 0, NULL, 500, 12, 'HTTP 500', 1600000000000, 1600000000000, 1600000000000);
INSERT INTO delivery VALUES (2, 1, 2, 'pending', 0, 0, 1600000000000, NULL, NULL, NULL, 1600000000000, 1600000000000, 1600000000000);
INSERT INTO attempt VALUES (1, 1, 1, 1600000000000, 12, 'failed', 500, 'HTTP 500', NULL, NULL);
INSERT INTO audit VALUES (1, 1600000000000, 'jane', 'pts/1', 'acme', 'edit_destination', 'hooks was changed', '{"id":"dst_2"}', '{"id":"dst_2"}', $sealed, NULL, NULL);
"#;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A secret, sealed for that row, as SQL has it.
pub fn sealed(row: &str) -> String {
    let nonce = [1; 24];
    let payload = Payload { msg: SECRETS.as_bytes(), aad: row.as_bytes() };
    let ciphertext = XChaCha20Poly1305::new(&KEY.into()).encrypt(&XNonce::from(nonce), payload).unwrap();
    let hex = hex(&[&[1], nonce.as_slice(), &ciphertext].concat());
    format!("x'{hex}'")
}

pub async fn all() -> Vec<Migration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    Migrator::new(folder).await.unwrap().migrations.into_owned()
}

pub async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

/// A database of the schema with these migrations, with rows in it, and its key.
async fn database(folder: &Path, migrations: &[Migration]) -> PathBuf {
    let path = folder.join("bellboard.db");
    let mut connection = connect(&path).await;
    let run = |part: &[Migration]| Migrator { migrations: Cow::Owned(part.to_vec()), ..Migrator::DEFAULT };
    run(&migrations[..1]).run(&mut connection).await.unwrap();
    let rows = ROWS.replace("$sealed", &sealed("destination:2"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
    run(migrations).run(&mut connection).await.unwrap();
    sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    write_key(folder);
    path
}

/// Writes the key, and makes both files private.
pub fn write_key(folder: &Path) {
    std::fs::write(folder.join("bellboard.key"), hex(&KEY)).unwrap();
    for name in ["bellboard.key", "bellboard.db"] {
        std::fs::set_permissions(folder.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

async fn open(path: &Path) -> Result<Store, OpenError> {
    Store::open(&Options::at(path), SystemClock::shared()).await
}

#[tokio::test]
async fn every_schema_opens_and_loses_nothing() {
    let migrations = all().await;
    for count in 1..=migrations.len() {
        let version = migrations[count - 1].version;
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), &migrations[..count]).await;
        let store = open(&path).await.unwrap_or_else(|error| panic!("schema {version}: {error}"));
        assert_eq!(store.accounts(&AccountFilter::default()).await.unwrap().len(), 1, "schema {version}");
        let destinations = store.destinations(&acme(), None).await.unwrap();
        assert_eq!(destinations.iter().map(|one| one.label.as_str()).collect::<Vec<_>>(), ["ops", "hooks"]);
        let lane = store.lane(DestinationId::new(2)).await.unwrap().unwrap();
        let secret = format!("{:?}", lane.fields.get("secret").map(|value| value.expose().to_owned()));
        assert!(secret.contains("whsec_MfKQ9r8"), "schema {version}: its secret opens");
        assert_eq!(store.deliveries(&DeliveryFilter::default()).await.unwrap().len(), 2, "schema {version}");
        assert!(store.catalogue(&acme()).await.unwrap().get("disk.full").is_some(), "schema {version}");
        let audit = store.changes_after(None, 10).await.unwrap();
        assert_eq!(audit.len(), 1, "schema {version}");
        assert!(store.examine(true).await.unwrap().damage.is_empty(), "schema {version}");
        assert_eq!(store.examine(false).await.unwrap().dangling, 0, "schema {version}");
        let rotated = store.rotate_key(&crate::support::actor()).await.unwrap();
        assert_eq!((rotated.sealed, rotated.unopened), (2, 0), "schema {version}");
        store.close().await;

        let copy = folder.path().join(format!("bellboard.db.schema-{version}.backup"));
        assert_eq!(copy.exists(), count < migrations.len(), "schema {version}: a copy when something was to be done");
        if copy.exists() {
            let mut connection = connect(&copy).await;
            let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
                .fetch_all(&mut connection)
                .await
                .unwrap();
            assert_eq!(applied.last(), Some(&version), "the copy is as the file was");
            let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}

#[tokio::test]
async fn who_only_reads_changes_nothing() {
    let migrations = all().await;
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path(), &migrations[..migrations.len() - 1]).await;
    let options = Options { read_only: true, ..Options::at(&path) };
    let refused = Store::open(&options, SystemClock::shared()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Older(_)), "{refused}");
}

#[tokio::test]
async fn with_a_wrong_key_nothing_is_brought_up_to_date() {
    let migrations = all().await;
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path(), &migrations[..3]).await;
    let before = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("bellboard.key"), "ab".repeat(32)).unwrap();
    assert!(matches!(open(&path).await, Err(OpenError::Seal(_))));
    std::fs::remove_file(folder.path().join("bellboard.key")).unwrap();
    assert!(matches!(open(&path).await, Err(OpenError::Seal(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before, "not a byte is changed");
}

#[tokio::test]
async fn a_copy_of_the_same_name_is_left_alone() {
    let migrations = all().await;
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path(), &migrations[..3]).await;
    let copy = folder.path().join(format!("bellboard.db.schema-{}.backup", migrations[2].version));
    std::fs::write(&copy, "somebody's").unwrap();
    open(&path).await.unwrap().close().await;
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "somebody's");
    assert!(folder.path().join(format!("bellboard.db.schema-{}-2.backup", migrations[2].version)).exists());
}

#[tokio::test]
async fn a_damaged_file_is_left_alone_and_its_newest_copy_named() {
    let migrations = all().await;
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path(), &migrations).await;
    let store = open(&path).await.unwrap();
    for name in ["older.db", "newer.db", "gone.db"] {
        store.back_up(&folder.path().join(name), &Progress::default()).await.unwrap();
    }
    std::fs::remove_file(folder.path().join("gone.db")).unwrap();
    store.close().await;
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'account'";
    let page: i64 = sqlx::query_scalar(root).fetch_one(&mut connect(&path).await).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let middle = whole.len() / 2;
    let mut torn = whole.clone();
    torn[usize::try_from(page - 1).unwrap() * 4096..][..4096].fill(0x55);
    let mut headless = whole.clone();
    headless[100..400].fill(0);
    for (what, bytes) in [("cut", &whole[..middle]), ("a page", &torn), ("the schema", &headless)] {
        std::fs::write(&path, bytes).unwrap();
        for read_only in [false, true] {
            let options = Options { read_only, ..Options::at(&path) };
            let error = Store::open(&options, SystemClock::shared()).await.err().unwrap();
            let says = error.to_string();
            assert!(says.contains("damaged") && says.contains("newer.db"), "{what}: {says}");
            assert_eq!((says.lines().count(), error.exit_code()), (1, 6), "{says}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: not a byte is changed");
    }
}
