//! Deliveries that are claimed by the commit that stores them.

use std::time::Duration;

use bellboard::dispatch::send::release;
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::outbox::Inbox;
use bellboard::store::queue::{News, Waiting};

use crate::support::TestStore;

const LEASE: Duration = Duration::from_secs(30);

/// A store with one webhook, and the dispatcher's end of it.
async fn listening() -> (TestStore, Inbox, bellboard::domain::id::DestinationId) {
    let test = TestStore::acme().await;
    let webhook = test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let inbox = test.store.take_inbox().unwrap();
    inbox.slots.open(LEASE);
    (test, inbox, webhook)
}

#[tokio::test]
async fn what_was_offered_is_claimed_as_it_is_stored() {
    let (test, mut inbox, webhook) = listening().await;
    inbox.slots.offer(webhook, 1, test.store.revision().borrow().lanes);
    let first = test.emit("job.fail", r#"{"n":1}"#).await.deliveries[0].0;
    let second = test.emit("job.fail", r#"{"n":2}"#).await.deliveries[0].0;
    let row = test.store.delivery(first).await.unwrap().delivery;
    assert_eq!((row.state, row.attempts), (DeliveryState::Sending, 1), "stored and claimed at once");
    assert_eq!(test.store.delivery(second).await.unwrap().delivery.state, DeliveryState::Pending, "one was offered");
    let handed = inbox.claims.recv().await.unwrap().remove(0);
    let now = test.clock_now();
    let waits = News::Waits(Waiting { delivery: second, due_at: now });
    assert_eq!(inbox.work.recv().await.unwrap(), [(webhook, waits)]);
    test.store.finish(vec![release(&handed, now)]).await.unwrap();
    let read = test.store.claim(vec![first], now.plus(LEASE)).await.unwrap().remove(0);
    assert_eq!(read.message, handed.message, "what is handed over is what would be read");
    assert_eq!((read.tries, read.due_since), (handed.tries, handed.due_since));
}

#[tokio::test]
async fn nothing_is_claimed_by_an_offer_from_before_a_change() {
    let (test, inbox, webhook) = listening().await;
    let before = test.store.revision().borrow().lanes;
    inbox.slots.offer(webhook, 1, before);
    test.run(Command::SetDestinationState { id: webhook, state: DestinationState::Paused }).await.unwrap();
    inbox.slots.offer(webhook, 1, before);
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    assert_eq!(test.store.delivery(delivery).await.unwrap().delivery.state, DeliveryState::Pending, "it was paused");
}

#[tokio::test]
async fn nothing_is_claimed_for_a_dispatcher_that_has_ended() {
    let (test, inbox, webhook) = listening().await;
    inbox.slots.offer(webhook, 1, test.store.revision().borrow().lanes);
    drop(inbox);
    let delivery = test.emit("job.fail", "{}").await.deliveries[0].0;
    assert_eq!(test.store.delivery(delivery).await.unwrap().delivery.state, DeliveryState::Pending);
}
