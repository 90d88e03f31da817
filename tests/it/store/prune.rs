//! Retention: what goes, what stays, and that the file becomes smaller.

use std::time::Duration;

use bellboard::dispatch::upkeep::Keeper;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::replay::ReplayItem;
use bellboard::store::audit::ChangeFilter;
use bellboard::store::events::EventFilter;
use bellboard::store::prune::Place;

use crate::support::{TestStore, event};

const DAY: Duration = Duration::from_hours(24);

async fn events(test: &TestStore) -> usize {
    test.store.events(&EventFilter { limit: 100_000, ..EventFilter::default() }).await.unwrap().len()
}

/// Prunes until nothing is left to do; returns how many steps that took.
async fn prune(test: &TestStore, keep: Duration) -> usize {
    let mut keeper = Keeper::new(test.store.clone(), keep, keep);
    keeper.begin_pruning();
    let mut steps = 1;
    while keeper.step().await.unwrap() {
        steps += 1;
    }
    steps
}

#[tokio::test]
async fn what_ended_goes_and_what_waits_stays() {
    let test = TestStore::acme().await;
    let payload = format!(r#"{{"x":"{}"}}"#, "y".repeat(2000));
    for number in 0..250 {
        let key = format!("key-{number}");
        test.store.accept(vec![event("job.fail", &payload, Some(&key))]).await.unwrap();
    }
    let waiting = [DeliveryId::new(1), DeliveryId::new(77)];
    let others = (1..=250).map(DeliveryId::new).filter(|id| !waiting.contains(id)).collect();
    test.run(Command::Cancel { deliveries: others }).await.unwrap();
    test.clock.advance(DAY);
    test.emit("payment.fail", "{}").await;
    assert_eq!(prune(&test, 2 * DAY).await, 2, "nothing is old enough: one look at events, one at the rest");
    assert_eq!(events(&test).await, 251);

    test.clock.advance(2 * DAY);
    let before = test.clock_now().minus(2 * DAY);
    let counted = test.store.count_prunable(before, Place::default()).await.unwrap();
    assert_eq!(counted.events, 98, "a hundred were looked at, of which two wait");
    let audit = test.store.changes(&ChangeFilter::default()).await.unwrap().len();
    let bytes = test.store.bytes().await.unwrap();
    assert!(prune(&test, 2 * DAY).await >= 3, "in steps");
    assert_eq!(events(&test).await, 3, "two wait, one is new");
    assert_eq!(test.store.changes(&ChangeFilter::default()).await.unwrap().len(), audit);
    assert!(test.store.bytes().await.unwrap() < bytes, "room is given back");
    let again = test.store.accept(vec![event("job.fail", &payload, Some("key-5"))]).await.unwrap();
    assert!(!again[0].as_ref().unwrap().duplicate, "an idempotency key goes with its event");
    let known = test.store.accept(vec![event("job.fail", &payload, Some("key-0"))]).await.unwrap();
    assert!(known[0].as_ref().unwrap().duplicate, "and stays with it");
}

#[tokio::test]
async fn ended_replays_and_failures_that_nobody_told_to_be_over_go_too() {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let delivery = test.emit("job.fail", r#"{"uid":"old"}"#).await.deliveries[0].0;
    test.run(Command::Cancel { deliveries: vec![delivery] }).await.unwrap();
    for _ in 0..2 {
        let items = vec![ReplayItem::Again(delivery)];
        let start = Command::StartReplay { account: None, what: "one".to_owned(), items };
        test.run(start).await.unwrap();
        test.run(Command::Cancel { deliveries: vec![delivery] }).await.unwrap();
    }
    let running = test.store.replays().await.unwrap()[0].id;
    test.damage(&format!("UPDATE replay SET state = 'running', ended_at = NULL WHERE id = {}", running.number())).await;
    test.clock.advance(3 * DAY);
    test.emit("job.fail", r#"{"uid":"new"}"#).await;
    prune(&test, 2 * DAY).await;
    let left: Vec<_> = test.store.replays().await.unwrap().iter().map(|replay| replay.id).collect();
    assert_eq!(left, [running], "one that runs stays");
    for (uid, known) in [("old", false), ("new", true)] {
        let mail = test.emit("job.backon", &format!(r#"{{"uid":"{uid}"}}"#)).await.deliveries[0].0;
        let claimed = test.store.claim(vec![mail], test.clock_now().plus(DAY)).await.unwrap().remove(0);
        assert_eq!(claimed.message.down_since.is_some(), known, "{uid}");
    }
}
