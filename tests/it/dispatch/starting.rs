//! What a start does first, however much waits.

use std::sync::{Arc, Mutex};

use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::matrix::CellSetting;
use sqlx::{Connection, SqliteConnection};
use tracing::Instrument;

use crate::dispatch::senders;
use crate::receiver::Receiver;
use crate::statements;
use crate::support::TestStore;

/// Lanes in which something waits for its next try.
const LANES: usize = 100_000;

/// How many of them are read at once.
const PAGE: usize = 1000;

/// Makes the lanes past the store, where it would take minutes.
async fn many_lanes(test: &TestStore) {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", test.store.path().display())).await.unwrap();
    for statement in [
        "INSERT INTO account (key, name, owner_email, timezone, status, created_at)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT ?1 / 1000)
         SELECT 'many-' || n, name, owner_email, timezone, status, created_at FROM account, n",
        "INSERT INTO destination (account_id, channel, label, fields, only_types, state, created_at)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000)
         SELECT account.id, channel, n, fields, only_types, state, destination.created_at
         FROM account, n, destination WHERE account.key LIKE 'many-%' AND channel = 'email' LIMIT ?1",
        "INSERT INTO delivery (event_id, destination_id, state, attempts, attempts_base, due_at, created_at, due_since, updated_at)
         SELECT event_id, destination.id, 'pending', 1, 0, due_at + 3600000, delivery.created_at, due_since, updated_at
         FROM destination, delivery WHERE destination.channel = 'email' LIMIT ?1",
    ] {
        sqlx::query(statement).bind(i64::try_from(LANES).unwrap()).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn the_first_send_after_a_start_does_not_wait_until_all_lanes_are_known() {
    let receiver = Receiver::answering(&[200]).await;
    let test = TestStore::acme().await;
    test.webhook_at(&receiver.url).await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    many_lanes(&test).await;
    // Of each page of lanes, how many requests had come when it was read.
    let pages = Arc::new(Mutex::new(Vec::new()));
    let receiver = Arc::new(receiver);
    let (seen, came) = (pages.clone(), receiver.clone());
    statements::listen("starting", move |statement| {
        if statement.starts_with("WITH RECURSIVE lane") {
            seen.lock().unwrap().push(came.received().len());
        }
    });
    let (status, _) = tokio::sync::watch::channel(Status::Standby);
    let mut engine = Engine::new(test.store.clone(), senders().into(), Options::default(), status);
    engine.begin().await.unwrap();
    engine.until_idle().instrument(tracing::info_span!("starting")).await;
    assert_eq!(test.store.delivery(delivery).await.unwrap().delivery.state, DeliveryState::Delivered);
    let pages = pages.lock().unwrap().clone();
    assert!(pages.len() > LANES / PAGE, "all lanes were read, in {} pages", pages.len());
    assert_eq!(pages[0], 0);
    assert_eq!(pages[LANES / PAGE], 1, "it was sent while lanes were still being read: {pages:?}");
}
