//! Databases of every schema that there has been, as they are in use: with rows in each of their tables. Today's program takes them over
//! with every row and value, delivers what waits, and vouches for the trail as the program did that wrote it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{self, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState::{Cancelled, Delivered, Failed, Folded, Parked, Pending};
use bellboard::domain::id::{ChangeId, DeliveryId};
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::{ManualClock, Timestamp};
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::{Options, Store};
use sqlx::migrate::{Migration, Migrator};
use sqlx::{Row, SqliteConnection};

use crate::dispatch::senders;
use crate::receiver::Receiver;
use crate::store::released_rows::{columns, fill, tables};
use crate::store::upgrades::{all, connect, write_key};
use crate::support::{TestStore, acme};

/// When it is opened, in milliseconds.
const NOW: i64 = 1_700_000_000_000;

/// What of a table does not stay where it was, and why that is no loss.
const MOVED: [(&str, &str); 3] = [
    // Taken out on purpose: what is open is found again when it fails the next time (migration 11).
    ("trouble", "*"),
    // In a table of its own, and said by the row that took it back (migration 50).
    ("audit", "sealed"),
    ("audit", "undone_by"),
];

/// Every row of every table, as SQL literals by column.
type Rows = BTreeMap<String, Vec<BTreeMap<String, String>>>;

async fn database(folder: &Path, migrations: &[Migration], url: &str) -> Rows {
    let path = folder.join("bellboard.db");
    let mut connection = connect(&path).await;
    sqlx::raw_sql("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL")
        .execute(&mut connection)
        .await
        .unwrap();
    let migrator = Migrator { migrations: Cow::Owned(migrations.to_vec()), ..Migrator::DEFAULT };
    migrator.run(&mut connection).await.unwrap();
    // A row may name a later one; whether all are there is looked at in the end.
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
    fill(&mut connection, url).await;
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert_eq!(dangling.len(), 0, "the rows are such as a program could have written");
    write_key(folder);
    dump(&mut connection).await
}

async fn dump(connection: &mut SqliteConnection) -> Rows {
    let mut rows = Rows::new();
    for (table, _) in tables(connection).await {
        let columns: Vec<String> = columns(connection, &table).await.into_iter().map(|column| column.name).collect();
        let values: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        let all = sqlx::AssertSqlSafe(format!("SELECT {} FROM {table}", values.join(", ")));
        let found = sqlx::query(all).fetch_all(&mut *connection).await.unwrap();
        let row = |row: &sqlx::sqlite::SqliteRow| {
            columns.iter().enumerate().map(|(at, column)| (column.clone(), row.get(at))).collect()
        };
        rows.insert(table, found.iter().map(row).collect());
    }
    rows
}

/// Each row of before is there, once, with all its values.
fn check_rows(before: &Rows, after: &Rows, version: i64) {
    for (table, old) in before {
        assert!(!old.is_empty() || table == "sealing", "schema {version}: {table} has no row to be tested with");
        let moved = |column: &str| MOVED.contains(&(table, column));
        let Some(new) = after.get(table) else { panic!("schema {version}: {table} is gone") };
        if moved("*") && version < 11 {
            continue;
        }
        assert_eq!(new.len(), old.len(), "schema {version}: rows of {table}");
        let kept: BTreeSet<&String> = old.iter().flat_map(BTreeMap::keys).filter(|column| !moved(column)).collect();
        let values = |rows: &[BTreeMap<String, String>]| {
            let value = |row: &BTreeMap<String, String>, column: &String| row.get(column).cloned();
            let mut all: Vec<Vec<_>> =
                rows.iter().map(|row| kept.iter().map(|column| value(row, column)).collect()).collect();
            all.sort();
            all
        };
        assert_eq!(values(new), values(old), "schema {version}: {table} ({kept:?})");
    }
}

async fn sequences(connection: &mut SqliteConnection) -> BTreeMap<String, i64> {
    let all = "SELECT name, seq FROM sqlite_sequence";
    sqlx::query_as(all).fetch_all(connection).await.unwrap().into_iter().collect()
}

async fn schema(connection: &mut SqliteConnection) -> Vec<(String, Option<String>)> {
    let all = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    sqlx::query_as(all).fetch_all(connection).await.unwrap()
}

