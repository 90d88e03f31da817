//! Starting, stopping, and handing over.

use std::time::Duration;

use bellboard::dispatch::{self, Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::matrix::CellSetting;
use bellboard::store::{Options as StoreOptions, Store};

use crate::dispatch::senders;
use crate::receiver::Receiver;
use crate::support::TestStore;

pub async fn reaches(status: &mut tokio::sync::watch::Receiver<Status>, wanted: impl Fn(&Status) -> bool) {
    let reached = tokio::time::timeout(Duration::from_secs(30), status.wait_for(|status| wanted(status))).await.is_ok();
    assert!(reached, "stays at {:?}", *status.borrow());
}

#[tokio::test]
async fn one_delivers_and_the_next_takes_over_when_it_ends() {
    let receiver = Receiver::answering(&[200]).await;
    let test = TestStore::acme().await;
    test.webhook_at(&receiver.url).await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    let first = dispatch::start(test.store.clone(), senders(), Options::default());
    reaches(&mut first.status(), |status| matches!(status, Status::Delivering { .. })).await;
    let other = Store::open(&StoreOptions::at(test.store.path()), test.clock.clone()).await.unwrap();
    let second = dispatch::start(other.clone(), senders(), Options::default());
    let delivery = test.emit("job.fail", "{}").await.deliveries[1].0;
    let mut revision = test.store.revision();
    while test.store.delivery(delivery).await.unwrap().delivery.state != DeliveryState::Delivered {
        revision.changed().await.unwrap();
    }
    assert_eq!(*second.status().borrow(), Status::Standby);
    first.stop().await;
    reaches(&mut second.status(), |status| matches!(status, Status::Delivering { .. })).await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[1].0;
    let mut revision = other.revision();
    while other.delivery(delivery).await.unwrap().delivery.state != DeliveryState::Delivered {
        revision.changed().await.unwrap();
    }
    assert_eq!(receiver.received().len(), 2);
    second.stop().await;
}

#[tokio::test]
async fn a_paused_dispatcher_sends_nothing_until_it_goes_on() {
    let receiver = Receiver::answering(&[200]).await;
    let test = TestStore::acme().await;
    test.webhook_at(&receiver.url).await;
    test.set("job.fail", Channel::Webhook, CellSetting::On).await;
    let handle = dispatch::start(test.store.clone(), senders(), Options::default());
    reaches(&mut handle.status(), |status| matches!(status, Status::Delivering { .. })).await;
    handle.pause();
    reaches(&mut handle.status(), |status| *status == Status::Paused).await;
    let delivery = test.emit("job.fail", "{}").await.deliveries[1].0;
    handle.resume();
    let mut revision = test.store.revision();
    while test.store.delivery(delivery).await.unwrap().delivery.state != DeliveryState::Delivered {
        revision.changed().await.unwrap();
    }
    handle.stop().await;
}

#[tokio::test]
async fn stopping_while_another_delivers_does_not_hang() {
    let test = TestStore::acme().await;
    let first = dispatch::start(test.store.clone(), senders(), Options::default());
    reaches(&mut first.status(), |status| matches!(status, Status::Delivering { .. })).await;
    let other = Store::open(&StoreOptions::at(test.store.path()), test.clock.clone()).await.unwrap();
    let second = dispatch::start(other, senders(), Options::default());
    tokio::time::timeout(Duration::from_secs(30), second.stop()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), first.stop()).await.unwrap();
}
