//! Retention: what goes, what stays, and that the file becomes smaller.

use std::time::Duration;

use bellboard::dispatch::send::{broken, release};
use bellboard::dispatch::upkeep::Keeper;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{Exchange, Next};
use bellboard::domain::id::DeliveryId;
use bellboard::domain::id::EventId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::replay::ReplayItem;
use bellboard::domain::retry::Patience;
use bellboard::store::audit::ChangeFilter;
use bellboard::store::error::StoreError;
use bellboard::store::events::EventFilter;
use bellboard::store::prune::Place;
use bellboard::store::queue::{Finished, Kept};

use crate::support::{TestStore, acme, event};

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

/// Rows of events, deliveries and attempts that one transaction removes at most.
const ROWS_MAX: i64 = 500;

/// `job.fail` goes to this many webhooks and nowhere else.
async fn fan_out(test: &TestStore, destinations: usize) {
    for number in 0..destinations {
        test.webhook_at(&format!("https://hooks.acme.test/{number}")).await;
    }
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
}

/// An event all of whose deliveries were tried that often and have failed.
async fn failed(test: &TestStore, tries: u32) -> EventId {
    let event = test.emit("job.fail", "{}").await;
    for number in 1..=tries {
        let ids = event.deliveries.iter().map(|(delivery, _)| *delivery).collect();
        let claimed = test.store.claim(ids, test.clock_now().plus(DAY)).await.unwrap();
        let results: Vec<_> = claimed
            .iter()
            .map(|one| {
                let Exchange { result, .. } = broken("answered 500", Patience::Full);
                let reason = result.as_ref().unwrap_err().reason().clone();
                let exchange = Kept::of(&Exchange { request: None, answer: None, result });
                let at = test.clock_now();
                let next = if number == tries {
                    Next::Failed { reason, gone: false }
                } else {
                    Next::Retry { at, counted: true }
                };
                Finished { exchange, next, ..release(one, at) }
            })
            .collect();
        assert_eq!(results.len(), event.deliveries.len());
        test.store.finish(results).await.unwrap();
    }
    event.id
}

/// How many rows there are of what comes in, and that none names another that is not there.
async fn rows(test: &TestStore) -> i64 {
    let url = format!("sqlite://{}", test.store.path().display());
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let (rows, dangling): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM delivery) + (SELECT count(*) FROM attempt),
            (SELECT count(*) FROM pragma_foreign_key_check)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(dangling, 0, "rows that name none");
    rows
}

/// Makes steps of retention and of what it leaves for others, each a transaction, until all has gone that ended before now; hands
/// over what is left after each. None of them removes more rows than it may.
async fn in_steps(test: &TestStore, mut after_step: impl AsyncFnMut()) {
    let mut place = Some(Place::default());
    for _ in 0..1000 {
        let before = rows(test).await;
        let mut worked = place.is_some();
        if let Some(from) = place {
            place = test.store.prune(test.clock_now(), from).await.unwrap().next;
        } else {
            worked = test.store.end_some().await.unwrap().is_some();
        }
        let gone = before - rows(test).await;
        assert!(gone <= ROWS_MAX, "{gone} rows in one transaction");
        after_step().await;
        if !worked {
            return;
        }
    }
    panic!("it does not come to an end");
}

#[tokio::test]
async fn a_step_is_bounded_by_rows_and_a_large_event_is_there_whole_or_not_at_all() {
    let test = TestStore::acme().await;
    fan_out(&test, 130).await;
    let mut events = Vec::new();
    for tries in [1, 5, 1, 1, 4] {
        events.push(failed(&test, tries).await);
    }
    test.run(Command::AddAccount { key: crate::support::other(), profile: crate::support::profile() }).await.unwrap();
    test.clock.advance(DAY);
    let waiting = test.emit("job.fail", "{}").await.id;
    assert!(rows(&test).await > 5 * 130 + 12 * 130);
    let last = DeliveryId::new(2 * 130);
    let mut partly = 0;
    in_steps(&test, async || {
        let mut left = 0;
        for id in &events {
            match test.store.why(id).await {
                Ok(why) => {
                    let deliveries: usize = why.channels.iter().map(|channel| channel.deliveries.len()).sum();
                    assert_eq!(deliveries, 130, "{id} is there in part");
                    left += 1;
                }
                Err(error) => assert!(matches!(error, StoreError::NotFound(_)), "{error}"),
            }
        }
        let seen = test.store.events(&EventFilter { limit: 100, ..EventFilter::default() }).await.unwrap();
        assert_eq!(seen.len(), left + 1);
        if test.store.delivery(last).await.is_err() {
            partly += 1;
            assert!(test.run(Command::Replay { deliveries: vec![last] }).await.is_err(), "nobody sends it again");
        }
    })
    .await;
    assert!(partly > 3, "the second event goes in parts");
    assert_eq!(rows(&test).await, 131, "what waits stays");
    assert_eq!(test.store.why(&waiting).await.unwrap().channels.len(), 6);
    let accounts = test.store.accounts(&bellboard::store::accounts::AccountFilter::default()).await.unwrap();
    assert_eq!(accounts.len(), 2);
    assert!(test.store.endings().await.unwrap().are_none());
}

#[tokio::test]
async fn an_account_can_go_while_a_large_event_of_it_is_removed() {
    for other_goes in [false, true] {
        let test = TestStore::acme().await;
        if other_goes {
            // Its number is below the other's, and it is there for long.
            test.run(Command::AddAccount { key: crate::support::other(), profile: crate::support::profile() })
                .await
                .unwrap();
        }
        fan_out(&test, 130).await;
        failed(&test, 5).await;
        test.emit("job.fail", "{}").await;
        test.clock.advance(DAY);
        assert_eq!(test.store.prune(test.clock_now(), Place::default()).await.unwrap().events, 1);
        test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
        in_steps(&test, async || {}).await;
        assert_eq!(rows(&test).await, 0);
        assert!(test.store.endings().await.unwrap().are_none());
        // Nothing is left of it that would keep its key from being used.
        test.run(Command::AddAccount { key: acme(), profile: crate::support::profile() }).await.unwrap();
    }
}

#[tokio::test]
async fn an_accounts_removal_is_bounded_by_rows_too() {
    let test = TestStore::acme().await;
    fan_out(&test, 130).await;
    for tries in [1, 5, 3] {
        failed(&test, tries).await;
    }
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    in_steps(&test, async || {}).await;
    assert_eq!(rows(&test).await, 0);
}
