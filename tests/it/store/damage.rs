//! Rows that cannot be read: parked with the reason, while others flow.

use std::time::Duration;

use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::deliveries::DeliveryFilter;
use sqlx::{ConnectOptions, Connection};

use crate::support::TestStore;

/// Writes past the store, as nothing of bellboard's would.
async fn damage(test: &TestStore, statements: &[&str]) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(test.store.path()).foreign_keys(false);
    let mut connection = options.pragma("ignore_check_constraints", "ON").connect().await.unwrap();
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe((*statement).to_owned())).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_parked_and_the_others_are_sent() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(test.emit("job.fail", "{}").await.deliveries[0].0);
    }
    damage(
        &test,
        &["UPDATE event SET public_id = x'0102' WHERE id = 1", "UPDATE delivery SET event_id = 999 WHERE id = 3"],
    )
    .await;
    let ends = test.clock_now().plus(Duration::from_secs(30));
    let claimed = test.store.claim(all.clone(), ends).await.unwrap();
    let got: Vec<_> = claimed.iter().map(|claimed| claimed.message.delivery).collect();
    assert_eq!(got, [all[1], all[3]]);
    assert!(test.store.claim(vec![all[0], all[2]], ends).await.unwrap().is_empty(), "nothing cycles");
    let parked = DeliveryFilter { state: Some(DeliveryState::Parked), ..DeliveryFilter::default() };
    damage(&test, &["UPDATE event SET public_id = randomblob(16) WHERE id = 1"]).await;
    let rows = test.store.deliveries(&parked).await.unwrap();
    assert_eq!(rows.len(), 1, "the other one has no event to show");
    assert!(rows[0].reason.as_deref().unwrap_or_default().contains("cannot be read"), "{rows:?}");
}
