//! The dispatcher, on a clock that stands still and against a receiver on a real socket.

mod breaking;

mod conformance;

mod handover;

mod holds;

mod lifecycle;

mod limits;

mod orders;

mod outcomes;

mod poison;

mod starting;

mod waiting;

mod strict;

use std::time::Duration;

use bellboard::channels::{self, Senders};
use bellboard::dispatch::engine::Engine;
use bellboard::dispatch::{Options, Status};
use bellboard::domain::channel::Channel;
use bellboard::domain::delivery::DeliveryState;
use bellboard::domain::id::{DeliveryId, DestinationId};
use bellboard::domain::matrix::CellSetting;
use bellboard::store::deliveries::DeliveryDetail;

use crate::receiver::Receiver;
use crate::support::TestStore;

/// A store with a webhook to the receiver, on for `job.fail`, and a dispatcher.
pub struct Rig {
    pub test: TestStore,
    pub engine: Engine,
    pub webhook: DestinationId,
}

pub fn senders() -> Senders {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    Senders::new(channels::Options { allow, ..channels::Options::default() }).unwrap()
}

impl Rig {
    pub async fn new(receiver: &Receiver) -> Self {
        let test = TestStore::acme().await;
        let webhook = test.webhook_at(&receiver.url).await;
        test.set("job.fail", Channel::Webhook, CellSetting::On).await;
        test.set("job.fail", Channel::Email, CellSetting::Off).await;
        let (status, _) = tokio::sync::watch::channel(Status::Standby);
        let mut engine = Engine::new(test.store.clone(), senders().into(), Options::default(), status);
        engine.begin().await.unwrap();
        Self { test, engine, webhook }
    }

    /// Emits one event, and works until nothing is due.
    pub async fn deliver(&mut self) -> DeliveryId {
        let delivery = self.test.emit("job.fail", r#"{"name":"backup"}"#).await.deliveries[0].0;
        self.engine.until_idle().await;
        delivery
    }

    pub async fn after(&mut self, seconds: u64) {
        self.test.clock.advance(Duration::from_secs(seconds));
        self.engine.until_idle().await;
    }

    pub async fn detail(&self, delivery: DeliveryId) -> DeliveryDetail {
        self.test.store.delivery(delivery).await.unwrap()
    }

    pub async fn state(&self, delivery: DeliveryId) -> DeliveryState {
        self.detail(delivery).await.delivery.state
    }
}
