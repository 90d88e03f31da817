//! The audit trail: append-only, and chained so that a change by other means is found.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::id::ChangeId;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::chain::Head;
use sqlx::{Connection, SqliteConnection};

use crate::support::TestStore;

/// A store with some changes, one of them taken back.
async fn changed() -> TestStore {
    let test = TestStore::acme().await;
    let done = test.set("server.stopped", Channel::Slack, CellSetting::On).await;
    test.run(Command::Undo { change: done.change.unwrap() }).await.unwrap();
    test.webhook().await;
    test
}

/// Runs SQL beside the program, as somebody with the file could.
async fn tamper(test: &TestStore, sql: &'static str) -> Result<(), sqlx::Error> {
    let path = test.folder.path().join("bellboard.db");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await?;
    sqlx::raw_sql(sql).execute(&mut connection).await?;
    connection.close().await
}

#[tokio::test]
async fn it_is_whole_as_it_is_written() {
    let test = changed().await;
    let verified = test.store.verify_audit(None).await.unwrap();
    assert_eq!((verified.rows, verified.unchained, verified.broken), (4, 0, None));
    assert_eq!(verified.head.map(|head| head.change), Some(ChangeId::new(4)));
    test.set("server.backon", Channel::Slack, CellSetting::On).await;
    assert!(test.store.verify_audit(verified.head).await.unwrap().found, "a head stays in it");
}

#[tokio::test]
async fn nothing_in_it_can_be_changed_or_removed() {
    let test = changed().await;
    for sql in ["UPDATE audit SET says = 'nothing' WHERE id = 2", "DELETE FROM audit WHERE id = 4", "DELETE FROM audit"]
    {
        let error = tamper(&test, sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn what_was_altered_by_other_means_is_found() {
    let check = async |sql: &'static str, expected: Option<i64>| {
        let test = changed().await;
        let head = test.store.verify_audit(None).await.unwrap().head;
        tamper(&test, "DROP TRIGGER audit_keeps_rows; DROP TRIGGER audit_keeps_words; PRAGMA foreign_keys = OFF;")
            .await
            .unwrap();
        tamper(&test, sql).await.unwrap();
        let verified = test.store.verify_audit(head).await.unwrap();
        assert_eq!(verified.broken, expected.map(ChangeId::new), "{sql}");
        assert!(!verified.found, "{sql}: the head is no longer in it");
    };
    check("UPDATE audit SET login = 'joe' WHERE id = 2", Some(2)).await;
    check("UPDATE audit SET before = '[ ]' WHERE id = 3", Some(3)).await;
    check("UPDATE audit SET hash = NULL WHERE id = 3", Some(3)).await;
    check("PRAGMA foreign_keys = OFF; DELETE FROM audit WHERE id = 1", Some(2)).await;
    check("UPDATE audit SET id = 9 WHERE id = 4", Some(9)).await;
    // An end that was cut off is whole in itself; only a head that was kept tells.
    check("DELETE FROM audit WHERE id = 4", None).await;
}

#[tokio::test]
async fn a_head_that_never_was_is_not_found() {
    let test = changed().await;
    let other: Head = format!("chg_4:{}", "0".repeat(64)).parse().unwrap();
    let verified = test.store.verify_audit(Some(other)).await.unwrap();
    assert_eq!((verified.broken, verified.found), (None, false));
}
