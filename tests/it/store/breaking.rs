//! Orders of events in which a store might lose, mix up or hold up what it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bellboard::domain::account::{AccountStatus, Profile};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::{DeliveryState, Exchange, Next};
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::{Clock, Timestamp};
use bellboard::store::queue::{Claimed, Deliverer, Finished, Kept};
use bellboard::store::{Options, Store};

use crate::support::{TestStore, acme, actor, event};

fn deliverer() -> Deliverer {
    Deliverer { boot_id: "boot".to_owned(), process: "pid 1".to_owned(), holds: [].into(), schedule: Vec::new() }
}

fn delivered(test: &TestStore, claimed: &Claimed) -> Finished {
    Finished {
        delivery: claimed.message.delivery,
        attempt: claimed.message.attempt,
        destination: claimed.destination,
        started_at: test.clock_now(),
        duration: Duration::from_millis(12),
        exchange: Kept::of(&Exchange { request: None, answer: None, result: Ok(()) }),
        next: Next::Delivered,
        decided_at: test.clock_now(),
        health: None,
        word: None,
    }
}

async fn set_up(test: &TestStore) {
    test.webhook().await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
}

#[tokio::test]
async fn what_was_being_sent_to_a_destination_that_is_no_more_ends_at_the_next_start() {
    for remove in [true, false] {
        let test = TestStore::acme().await;
        set_up(&test).await;
        let (delivery, id) = test.emit("job.fail", "{}").await.deliveries[0];
        let ends = test.clock_now().plus(Duration::from_secs(30));
        assert_eq!(test.store.claim(vec![delivery], ends).await.unwrap().len(), 1);
        let command = if remove {
            Command::RemoveDestination { id }
        } else {
            Command::SetDestinationState { id, state: DestinationState::Disabled }
        };
        test.run(command).await.unwrap();
        test.store.reclaim(deliverer()).await.unwrap();
        let state = test.store.delivery(delivery).await.unwrap().delivery.state;
        assert_eq!(state, DeliveryState::Cancelled, "removed: {remove}");
    }
}

#[tokio::test]
async fn the_result_of_a_removed_accounts_send_ends_nobody_elses_delivery() {
    let test = TestStore::acme().await;
    set_up(&test).await;
    let (old, old_destination) = test.emit("job.fail", "{}").await.deliveries[0];
    let ends = test.clock_now().plus(Duration::from_secs(30));
    let under_way = test.store.claim(vec![old], ends).await.unwrap().remove(0);
    test.store.finish(vec![delivered(&test, &under_way)]).await.unwrap();
    test.run(Command::Replay { deliveries: vec![old] }).await.unwrap();
    let cursor = test.store.last_attempt().await.unwrap();
    let under_way = test.store.claim(vec![old], ends).await.unwrap().remove(0);
    test.run(Command::RemoveAccount { key: acme() }).await.unwrap();
    let profile = Profile::new("Acme Ltd", "ops@acme.test", "UTC", AccountStatus::Active).unwrap();
    test.run(Command::AddAccount { key: acme(), profile }).await.unwrap();
    set_up(&test).await;
    let (new, new_destination) = test.emit("job.fail", "{}").await.deliveries[0];
    for _ in 0..2 {
        // The fencing token alone does not help: each delivery begins with the same numbers.
        let claimed = test.store.claim(vec![new], ends).await.unwrap().remove(0);
        test.store.finish(vec![delivered(&test, &under_way)]).await.unwrap();
        let state = test.store.delivery(new).await.unwrap().delivery.state;
        assert_eq!(state, DeliveryState::Sending, "nothing is known of the new one yet");
        test.store.finish(vec![delivered(&test, &claimed)]).await.unwrap();
        test.run(Command::Replay { deliveries: vec![new] }).await.unwrap();
    }
    assert!(new > old, "{new} after {old}");
    assert!(new_destination > old_destination, "{new_destination} after {old_destination}");
    let lines = test.store.attempts_after(cursor, None, 10).await.unwrap();
    assert_eq!(lines.len(), 2, "who watches misses none");
}

#[tokio::test]
async fn names_that_differ_after_a_nul_are_two() {
    let test = TestStore::acme().await;
    for key in ["a\0b", "a\0c", "a"] {
        let answer = test.store.accept(vec![event("job.fail", "{}", Some(key))]).await.unwrap().remove(0);
        assert!(!answer.unwrap().duplicate, "{key:?}");
        let again = test.store.accept(vec![event("job.fail", "{}", Some(key))]).await.unwrap().remove(0);
        assert!(again.unwrap().duplicate, "{key:?}");
    }
}

/// A clock that breaks once, as anything inside of the writer may.
struct Breaking(AtomicBool);

impl Clock for Breaking {
    fn now(&self) -> Timestamp {
        assert!(!self.0.swap(false, Ordering::SeqCst), "the clock broke, as the test wants");
        Timestamp::from_millis(1_700_000_000_000)
    }
}

#[tokio::test]
async fn a_writer_that_breaks_refuses_what_it_had_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Breaking(AtomicBool::new(false)));
    let store = Store::open(&Options::at(folder.path().join("bellboard.db")), clock.clone()).await.unwrap();
    let profile = Profile::new("Acme Ltd", "ops@acme.test", "UTC", AccountStatus::Active).unwrap();
    store.run(&actor(), Command::AddAccount { key: acme(), profile }).await.unwrap();
    clock.0.store(true, Ordering::SeqCst);
    assert!(store.accept(vec![event("job.fail", "{}", None)]).await.is_err());
    assert!(store.accept(vec![event("job.fail", "{}", None)]).await.is_ok(), "the next one is stored");
}