/// The trail is vouched for as far as it was, and goes on.
async fn check_trail(test: &TestStore, has_chain: bool, version: i64) {
    let verified = test.store.verify_audit(None).await.unwrap();
    let expected = if has_chain { (3, 0) } else { (0, 3) };
    assert_eq!((verified.rows, verified.unchained), expected, "schema {version}");
    assert_eq!(verified.broken, None, "schema {version}");
    test.set("server.backon", Channel::Slack, CellSetting::On).await;
    let later = test.store.verify_audit(verified.head).await.unwrap();
    assert_eq!((later.rows, later.broken, later.found), (expected.0 + 1, None, true), "schema {version}");
    assert_eq!(later.head.map(|head| head.change), Some(ChangeId::new(4)), "schema {version}");
}

/// What waited and what was under way goes out; what was held or had ended is as it was.
async fn check_deliveries(test: &TestStore, receiver: &Receiver, version: i64) {
    let (status, _) = tokio::sync::watch::channel(Status::Standby);
    let mut engine = Engine::new(test.store.clone(), senders().into(), dispatch::Options::default(), status);
    engine.begin().await.unwrap();
    engine.until_idle().await;
    assert_eq!(receiver.received().len(), 2, "schema {version}");
    assert!(
        receiver.received()[0].body.contains("12345678901234567890.10"),
        "schema {version}: the payload as it came"
    );
    let rows =
        test.store.deliveries(&DeliveryFilter { account: Some(acme()), ..DeliveryFilter::default() }).await.unwrap();
    let state = |number| rows.iter().find(|row| row.id == DeliveryId::new(number)).map(|row| row.state);
    let mut expected = vec![Delivered, Delivered, Delivered, Failed, Cancelled, Pending];
    // In the order in which they came to be; both of the last two are of one migration.
    expected.extend([Folded, Parked].into_iter().filter(|_| version >= 32));
    let found: Vec<_> = (1..).map_while(state).take(expected.len()).collect();
    assert_eq!(found, expected, "schema {version}");
}

#[tokio::test]
async fn each_is_taken_over_as_it_is_in_use() {
    let migrations = all().await;
    let fresh = tempfile::tempdir().unwrap();
    let path = fresh.path().join("bellboard.db");
    Store::open(&Options::at(&path), ManualClock::at(Timestamp::from_millis(NOW))).await.unwrap().close().await;
    let wanted = schema(&mut connect(&path).await).await;
    for count in 1..=migrations.len() {
        let version = migrations[count - 1].version;
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::answering(&[200]).await;
        let before = database(folder.path(), &migrations[..count], &receiver.url).await;
        let path = folder.path().join("bellboard.db");
        let given = sequences(&mut connect(&path).await).await;

        let clock = ManualClock::at(Timestamp::from_millis(NOW));
        let store = Store::open(&Options::at(&path), clock.clone()).await;
        let store = store.unwrap_or_else(|error| panic!("schema {version}: {error}"));
        let test = TestStore { store, clock, folder };
        let mut connection = connect(&path).await;
        let mut after = dump(&mut connection).await;
        let secrets = after.get("audit_secret").unwrap();
        assert_eq!(
            (secrets.len(), secrets[0]["audit_id"].as_str()),
            (1, "2"),
            "schema {version}: a secret for undoing"
        );
        // Which key is in use is found out at the start.
        after.insert("sealing".to_owned(), before.get("sealing").cloned().unwrap_or_default());
        check_rows(&before, &after, version);
        assert_eq!(schema(&mut connection).await, wanted, "schema {version}: as a new one has it");
        for (table, last) in given {
            let now = sequences(&mut connection).await.get(&table).copied();
            assert!(now >= Some(last) || version < 11, "schema {version}: no number of {table} is given twice");
        }
        let examined = test.store.examine(true).await.unwrap();
        assert_eq!((examined.damage, examined.dangling), (Vec::new(), 0), "schema {version}");
        check_trail(&test, version >= 50, version).await;
        check_deliveries(&test, &receiver, version).await;
        let rotated = test.store.rotate_key(&crate::support::actor()).await.unwrap();
        assert_eq!(rotated.unopened, 0, "schema {version}: each secret opens");
        assert!(rotated.sealed >= 3, "schema {version}: {rotated:?}");
        test.store.close().await;
    }
}
