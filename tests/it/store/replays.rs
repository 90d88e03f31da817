//! Bulk replays: exactly what was counted, at a pace, through restarts.

use std::time::Duration;

use bellboard::dispatch::upkeep;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::{Command, Done};
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::id::DeliveryId;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::replay::{ReplayItem, ReplayState};
use bellboard::store::deliveries::DeliveryFilter;
use bellboard::store::{Options, Store};

use crate::support::{TestStore, acme, event};

/// A store in which so many deliveries of `job.fail` to a webhook wait.
async fn waiting(count: usize) -> TestStore {
    let test = TestStore::acme().await;
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    for chunk in vec![event("job.fail", "{}", None); count].chunks(1000) {
        test.store.accept(chunk.to_vec()).await.unwrap();
    }
    test
}

fn of(state: DeliveryState) -> DeliveryFilter {
    DeliveryFilter { account: Some(acme()), state: Some(state), ..DeliveryFilter::default() }
}

async fn count(store: &Store, state: DeliveryState) -> usize {
    store.deliveries(&DeliveryFilter { limit: 10_000, ..of(state) }).await.unwrap().len()
}

/// Cancels all that waits.
async fn cancel_all(test: &TestStore) {
    let rows = test.store.deliveries(&DeliveryFilter { limit: 10_000, ..of(DeliveryState::Pending) }).await.unwrap();
    test.run(Command::Cancel { deliveries: rows.iter().map(|row| row.id).collect() }).await.unwrap();
}

async fn start(test: &TestStore, items: Vec<ReplayItem>) -> Done {
    test.run(Command::StartReplay { account: Some(acme()), what: "a test".to_owned(), items }).await.unwrap()
}

#[tokio::test]
async fn it_sends_what_was_counted_at_a_pace_and_through_a_restart() {
    let test = waiting(2500).await;
    cancel_all(&test).await;
    let plan = test.store.plan_again(&of(DeliveryState::Cancelled)).await.unwrap();
    assert_eq!((plan.items.len(), plan.sample.len(), plan.more), (2500, 5, false));
    assert_eq!(plan.items[0], ReplayItem::Again(DeliveryId::new(1)), "the oldest first");
    // What comes after the count is not meant.
    test.store.accept(vec![event("job.fail", "{}", None)]).await.unwrap();
    cancel_all(&test).await;
    let done = start(&test, plan.items).await;
    let id = done.replay.unwrap();
    assert_eq!(done.deliveries.len(), 100, "the first step is made at once");
    assert!(upkeep::once(&test.store).await.unwrap());
    assert_eq!(test.store.replay(id).await.unwrap().sent, 100, "nothing more while these wait for their turn");

    let TestStore { store, clock, folder } = test;
    store.close().await;
    let store = Store::open(&Options::at(folder.path().join("bellboard.db")), clock.clone()).await.unwrap();
    let test = TestStore { store, clock, folder };
    let mut steps = 1;
    while upkeep::once(&test.store).await.unwrap() {
        assert!(count(&test.store, DeliveryState::Pending).await <= 100);
        cancel_all(&test).await;
        steps += 1;
    }
    let replay = test.store.replay(id).await.unwrap();
    assert_eq!((replay.state, replay.sent, replay.passed), (ReplayState::Done, 2500, 0));
    assert!(steps >= 25, "{steps} steps");
    let last = test.store.deliveries(&DeliveryFilter { limit: 1, ..DeliveryFilter::default() }).await.unwrap();
    assert_eq!(last[0].created_at, last[0].updated_at, "what came after the count was left alone");
    assert!(!upkeep::once(&test.store).await.unwrap());
}

