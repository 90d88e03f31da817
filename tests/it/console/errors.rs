//! What a screen says when what it shows or changes is not there, or the store cannot be used: what happened, and what to do.

use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::console::harness::Console;
use crate::support::acme;

#[tokio::test]
async fn a_store_that_cannot_be_read_is_said_until_it_can() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    console.test.damage("ALTER TABLE preference RENAME TO elsewhere").await;
    console.keys("q enter").await;
    insta::assert_snapshot!("errors-unread", console.picture());
    console.keys("down").await;
    assert!(console.picture().contains("cannot be read"), "it stays: {}", console.picture());
    console.test.damage("ALTER TABLE elsewhere RENAME TO preference").await;
    console.reload().await;
    assert!(!console.picture().contains("cannot be read"), "{}", console.picture());
    assert!(console.picture().contains("heartbeat stopped"), "{}", console.picture());
}

#[tokio::test]
async fn a_toggle_that_is_not_stored_says_so_and_the_cell_stays() {
    let mut console = Console::on_acme().await;
    let options = SqliteConnectOptions::new().filename(console.test.store.path());
    let mut other = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    console.keys("space").await;
    insta::assert_snapshot!("errors-busy", console.picture());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    console.keys("space").await;
    assert!(console.picture().contains("Email is off for provisioned ok"), "{}", console.picture());
    // A full disk ends a write like this one.
    console
        .test
        .damage("CREATE TRIGGER full BEFORE INSERT ON preference BEGIN SELECT raise(FAIL, 'no room'); END")
        .await;
    console.keys("down space").await;
    assert!(console.picture().contains("nothing was stored: no room"), "{}", console.picture());
}

#[tokio::test]
async fn what_was_typed_outlives_its_destination() {
    let mut console = Console::on_acme().await;
    let id = console.test.webhook().await;
    console.keys("right right right right enter e").await;
    console.typed("/more").await;
    console.test.run(Command::RemoveDestination { id }).await.unwrap();
    console.reload().await;
    insta::assert_snapshot!("errors-destination_gone", console.picture());
    console.keys("enter").await;
    let all = console.test.store.destinations(&acme(), Some(Channel::Webhook)).await.unwrap();
    assert_eq!(all.len(), 1, "{}", console.picture());
    assert_eq!(all[0].label, "hooks.acme.test", "added anew");
}

#[tokio::test]
async fn an_account_that_somebody_removes_is_told_of() {
    let mut console = Console::on_acme().await;
    console.keys("e").await;
    console.typed("x").await;
    console.test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    console.reload().await;
    insta::assert_snapshot!("errors-account_gone", console.picture());
    console.keys("esc y").await;
    assert!(console.picture().contains("there is no account `acme`"), "{}", console.picture());
    assert!(console.picture().contains("accounts "), "back on the list: {}", console.picture());
}

#[tokio::test]
async fn what_is_being_read_stays_when_it_is_pruned() {
    let mut console = Console::on_acme().await;
    console.busy().await;
    let gone = "DELETE FROM attempt; DELETE FROM delivery; DELETE FROM idempotency; DELETE FROM event";
    console.keys("tab enter w").await;
    console.test.damage(gone).await;
    console.reload().await;
    insta::assert_snapshot!("errors-event_pruned", console.picture());
    console.keys("q").await;
    insta::assert_snapshot!("errors-delivery_pruned", console.picture());
    console.keys("r").await;
    assert!(console.picture().contains("there is nothing to send or to cancel"), "{}", console.picture());
}
