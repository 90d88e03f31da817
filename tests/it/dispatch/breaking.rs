//! Orders of events in which a dispatcher might forget, hold up or send too much.

use std::time::Duration;

use bellboard::dispatch::{self, Options, Status, lock};
use bellboard::domain::channel::Channel;
use bellboard::domain::command::Command;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::destination::DestinationState;
use bellboard::domain::matrix::CellSetting;
use bellboard::domain::time::Clock;
use bellboard::store::{Options as StoreOptions, Store};

use crate::dispatch::handover::reaches;
use crate::dispatch::{Rig, senders};
use crate::receiver::Receiver;
use crate::support::TestStore;

#[tokio::test]
async fn a_clock_set_back_delays_no_first_try() {
    let receiver = Receiver::answering(&[200]).await;
    let mut rig = Rig::new(&receiver).await;
    let id = rig.webhook;
    rig.test.run(Command::SetDestinationState { id, state: DestinationState::Paused }).await.unwrap();
    let delivery = rig.deliver().await;
    rig.test.clock.set(rig.test.clock.now().minus(Duration::from_hours(24)));
    rig.test.run(Command::SetDestinationState { id, state: DestinationState::Enabled }).await.unwrap();
    rig.engine.until_idle().await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_clock_set_back_makes_no_retry_wait_longer() {
    let receiver = Receiver::answering(&[500, 200]).await;
    let mut rig = Rig::new(&receiver).await;
    let delivery = rig.deliver().await;
    rig.test.clock.set(rig.test.clock.now().minus(Duration::from_hours(24)));
    rig.after(1).await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Pending);
    rig.after(6).await;
    assert_eq!(rig.state(delivery).await, DeliveryState::Delivered);
}

#[tokio::test]
async fn who_was_paused_while_standing_by_delivers_nothing_when_it_takes_over() {
    let test = TestStore::acme().await;
    let first = dispatch::start(test.store.clone(), senders(), Options::default());
    reaches(&mut first.status(), |status| matches!(status, Status::Delivering { .. })).await;
    let other = Store::open(&StoreOptions::at(test.store.path()), test.clock.clone()).await.unwrap();
    let second = dispatch::start(other, senders(), Options::default());
    second.pause();
    // The word is taken before the lock can be: both wait in the same task.
    tokio::task::yield_now().await;
    first.stop().await;
    let mut status = second.status();
    reaches(&mut status, |status| *status != Status::Standby).await;
    assert_eq!(*status.borrow(), Status::Paused);
    second.stop().await;
}

#[tokio::test]
async fn a_lock_that_cannot_be_taken_now_is_tried_again() {
    let test = TestStore::acme().await;
    let path = lock::path_for(test.store.path());
    std::fs::create_dir(&path).unwrap();
    let handle = dispatch::start(test.store.clone(), senders(), Options::default());
    reaches(&mut handle.status(), |status| matches!(status, Status::Failed(_))).await;
    std::fs::remove_dir(&path).unwrap();
    reaches(&mut handle.status(), |status| matches!(status, Status::Delivering { .. })).await;
    handle.stop().await;
}

#[tokio::test]
async fn who_answers_does_not_wait_for_the_end_of_those_who_hang() {
    // Whoever connects is let in by the system, and nobody ever answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::answering(&[200]).await;
    let test = TestStore::acme().await;
    for _ in 0..3 {
        test.webhook_at(&format!("http://{}/in", silent.local_addr().unwrap())).await;
    }
    let answers = test.webhook_at(&receiver.url).await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    test.set("job.fail", Channel::Email, CellSetting::Off).await;
    let deliveries = test.emit("job.fail", "{}").await.deliveries;
    // Three may go to webhooks at once.
    let options = Options { sending_max: 4, shutdown_max: Duration::ZERO, ..Options::default() };
    let handle = dispatch::start(test.store.clone(), senders(), options);
    let mut states = Vec::new();
    let mut revision = test.store.revision();
    while !states.contains(&(true, DeliveryState::Delivered)) {
        revision.changed().await.unwrap();
        states.clear();
        for (id, _) in &deliveries {
            let row = test.store.delivery(*id).await.unwrap().delivery;
            states.push((row.destination == answers, row.state));
        }
    }
    assert!(states.iter().all(|(answers, state)| *answers || *state == DeliveryState::Sending), "{states:?}");
    handle.stop().await;
}