#[tokio::test]
async fn a_lane_that_hangs_holds_it_up_for_a_while_only_and_a_cancelled_one_sends_nothing_more() {
    let test = waiting(500).await;
    cancel_all(&test).await;
    let plan = test.store.plan_again(&of(DeliveryState::Cancelled)).await.unwrap();
    let id = start(&test, plan.items).await.replay.unwrap();
    upkeep::once(&test.store).await.unwrap();
    assert_eq!(test.store.replay(id).await.unwrap().sent, 100);
    test.clock.advance(Duration::from_secs(10));
    upkeep::once(&test.store).await.unwrap();
    assert_eq!(test.store.replay(id).await.unwrap().sent, 200);
    test.run(Command::CancelReplay { id }).await.unwrap();
    test.clock.advance(Duration::from_secs(10));
    assert!(!upkeep::once(&test.store).await.unwrap());
    let replay = test.store.replay(id).await.unwrap();
    assert_eq!((replay.state, replay.sent), (ReplayState::Cancelled, 200));
    assert!(test.run(Command::CancelReplay { id }).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_sent_any_more_is_passed_over() {
    let test = waiting(4).await;
    cancel_all(&test).await;
    let plan = test.store.plan_again(&of(DeliveryState::Cancelled)).await.unwrap();
    test.run(Command::Replay { deliveries: vec![DeliveryId::new(2)] }).await.unwrap();
    let done = start(&test, plan.items).await;
    let replay = test.store.replay(done.replay.unwrap()).await.unwrap();
    assert_eq!((replay.state, replay.sent, replay.passed), (ReplayState::Done, 3, 1));
    let nothing = Command::StartReplay { account: None, what: String::new(), items: Vec::new() };
    assert!(test.run(nothing).await.is_err(), "what matches nothing sends nothing");
}

#[tokio::test]
async fn what_was_never_tried_goes_where_it_would_go_now() {
    let test = TestStore::acme().await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let early = test.emit("job.fail", "{}").await.id;
    let mine = DeliveryFilter { account: Some(acme()), ..DeliveryFilter::default() };
    assert!(test.store.plan_missed(&mine).await.unwrap().items.is_empty(), "it would go nowhere now either");
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.clock.advance(Duration::from_mins(1));
    let paused = Command::SetDestinationState { id: webhook, state: DestinationState::Paused };
    test.run(paused.clone()).await.unwrap();
    let held = test.emit("job.fail", "{}").await.deliveries[0].0;
    // Disabling cancels what waits, and what comes then is not sent.
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Disabled }).await.unwrap();
    let dropped = test.emit("job.fail", "{}").await.id;
    assert!(test.store.plan_missed(&mine).await.unwrap().items.len() == 1, "a disabled destination gets nothing");
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Enabled }).await.unwrap();

    let plan = test.store.plan_missed(&mine).await.unwrap();
    let missed = |event| ReplayItem::Missed(event, webhook);
    assert_eq!(plan.items, [missed(early), missed(dropped), ReplayItem::Again(held)]);
    let since = DeliveryFilter { since: Some(test.clock_now()), ..mine.clone() };
    assert_eq!(test.store.plan_missed(&since).await.unwrap().items.len(), 2);
    let other = DeliveryFilter { channel: Some(Channel::Slack), ..mine.clone() };
    assert!(test.store.plan_missed(&other).await.unwrap().items.is_empty());

    let done = start(&test, plan.items.clone()).await;
    assert_eq!(done.deliveries.len(), 3);
    assert!(test.store.plan_missed(&mine).await.unwrap().items.is_empty(), "nothing is missed any more");
    let again = start(&test, plan.items).await.replay.unwrap();
    assert_eq!(test.store.replay(again).await.unwrap().passed, 3, "and nothing is sent twice");
    let why = test.store.why(&early).await.unwrap();
    assert_eq!(why.channels[5].outcome, "waiting");
    assert_eq!(test.emit("job.fail", "{}").await.deliveries[0].0.number(), 4, "numbers go on");
}

#[tokio::test]
async fn one_that_cannot_be_read_ends_and_holds_up_no_other() {
    let test = waiting(300).await;
    cancel_all(&test).await;
    let plan = test.store.plan_again(&of(DeliveryState::Cancelled)).await.unwrap();
    let broken = start(&test, plan.items[..150].to_vec()).await.replay.unwrap();
    let whole = start(&test, plan.items[150..].to_vec()).await.replay.unwrap();
    test.damage(&format!("UPDATE replay_chunk SET items = '{{}}' WHERE replay_id = {}", broken.number())).await;
    cancel_all(&test).await;
    while upkeep::once(&test.store).await.unwrap() {
        cancel_all(&test).await;
    }
    let replay = test.store.replay(broken).await.unwrap();
    assert_eq!((replay.state, replay.sent), (ReplayState::Cancelled, 100), "it says how far it came");
    let replay = test.store.replay(whole).await.unwrap();
    assert_eq!((replay.state, replay.sent), (ReplayState::Done, 150));
}
